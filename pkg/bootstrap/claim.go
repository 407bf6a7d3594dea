// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// claim is what a login has found out about whose the server is.
type claim struct {
	state authz.MarkState
	mark  authz.Mark
	// read is the policy of the mark, nil if there is none.
	read *openbao.Policy
	// write is the nonce that is to be written, empty if none is.
	write string
}

// identify makes sure that the server is the object's, before anything is read or
// changed for it. The error is a Problem, or one of the client. It changes nothing.
func (s session) identify(ctx context.Context) (*claim, error) {
	confirmed, err := s.proveRecord(ctx)
	if err != nil {
		return nil, err
	}
	c := &claim{}
	in := authz.ClaimInput{Audience: s.audience, Incumbent: s.incumbent, Identity: s.client.identity}
	if held := s.record().Claim; held != nil {
		in.Nonce = held.Nonce
	}
	policy, err := s.client.ReadPolicy(ctx, authz.MarkPolicy)
	switch {
	case err == nil:
		c.read, c.state = &policy, authz.MarkDamaged
		if mark, ok := authz.ParseMark(policy.Text); ok {
			c.state, c.mark = authz.MarkRead, mark
		}
		in.Exact = policy.Text == c.mark.Text() && !policy.Expires
	case openbao.IsNotFound(err):
	case openbao.ClassOf(err) == openbao.PermissionDenied && !s.client.admin:
		// A version that granted no mark to its bootstrapper may have kept its record where
		// others write. That its login gets in, and finds its roles, stands for the mark.
		c.state, in.Incumbent = authz.MarkDenied, in.Incumbent || confirmed
	default:
		return nil, err
	}
	in.State, in.Mark = c.state, c.mark
	others, err := s.claimant().otherHolders(ctx, &in)
	if err != nil {
		return nil, err
	}
	verdict, write := authz.DecideClaim(in)
	if verdict == authz.ClaimUnknown && in.State == authz.MarkRead && in.Incumbent && !in.Identity {
		// An admin token does not say whose the server is. An identity does that gets in.
		if in.Identity, err = s.claimant().letsIn(ctx); err != nil {
			return nil, err
		}
		verdict, write = authz.DecideClaim(in)
	}
	if verdict != authz.ClaimHeld {
		return nil, s.claimant().claimProblem(verdict, in, others)
	}
	c.write, s.unproved = write, nil
	s.claims.Stop(s.obj.UID)
	s.copies.concluded(s.obj.UID)
	return c, nil
}

// holdClaim records that the server is the object's, and brings the mark on it up to
// date where the login may write it. A new nonce is on record before the server has
// it: an older one that it shows is replaced, and never the newer one.
func (s session) holdClaim(ctx context.Context, c *claim) error {
	record := s.record()
	if record.Claim == nil {
		record.Claim = &openbaov1alpha1.ServerClaimStatus{}
	}
	if s.previous != nil {
		// What was compared is about the server before.
		s.copies.forget(s.obj.UID)
		if p := s.previous; len(p.Policies)+len(p.Roles) > 0 {
			s.notes = append(s.notes, fmt.Sprintf("What was written to server %s stays there: policies %s; roles %s of the mount %s.",
				p.Server, orNone(p.Policies), orNone(p.Roles), p.Mount))
		}
		s.previous = nil
	}
	s.recordRoute()
	if c.state == authz.MarkRead && c.write == "" {
		record.Claim.Nonce = c.mark.Nonce
	}
	if at := record.Claim.ConfirmedAt; at == nil || s.elapsed(at, s.opts.ProofInterval) {
		record.Claim.ConfirmedAt = stamp(s.task)
	}
	nonce := c.write
	taken, asked := s.copies.asked(s.obj.UID, s.now)
	if asked && s.client.marks && c.state != authz.MarkDenied {
		if fresh, ok := authz.FreshNonce(append(taken, c.mark.Nonce, record.Claim.Nonce)...); ok {
			nonce = fresh
		}
	}
	if nonce == "" {
		return nil
	}
	if !s.client.marks {
		if c.state == authz.MarkMissing {
			s.notes = append(s.notes, "The mark that says whose this server is is missing on it. The next admin token writes it.")
		}
		return nil
	}
	before := record.Claim.Nonce
	err := s.writeMark(ctx, c, nonce)
	if openbao.ClassOf(err) == openbao.PermissionDenied && !s.client.admin {
		// The policy on the server may be older than the contract. What else there is to
		// do must not wait for it, above all not because somebody asks.
		record.Claim.Nonce = before
		s.notes = append(s.notes, "The server does not let Bailiwick's own identity write the mark that says whose it is.")
		return nil
	}
	if err != nil {
		return err
	}
	if asked {
		for _, name := range s.copies.answer(s.obj.UID, nonce, s.now) {
			s.loop.EnqueueAfter(name, copySettle+time.Second)
		}
	}
	return nil
}

// writeMark writes the mark with a nonce, and reads it back.
func (s session) writeMark(ctx context.Context, c *claim, nonce string) error {
	if err := s.mayWrite(); err != nil {
		return err
	}
	s.record().Claim.Nonce = nonce
	if err := s.persist(ctx); err != nil {
		return err
	}
	mark := authz.Mark{Audience: s.audience, Nonce: nonce}
	if err := s.client.WritePolicy(ctx, authz.MarkPolicy, mark.Text(), c.read); err != nil {
		return err
	}
	read, err := s.client.ReadPolicy(ctx, authz.MarkPolicy)
	if err != nil {
		return err
	}
	if read.Text != mark.Text() {
		return retry(ReasonVerificationFailed, fmt.Sprintf("The server at %s does not show the mark that was written to it.", s.settings.Address), nil)
	}
	*c = claim{state: authz.MarkRead, mark: mark, read: &read}
	klog.FromContext(ctx).V(2).Info("Marked the server", "nonce", nonce)
	return nil
}

// marked reports whether the object may have a mark on its server.
func (t *task) marked() bool {
	claim := t.record().Claim
	return claim != nil && claim.Nonce != ""
}

// letsIn reports whether the server lets in an identity of the contract with a token
// for the derived audience.
func (t claimant) letsIn(ctx context.Context) (bool, error) {
	for _, grant := range t.contract.Grants {
		jwt, err := t.mint(ctx, grant.Role.Subject, t.audience)
		if err != nil {
			continue
		}
		server, _, err := t.server().loginAs(ctx, loginProof, grant.Role.Name, jwt)
		if openbao.IsLoginRefused(err) || openbao.IsNotFound(err) {
			continue
		}
		if err != nil {
			return false, err
		}
		if err := server.RevokeSelf(ctx); err != nil {
			klog.FromContext(ctx).V(2).Info("Could not end a login; it ends with its lease", "role", grant.Role.Name, "err", err)
		}
		return true, nil
	}
	return false, nil
}

// wasIncumbent reports whether the record says that the object holds the server that
// was reached, by a route that a login was made on.
func (t claimant) wasIncumbent(record *openbaov1alpha1.AuthorizationStatus, clusterID string) bool {
	return record != nil && record.Server == clusterID && record.Namespace == t.settings.Namespace &&
		record.Address == t.settings.Address && holdsServer(t.obj)
}

// holdsServer reports whether the record of an object says that it holds a server. An
// earlier version recorded no claim, but what it wrote, and kept the record of an
// object whose server belongs to another.
func holdsServer(obj *openbaov1alpha1.OpenBaoCluster) bool {
	record := obj.Status.Authorization
	if record == nil {
		return false
	}
	if record.Claim != nil {
		return record.Claim.ConfirmedAt != nil
	}
	return len(record.Policies)+len(record.Roles) > 0 && !wasRefused(obj.Status.Conditions)
}

// wasRefused reports whether the last sync found that the server is another's.
func wasRefused(conditions []metav1.Condition) bool {
	for _, c := range conditions {
		if c.Type == openbaov1alpha1.ConditionAuthorizationReady {
			return c.Reason == ReasonServerClaimed
		}
	}
	return false
}

func claimantOf(obj *openbaov1alpha1.OpenBaoCluster) reconcile.Claimant {
	return reconcile.Claimant{Kind: Kind, Name: nameOf(obj), UID: obj.UID, Created: obj.CreationTimestamp.Time}
}
