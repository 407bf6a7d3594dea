// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
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
	if record == nil || record.Server == "" || len(record.Policies)+len(record.Roles)+len(record.Pending) == 0 && !record.MountCreated {
		t.endLogin(ctx)
		t.release(t.obj)
		t.obj.Status.Authorization = nil
		return t.notRequested("")
	}
	if holder := t.claims.add(serverKey(record.Server, record.Namespace), claimantOf(t.obj)); holder.uid != t.obj.UID {
		t.endLogin(ctx)
		t.release(t.obj)
		return t.notRequested(fmt.Sprintf(" What was written before stays on server %s, which belongs to the OpenBaoCluster %s now.", record.Server, holder.name))
	}
	err := t.removeAll(ctx)
	if errors.Is(err, errGone) || errors.Is(err, errMayNotWrite) {
		return err
	}
	defer t.release(t.obj)
	if len(record.Roles)+len(record.Policies) == 0 && !record.MountCreated {
		t.endLogin(ctx)
		t.obj.Status.Authorization = nil
		return t.notRequested(fmt.Sprintf(" What was written before was removed from server %s.", record.Server))
	}
	rest := fmt.Sprintf(" What was written before stays on server %s: policies %s; roles %s of the mount %s.",
		record.Server, orNone(record.Policies), orNone(record.Roles), record.Mount)
	problem := t.notRequested(rest)
	if cause := asProblem(err); cause != nil {
		problem.Message += " " + cause.Message
		problem.Next = cause.Next
	}
	return problem
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// removeAll removes what an admin token may, or else what the bootstrapper may.
func (t *task) removeAll(ctx context.Context) error {
	// The spec may no longer say where the server is.
	t.takeRoute()
	token, tokenErr := t.adminToken(ctx, need{ReasonNotRequested, "It takes an admin token to remove it."})
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
func (t *task) removeAsBootstrapper(ctx context.Context) error {
	record := t.record()
	own := func(name string) bool { return name == bootstrapperRole }
	if !slices.ContainsFunc(record.Roles, own) ||
		!slices.ContainsFunc(slices.Concat(record.Roles, record.Policies), func(name string) bool { return !own(name) }) {
		return nil
	}
	held := t.logins.Get(t.name)
	if held == nil || held.Target.Owner != t.obj.UID || !t.now.Before(held.EndsAt) {
		if err := t.sameServer(ctx); err != nil {
			return err
		}
		audience, err := t.standingAudience()
		if err != nil {
			return nil //nolint:nilerr // The admin token that is asked for removes it all.
		}
		to, err := t.target(ctx, bootstrapperRole, t.opts.BootstrapperSubject, audience)
		if err != nil {
			return err
		}
		fresh, err := t.logIn(ctx, to)
		if err != nil {
			klog.FromContext(ctx).V(2).Info("Could not log in to remove what was written", "err", err)
			return nil
		}
		t.logins.Put(t.name, fresh)
		held = fresh
	}
	defer t.endLogin(ctx)
	if err := t.remove(ctx, t.use(held), authz.PinnedRoleName); err != nil {
		return t.serverProblem(err)
	}
	return nil
}

// sameServer makes sure that the server is the one that was written to.
func (t *task) sameServer(ctx context.Context) error {
	server, err := t.connect(ctx, openbao.Token{})
	if err != nil {
		return err
	}
	health, err := server.Health(ctx)
	if err != nil {
		return t.serverProblem(err)
	}
	if problem := t.healthProblem(health); problem != nil {
		return problem
	}
	if health.ClusterID != t.record().Server {
		return retry(ReasonNotRequested, fmt.Sprintf("The address %s now leads to server %s, where nothing is removed.", t.settings.Address, health.ClusterID), nil)
	}
	return nil
}

// removeWith removes with an admin token, and ends the token.
func (t *task) removeWith(ctx context.Context, token oneTimeToken) error {
	server, err := t.adminClient(ctx, token)
	if err != nil {
		return err
	}
	if err := t.remove(ctx, server, plainName); err != nil {
		if openbao.ClassOf(err) == openbao.Unauthenticated {
			t.record().AdminTokenSecretVersion = token.version
			return t.tokenRefused(err)
		}
		return t.serverProblem(err)
	}
	t.record().AdminTokenSecretVersion = token.version
	if err := t.persist(ctx); err != nil {
		return err
	}
	return t.revoke(ctx, server)
}

// remove deletes what is recorded, and takes it from the record once it is gone.
func (t *task) remove(ctx context.Context, server openbao.Interface, spell func(string) string) error {
	observed, err := t.observe(ctx, server, true)
	if err != nil {
		return err
	}
	if observed.Mount != nil {
		// Without the right to list the roles, those in CEL included, the mount stays.
		if observed.MountRoles, _, err = mountRoles(ctx, server); err != nil {
			return err
		}
	}
	t.settle(observed)
	record := t.record()
	// From here on the server may not hold the contract.
	record.Digest, record.ProvedAt, record.RefusalsProvedAt = "", nil, nil
	record.Identities, record.Proved, record.Plan, record.RootEquivalent = nil, "", nil, nil
	if err := t.persist(ctx); err != nil {
		return err
	}
	kept := observed.denied
	for _, change := range authz.Removal(observed.Observed, t.recorded()) {
		if err := t.mayWrite(); err != nil {
			return err
		}
		err := apply(ctx, server, authz.Mount{Path: record.Mount}, change, observed.policies, spell)
		if openbao.ClassOf(err) == openbao.PermissionDenied {
			kept[change.Kind] = append(kept[change.Kind], change.Name)
			continue
		}
		if err != nil {
			return err
		}
		klog.FromContext(ctx).V(2).Info("Removed from the server", "kind", change.Kind, "name", change.Name)
	}
	if observed.MountRoles != nil && record.MountCreated && len(kept[authz.KindMount]) == 0 {
		record.MountCreated = false
		if others := slices.DeleteFunc(observed.MountRoles, func(role string) bool { return slices.Contains(record.Roles, role) }); len(others) > 0 {
			t.notes = append(t.notes, fmt.Sprintf("The mount %s stays, because it has other roles: %s.", record.Mount, strings.Join(others, ", ")))
		}
	}
	record.Roles, record.Policies = kept[authz.KindRole], kept[authz.KindPolicy]
	slices.Sort(record.Roles)
	slices.Sort(record.Policies)
	return nil
}
