// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// authorize brings the contract onto the server. It returns the message of the
// condition if the server holds the contract, or a Problem if it does not.
func (s *session) authorize(ctx context.Context) (string, error) {
	if !authz.Requested(s.obj) {
		s.release(s.obj)
		return "", s.notRequested()
	}
	issuer, err := s.opts.Issuer(ctx)
	if err != nil {
		return "", issuerProblem(err)
	}
	for _, key := range issuer.Skipped {
		klog.FromContext(ctx).V(2).Info("Skipped a signing key of the API server", "keyID", key.ID, "reason", key.Reason)
	}
	contract, err := authz.Desired(s.obj, authz.Inputs{
		Issuer: issuer.URL, Keys: issuer.Keys, OperatorSubject: s.opts.OperatorSubject,
	})
	if err != nil {
		return "", desiredProblem(err)
	}

	digest := authz.Digest(contract)
	if s.holds(digest) && s.obj.Status.Authorization.AdminToken != openbaov1alpha1.AdminTokenInUse {
		return s.unchanged(ctx, issuer)
	}
	anonymous, err := s.connect(ctx, openbao.Token{})
	if err != nil {
		return "", err
	}
	if err := s.claim(ctx, anonymous); err != nil {
		return "", err
	}
	if s.holds(digest) {
		return s.finish(ctx, issuer)
	}
	token, err := s.adminToken(ctx)
	if err != nil {
		return "", err
	}
	server, err := s.connect(ctx, token)
	if err != nil {
		return "", err
	}
	if err := s.establish(ctx, server, contract); err != nil {
		return "", s.serverProblem(err)
	}

	record := s.obj.Status.Authorization
	record.Mount = contract.Mount.Path
	record.Issuer = contract.Config.BoundIssuer
	record.KeyIDs = distinct(contract.Config.KeyIDs())
	record.Policies = distinct(contract.PolicyNames())
	record.Roles = distinct(contract.RoleNames())
	record.Digest = digest
	// Recorded before it happens: a token that is revoked cannot tell any more
	// that the contract was written.
	record.AdminToken = openbaov1alpha1.AdminTokenInUse
	if err := s.persist(ctx, s.before, s.obj); err != nil {
		return "", err
	}
	return s.revoke(ctx, server, issuer)
}

// holds reports whether the record says that the server named in it holds the
// contract with this digest.
func (s *session) holds(digest string) bool {
	record := s.obj.Status.Authorization
	return record != nil && record.Digest == digest && record.Namespace == namespaceOf(s.obj)
}

// unchanged makes sure that it still is the same server, as far as that can be
// seen without a token. A server that does not answer does not undo what was
// written to it.
func (s *session) unchanged(ctx context.Context, issuer Issuer) (string, error) {
	record := s.obj.Status.Authorization
	server, err := s.connect(ctx, openbao.Token{})
	if err == nil {
		var health openbao.Health
		if health, err = server.Health(ctx); err == nil && health.ClusterID != "" {
			if health.ClusterID != record.Server {
				return "", s.otherServer(health.ClusterID)
			}
			record.Address = addressOf(s.obj)
		}
	}
	if err != nil {
		if record.Address != addressOf(s.obj) {
			return "", s.serverProblem(err)
		}
		klog.FromContext(ctx).V(4).Info("Could not look at the server", "err", err)
	}
	if holder, displaced := s.claims.add(serverKey(record.Server, record.Namespace), claimantOf(s.obj)); holder.uid != s.obj.UID {
		return "", s.serverClaimed(record.Server, holder)
	} else if len(displaced) > 0 {
		s.wake(displaced)
	}
	return s.appliedMessage(issuer), nil
}

// claim makes sure that the server is there, can be worked with, and belongs to
// this object. It leaves a record of the server in the status.
func (s *session) claim(ctx context.Context, server openbao.Interface) error {
	health, err := server.Health(ctx)
	if err != nil {
		return s.serverProblem(err)
	}
	if problem := s.healthProblem(health); problem != nil {
		return problem
	}
	holder, displaced := s.claims.add(serverKey(health.ClusterID, namespaceOf(s.obj)), claimantOf(s.obj))
	if holder.uid != s.obj.UID {
		return s.serverClaimed(health.ClusterID, holder)
	}
	s.wake(displaced)
	record := s.obj.Status.Authorization
	if record == nil || record.Server != health.ClusterID || record.Namespace != namespaceOf(s.obj) {
		// What is recorded of another server says nothing about this one.
		record = &openbaov1alpha1.AuthorizationStatus{Server: health.ClusterID, Namespace: namespaceOf(s.obj)}
		s.obj.Status.Authorization = record
	}
	record.Address = addressOf(s.obj)
	return nil
}

func (s *session) wake(others []claimant) {
	for _, o := range others {
		s.loop.Enqueue(o.name)
	}
}

// establish makes the server hold the contract, and reads it back.
func (s *session) establish(ctx context.Context, server openbao.Interface, contract authz.Contract) error {
	observed, policies, err := observe(ctx, server, contract, s.recorded())
	if err != nil {
		return err
	}
	plan := authz.Diff(contract, observed, s.recorded())
	if conflicts := plan.Conflicts(); len(conflicts) > 0 {
		return s.conflictProblem(conflicts, contract.Mount)
	}
	if err := s.recordIntent(ctx, contract); err != nil {
		return err
	}
	for _, change := range plan {
		if err := s.mayWrite(); err != nil {
			return err
		}
		if err := apply(ctx, server, contract.Mount, change, policies); err != nil {
			return err
		}
		klog.FromContext(ctx).V(2).Info("Changed the server", "action", change.Action, "kind", change.Kind, "name", change.Name)
	}
	if len(plan) > 0 {
		if observed, _, err = observe(ctx, server, contract, s.recorded()); err != nil {
			return err
		}
		if rest := authz.Diff(contract, observed, s.recorded()); len(rest) > 0 {
			return verificationProblem(rest)
		}
	}
	return nil
}

func (s *session) mayWrite() error {
	if err := s.opts.Gate(); err != nil {
		return fmt.Errorf("%w: %w", errMayNotWrite, err)
	}
	return nil
}

func (s *session) recorded() authz.Recorded {
	record := s.obj.Status.Authorization
	return authz.Recorded{Mount: record.Mount, Policies: record.Policies, Roles: record.Roles}
}

// recordIntent records the names that are about to be written, so that a crash
// leaves nothing of ours behind that looks like someone else's.
func (s *session) recordIntent(ctx context.Context, contract authz.Contract) error {
	record := s.obj.Status.Authorization
	record.Mount = contract.Mount.Path
	record.Policies = distinct(append(slices.Clone(record.Policies), contract.PolicyNames()...))
	record.Roles = distinct(append(slices.Clone(record.Roles), contract.RoleNames()...))
	// From here on the server may hold neither the old contract nor the new one.
	record.Digest = ""
	record.AdminToken = ""
	return s.persist(ctx, s.before, s.obj)
}

// finish is the part after a restart between writing and revoking.
func (s *session) finish(ctx context.Context, issuer Issuer) (string, error) {
	token, err := s.adminToken(ctx)
	if err != nil {
		var problem *reconcile.Problem
		if errors.As(err, &problem) && problem.Reason != ReasonSecretUnavailable {
			s.obj.Status.Authorization.AdminToken = openbaov1alpha1.AdminTokenUnknown
			return s.appliedMessage(issuer), nil
		}
		return "", err
	}
	server, err := s.connect(ctx, token)
	if err != nil {
		return "", err
	}
	return s.revoke(ctx, server, issuer)
}

// revoke ends the admin token.
func (s *session) revoke(ctx context.Context, server openbao.Interface, issuer Issuer) (string, error) {
	if err := s.mayWrite(); err != nil {
		return "", err
	}
	record := s.obj.Status.Authorization
	switch err := server.RevokeSelf(ctx); openbao.ClassOf(err) {
	case "", openbao.Unauthenticated:
		record.AdminToken = openbaov1alpha1.AdminTokenRevoked
	case openbao.PermissionDenied:
		record.AdminToken = openbaov1alpha1.AdminTokenUnknown
	default:
		return "", notRevoked(err)
	}
	klog.FromContext(ctx).V(2).Info("Ended the admin token", "state", record.AdminToken)
	return s.appliedMessage(issuer), nil
}

// distinct returns the sorted set of names.
func distinct(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

func (s *session) appliedMessage(issuer Issuer) string {
	record := s.obj.Status.Authorization
	message := fmt.Sprintf("Server %s holds the mount %s, %d policies and %d roles.",
		record.Server, record.Mount, len(record.Policies), len(record.Roles))
	switch ref := adminTokenRef(s.obj); {
	case record.AdminToken == openbaov1alpha1.AdminTokenUnknown && ref != nil:
		message += fmt.Sprintf(" The admin token of Secret %s could not be revoked: revoke it with \"bao token revoke -self\" as that token, then delete the Secret.", ref.Name)
	case record.AdminToken == openbaov1alpha1.AdminTokenRevoked && ref != nil:
		message += fmt.Sprintf(" The admin token was revoked; the Secret can be deleted: kubectl -n %s delete secret %s", s.obj.Namespace, ref.Name)
	}
	if n := len(issuer.Skipped); n > 0 {
		message += fmt.Sprintf(" Signing keys of the API server that OpenBao cannot use were left out: %d (%s).", n, skippedNames(issuer.Skipped))
	}
	return message
}
