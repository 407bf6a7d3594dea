// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/klog/v2"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// withdraw removes what was written for an object that asks for nothing any
// more, as far as there is authority for it. The error is always the Problem that
// says what is left.
func (t *task) withdraw(ctx context.Context) error {
	record := t.record()
	if record == nil || record.Server == "" || !t.leavesAnything() {
		t.server().endLogin(ctx)
		t.release(t.obj)
		t.obj.Status.Authorization = nil
		return t.notRequested("")
	}
	err := t.removal().removeAll(ctx)
	if errors.Is(err, errGone) || errors.Is(err, errMayNotWrite) {
		return err
	}
	if !t.leavesAnything() {
		t.server().endLogin(ctx)
		t.release(t.obj)
		t.obj.Status.Authorization = nil
		return t.notRequested(fmt.Sprintf(" What was written before was removed from server %s.", record.Server))
	}
	rest := fmt.Sprintf(" What was written before stays on server %s: policies %s; roles %s of the mount %s.",
		record.Server, orNone(distinct(record.Policies, t.intents().pending(authz.KindPolicy))), orNone(distinct(record.Roles, t.intents().pending(authz.KindRole))), cmp.Or(record.Mount, authz.MountPath))
	if t.marked() {
		rest += " So does the mark that says whose the server is."
	}
	problem := t.notRequested(rest)
	if cause := asProblem(err); cause != nil {
		problem.Message += " " + cause.Message
		problem.Next = cause.Next
	}
	return problem
}

// leavesAnything reports whether the record has something that is to be removed.
func (t *task) leavesAnything() bool {
	record := t.record()
	return t.unproved != nil || len(record.Roles)+len(record.Policies)+len(record.Pending) > 0 || record.MountCreated || t.marked()
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// removal removes what was written for an object that requests nothing any more.
type removal struct{ *task }

// removeAll removes what an admin token may, or else what the bootstrapper may.
func (t removal) removeAll(ctx context.Context) error {
	// The spec may no longer say where the server is.
	t.takeRoute()
	token, tokenErr := t.tokens().adminToken(ctx, need{ReasonNotRequested, "It takes an admin token to remove it."})
	if tokenErr == nil {
		if err := t.sameServer(ctx); err != nil {
			return err
		}
		return t.removeWith(ctx, token)
	}
	if err := t.removeAsBootstrapper(ctx); err != nil {
		return err
	}
	return tokenErr
}

// removeAsBootstrapper removes what the bootstrapper may, which is all but its
// own policy and role and the mount, if what it wrote was to be kept by it.
func (t removal) removeAsBootstrapper(ctx context.Context) error {
	record := t.record()
	own := func(name string) bool { return name == bootstrapperRole }
	if !slices.ContainsFunc(record.Roles, own) ||
		!slices.ContainsFunc(slices.Concat(record.Roles, record.Policies), func(name string) bool { return !own(name) }) {
		return nil
	}
	held := t.logins.Get(t.name)
	if err := t.sameServer(ctx); err != nil {
		return err
	}
	if held != nil {
		// It may be for where the spec led last.
		to, err := t.server().target(ctx, bootstrapperRole, t.opts.BootstrapperSubject, held.Target.Identity.Audience)
		if err != nil {
			return err
		}
		if held.Target != to || !t.now.Before(held.EndsAt) {
			t.server().endLogin(ctx)
			held = nil
		}
	}
	if held == nil {
		audience, err := t.standingAudience()
		if err != nil {
			return nil //nolint:nilerr // The admin token that is asked for removes it all.
		}
		to, err := t.server().target(ctx, bootstrapperRole, t.opts.BootstrapperSubject, audience)
		if err != nil {
			return err
		}
		fresh, err := t.server().logIn(ctx, to)
		if err != nil {
			klog.FromContext(ctx).V(2).Info("Could not log in to remove what was written", "err", err)
			return nil
		}
		t.logins.Put(t.name, fresh)
		held = fresh
	}
	defer t.server().endLogin(ctx)
	if err := t.bootstrapperSession(t.server().use(held)).remove(ctx); err != nil {
		return t.server().serverProblem(err)
	}
	return nil
}

// sameServer makes sure that the server is the one that was written to.
func (t removal) sameServer(ctx context.Context) error {
	health, err := t.health(ctx)
	if err != nil {
		return err
	}
	t.incumbent = t.claimant().wasIncumbent(t.record(), health.ClusterID)
	if health.ClusterID != t.record().Server {
		return retry(ReasonNotRequested, fmt.Sprintf("The address %s now leads to server %s, where nothing is removed.", t.settings.Address, health.ClusterID), nil)
	}
	return nil
}

// removeWith removes with an admin token, and ends the token.
func (t removal) removeWith(ctx context.Context, token oneTimeToken) error {
	client, err := t.tokens().adminClient(ctx, token)
	if err != nil {
		return err
	}
	if err := t.adminSession(client).remove(ctx); err != nil {
		if openbao.ClassOf(err) == openbao.Unauthenticated {
			t.record().AdminTokenSecretVersion = token.version
			return t.tokens().tokenRefused(err)
		}
		return t.server().serverProblem(err)
	}
	t.record().AdminTokenSecretVersion = token.version
	if err := t.persist(ctx); err != nil {
		return err
	}
	return t.tokens().revoke(ctx, client)
}

// remove deletes what is recorded from a server that is the object's, and takes it
// from the record once it is gone.
func (s session) remove(ctx context.Context) error {
	if _, err := s.identify(ctx); err != nil {
		return err
	}
	observed, err := s.observe(ctx, true)
	if err != nil {
		return err
	}
	if observed.Mount != nil {
		// Without the right to list the roles, those in CEL included, the mount stays.
		if observed.MountRoles, _, err = mountRoles(ctx, s.client); err != nil {
			return err
		}
	}
	s.intents().settle(observed)
	record := s.record()
	// From here on the server may not hold the contract.
	record.Digest, record.ProvedAt, record.RefusalsProvedAt = "", nil, nil
	record.Identities, record.Proved, record.Plan, record.RootEquivalent = nil, "", nil, nil
	plan := authz.Removal(observed.Observed, s.recorded())
	s.leaveMount(observed)
	if err := s.recordRemoval(ctx, plan, observed); err != nil {
		return err
	}
	for i, change := range plan {
		if change.Kind == authz.KindMount {
			if err := s.removeMark(ctx); err != nil {
				return err
			}
		}
		if err := s.mayWrite(); err != nil {
			return err
		}
		err := s.apply(ctx, authz.Mount{Path: record.Mount}, change, observed.policies)
		if openbao.ClassOf(err) == openbao.PermissionDenied {
			s.intents().drop(change.Kind, change.Name)
			continue
		}
		if err != nil {
			s.intents().failed(change, plan[i+1:], err)
			return err
		}
		s.intents().confirm(change.Kind, change.Name, change.Action)
		klog.FromContext(ctx).V(2).Info("Removed from the server", "kind", change.Kind, "name", change.Name)
	}
	return s.removeMark(ctx)
}

// recordRemoval records what is about to be deleted. What is recorded, is not on the
// server, and could be read, is gone already.
func (s session) recordRemoval(ctx context.Context, plan authz.Plan, observed observation) error {
	record := s.record()
	gone := func(kind authz.Kind) func(string) bool {
		return func(name string) bool {
			return !slices.Contains(observed.denied[kind], name) &&
				!slices.ContainsFunc(plan, func(c authz.Change) bool { return c.Kind == kind && c.Name == name })
		}
	}
	record.Policies = slices.DeleteFunc(slices.Clone(record.Policies), gone(authz.KindPolicy))
	record.Roles = slices.DeleteFunc(slices.Clone(record.Roles), gone(authz.KindRole))
	record.Pending = pendingChanges(plan)
	return s.persist(ctx)
}

// leaveMount gives up a mount that has roles of others, and says so.
func (s session) leaveMount(observed observation) {
	record := s.record()
	if observed.Mount == nil {
		record.MountCreated, record.ConfigWritten = false, false
	}
	if observed.MountRoles == nil || !record.MountCreated {
		return
	}
	ours := func(role string) bool { return slices.Contains(record.Roles, role) }
	if others := slices.DeleteFunc(slices.Clone(observed.MountRoles), ours); len(others) > 0 {
		record.MountCreated = false
		s.notes = append(s.notes, fmt.Sprintf("The mount %s stays, because it has other roles: %s.", record.Mount, strings.Join(others, ", ")))
	}
}

// removeMark deletes the mark of the object with an admin token, once nothing else of
// it but the mount is left.
func (s session) removeMark(ctx context.Context) error {
	record := s.record()
	if !s.client.admin || !s.marked() || len(record.Roles)+len(record.Policies) > 0 {
		return nil
	}
	policy, err := s.client.ReadPolicy(ctx, authz.MarkPolicy)
	if err != nil && !openbao.IsNotFound(err) {
		return err
	}
	if mark, ok := authz.ParseMark(policy.Text); err == nil && ok && mark.Audience == s.audience {
		if err := s.mayWrite(); err != nil {
			return err
		}
		if err := s.client.DeletePolicy(ctx, authz.MarkPolicy); err != nil {
			return err
		}
		klog.FromContext(ctx).V(2).Info("Removed the mark from the server")
	}
	record.Claim = nil
	return nil
}
