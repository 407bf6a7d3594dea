// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"errors"

	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

// oneTimeToken is a one-time token.
type oneTimeToken struct {
	value openbao.Token
	// version is the resourceVersion of the Secret that holds it.
	version string
}

// write makes the server hold the contract with an admin token, and ends the
// token.
func (t adminTokens) write(ctx context.Context, token oneTimeToken) error {
	client, err := t.adminClient(ctx, token)
	if err != nil {
		return err
	}
	if err := t.adminSession(client).establish(ctx); err != nil {
		if openbao.ClassOf(err) == openbao.Unauthenticated {
			// It is dead, and not tried again.
			t.record().AdminTokenSecretVersion = token.version
			return t.tokenRefused(err)
		}
		return t.server().serverProblem(err)
	}
	t.recordHeld()
	// Recorded before it happens: a token that is revoked cannot tell any more
	// that the contract was written.
	t.record().AdminToken = openbaov1alpha1.AdminTokenInUse
	t.record().AdminTokenSecretVersion = token.version
	if err := t.persist(ctx); err != nil {
		return err
	}
	return t.revoke(ctx, client)
}

// answerWithToken writes the mark with a new nonce for the objects that asked for one,
// if there is a new admin token. The login of the bootstrapper has done so already
// where it may.
func (t adminTokens) answerWithToken(ctx context.Context) error {
	if _, asked := t.copies.asked(t.obj.UID, t.now); !asked || t.record() == nil {
		return nil
	}
	token, err := t.adminToken(ctx, t.firstNeed())
	if err != nil {
		return nil //nolint:nilerr // Without a new token the one that asked waits.
	}
	return t.write(ctx, token)
}

// establish makes the server hold the contract, and reads it back.
func (s session) establish(ctx context.Context) error {
	claim, err := s.identify(ctx)
	if err != nil {
		return err
	}
	observed, err := s.observe(ctx, false)
	if err != nil {
		return err
	}
	s.intents().settle(observed)
	plan := authz.Diff(s.contract, observed.Observed, s.recorded())
	if conflicts := plan.Conflicts(); len(conflicts) > 0 {
		s.record().Plan = planned(plan)
		return s.conflictProblem(conflicts)
	}
	if err := s.holdClaim(ctx, claim); err != nil {
		return err
	}
	// The token may write all of it, and until it has, nothing of it is certain.
	s.record().Digest, s.record().AdminToken = "", ""
	if err := s.recordIntent(ctx, plan); err != nil {
		return err
	}
	for i, change := range plan {
		if err := s.mayWrite(); err != nil {
			return err
		}
		if err := s.apply(ctx, s.contract.Mount, change, observed.policies); err != nil {
			s.intents().failed(change, plan[i+1:], err)
			return err
		}
		s.intents().confirm(change.Kind, change.Name, change.Action)
		s.wrote = true
		klog.FromContext(ctx).V(2).Info("Changed the server", "action", change.Action, "kind", change.Kind, "name", change.Name)
	}
	if len(plan) > 0 {
		if observed, err = s.observe(ctx, false); err != nil {
			return err
		}
		if rest := authz.Diff(s.contract, observed.Observed, s.recorded()); len(rest) > 0 {
			return verificationProblem(rest)
		}
	}
	// The only list of the roles that mode Once ever gets.
	if err := s.listRoles(ctx); err != nil {
		klog.FromContext(ctx).V(2).Info("Could not list the roles of the mount", "err", err)
	}
	return nil
}

// finish is the part after a restart between writing and revoking.
func (t adminTokens) finish(ctx context.Context) error {
	record := t.record()
	ref := t.settings.AdminTokenSecretRef
	if ref == nil {
		record.AdminToken = openbaov1alpha1.AdminTokenUnknown
		return nil
	}
	token, err := t.readToken(ctx, *ref)
	var secret *server.SecretError
	if errors.As(err, &secret) && (secret.Fault == server.SecretForbidden || secret.Fault == server.SecretUnreadable) {
		return t.secretProblem(secret, secretReasons{})
	}
	if err != nil || token.version != record.AdminTokenSecretVersion {
		// The Secret is gone or holds another token: the one that did the work is
		// out of reach.
		record.AdminToken = openbaov1alpha1.AdminTokenUnknown
		return nil //nolint:nilerr // What became of the token is recorded.
	}
	client, err := t.server().connect(ctx, token.value)
	if err != nil {
		return err
	}
	info, err := client.LookupSelf(ctx)
	switch class := openbao.ClassOf(err); {
	case err == nil && (info.IsRoot() || !info.Expires()):
		// It was used by a version that did not ask what it is.
		record.AdminToken = openbaov1alpha1.AdminTokenUnknown
		return nil
	case err != nil && class != openbao.Unauthenticated && class != openbao.PermissionDenied:
		return notRevoked(err)
	}
	return t.revoke(ctx, client)
}

// revoke ends the admin token.
func (t adminTokens) revoke(ctx context.Context, server openbao.Interface) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	record := t.record()
	switch err := server.RevokeSelf(ctx); openbao.ClassOf(err) {
	case "", openbao.Unauthenticated:
		record.AdminToken = openbaov1alpha1.AdminTokenRevoked
	case openbao.PermissionDenied, openbao.NotRevocable, openbao.Invalid:
		// It stays that way. What lives on ends by itself.
		record.AdminToken = openbaov1alpha1.AdminTokenUnknown
	default:
		return notRevoked(err)
	}
	klog.FromContext(ctx).V(2).Info("Ended the admin token", "state", record.AdminToken)
	return nil
}
