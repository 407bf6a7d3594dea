// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"errors"
	"slices"

	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// bootstrapperRole is the name of the bootstrapper's role and policy, in every
// contract that has one.
const bootstrapperRole = "openbao-operator-bootstrapper"

// bootstrapperLogin is the login as the bootstrapper, which is kept from one sync to the
// next.
type bootstrapperLogin struct{ *task }

// standing returns a client that is logged in as the bootstrapper: the one of the
// last time, until two thirds of its lease are over. A
// *server.LoginRefusedError and a *server.MintError say why there is none; any other error is a Problem already.
func (t bootstrapperLogin) standing(ctx context.Context) (openbao.Interface, error) {
	grant, ok := t.contract.Bootstrapper()
	if !ok {
		return nil, errors.New("the contract has no bootstrapper")
	}
	audience, err := t.standingAudience()
	if err != nil {
		return nil, err
	}
	to, err := t.server().target(ctx, grant.Role.Name, grant.Role.Subject, audience)
	if err != nil {
		return nil, err
	}
	held := t.logins.Get(t.name)
	if held != nil && held.Target != to {
		t.server().endLogin(ctx)
		held = nil
	}
	if held != nil && t.now.Before(held.RenewAt) {
		return t.server().use(held), nil
	}
	if held != nil && !t.now.Before(held.EndsAt) {
		held = nil
	}
	// The server does not know the keys of a new JWT yet: what is held goes first,
	// for it is what they can be written with.
	if held != nil && t.newKeys() {
		return t.server().use(held), nil
	}
	fresh, err := t.server().logIn(ctx, to)
	if err != nil {
		if held != nil {
			klog.FromContext(ctx).V(2).Info("Could not log in again, going on with the last login", "err", err)
			return t.server().use(held), nil
		}
		return nil, err
	}
	if before := t.logins.Put(t.name, fresh); before != nil {
		before.Revoke(ctx)
	}
	return t.server().use(fresh), nil
}

// newKeys reports whether the API server publishes a key that the server is not
// known to accept.
func (t bootstrapperLogin) newKeys() bool {
	if t.settings.ReadsKeys {
		return false
	}
	accepted := map[string]bool{}
	for _, k := range t.record().SigningKeys {
		accepted[k.PEM] = true
	}
	return slices.ContainsFunc(t.issuer.Keys, func(k authz.Key) bool { return !accepted[k.PEM] })
}

// mayStand reports whether the server may know the bootstrapper.
func (t bootstrapperLogin) mayStand() bool {
	grant, ok := t.contract.Bootstrapper()
	if !ok {
		return false
	}
	return slices.Contains(slices.Concat(t.record().Roles, t.unprovedNames(authz.KindRole)), grant.Role.Name) || t.selfInits() || t.runsServers
}

// enforces reports whether what differs may be repaired.
func (t *task) enforces() bool { return t.settings.Mode == openbaov1alpha1.AuthorizationEnforce }
