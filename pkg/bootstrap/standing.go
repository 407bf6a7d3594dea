// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// Why a login was asked for, as the metrics have it.
const (
	loginStanding = "standing"
	loginProof    = "proof"
	loginRefusal  = "refusal"
)

// loginRefused says that the server does not let the bootstrapper in.
type loginRefused struct {
	err error
}

func (e *loginRefused) Error() string { return e.err.Error() }
func (e *loginRefused) Unwrap() error { return e.err }

// target is what a login of this object is for now.
func (t *task) target(grant authz.Grant, ca []byte, audience string) target {
	sum := sha256.Sum256(ca)
	return target{
		uid: t.obj.UID, address: t.settings.Address, ca: hex.EncodeToString(sum[:]), serverName: t.settings.TLSServerName,
		namespace: t.settings.Namespace, clusterID: t.record().Server,
		role: grant.Role.Name, subject: grant.Role.Subject, audience: audience,
	}
}

// standing returns a client that is logged in as the bootstrapper: the one of the
// last time, until two thirds of its lease are over. A *loginRefused and a
// *mintError say why there is none; any other error is a Problem already.
func (t *task) standing(ctx context.Context) (openbao.Interface, error) {
	grant, ok := t.contract.Bootstrapper()
	if !ok {
		return nil, errors.New("the contract has no bootstrapper")
	}
	ca, _, err := t.caBundle(ctx)
	if err != nil {
		return nil, err
	}
	audience, err := t.standingAudience()
	if err != nil {
		return nil, err
	}
	to := t.target(grant, ca, audience)
	held := t.logins.get(t.name)
	if held != nil && held.target != to {
		t.endLogin(ctx)
		held = nil
	}
	if held != nil && t.now.Before(held.renewAt) {
		return t.use(held), nil
	}
	if held != nil && !t.now.Before(held.endsAt) {
		held = nil
	}
	// The server does not know the keys of a new JWT yet: what is held goes first,
	// for it is what they can be written with.
	if held != nil && t.newKeys() {
		return t.use(held), nil
	}
	fresh, err := t.logIn(ctx, to)
	if err != nil {
		if held != nil {
			klog.FromContext(ctx).V(2).Info("Could not log in again, going on with the last login", "err", err)
			return t.use(held), nil
		}
		return nil, err
	}
	if before := t.logins.put(t.name, fresh); before != nil {
		before.revoke(ctx)
	}
	return t.use(fresh), nil
}

// use has the connections of a login closed after the sync.
func (t *task) use(l *login) openbao.Interface {
	t.connected = append(t.connected, l.server)
	return l.server
}

// endLogin revokes the login of the object, if there is one.
func (t *task) endLogin(ctx context.Context) {
	if held := t.logins.take(t.name); held != nil {
		held.revoke(ctx)
	}
}

// logIn opens a session as the bootstrapper.
func (t *task) logIn(ctx context.Context, to target) (*login, error) {
	jwt, err := t.mint(ctx, to.subject, to.audience)
	if err != nil {
		return nil, err
	}
	server, answer, err := t.loginAs(ctx, loginStanding, to.role, jwt)
	if err != nil {
		if openbao.IsLoginRefused(err) || openbao.IsUnknownKey(err) {
			return nil, &loginRefused{err}
		}
		return nil, t.serverProblem(err)
	}
	klog.FromContext(ctx).V(2).Info("Logged in", "role", to.role, "address", to.address, "lease", answer.TTL)
	return newLogin(to, server, answer.TTL, t.now), nil
}

// loginAs logs in and returns a client with the token, which the caller has to
// revoke. It is closed after the sync.
func (t *task) loginAs(ctx context.Context, purpose, role string, jwt openbao.Token) (openbao.Interface, openbao.Login, error) {
	if err := t.mayWrite(); err != nil {
		return nil, openbao.Login{}, err
	}
	anonymous, err := t.connect(ctx, openbao.Token{})
	if err != nil {
		return nil, openbao.Login{}, err
	}
	answer, err := anonymous.LoginJWT(ctx, authz.MountPath, role, jwt)
	result := "ok"
	switch {
	case openbao.IsLoginRefused(err), openbao.IsUnknownKey(err):
		result = "refused"
	case err != nil:
		result = "error"
	}
	t.opts.Metrics.OpenBaoLogin(purpose, result)
	if err != nil {
		return nil, openbao.Login{}, err
	}
	server, err := t.connect(ctx, answer.Token)
	return server, answer, err
}

// newKeys reports whether the API server publishes a key that the server is not
// known to accept.
func (t *task) newKeys() bool {
	accepted := map[string]bool{}
	for _, k := range t.record().SigningKeys {
		accepted[k.PEM] = true
	}
	return slices.ContainsFunc(t.issuer.Keys, func(k authz.Key) bool { return !accepted[k.PEM] })
}

// mayStand reports whether the server may know the bootstrapper.
func (t *task) mayStand() bool {
	grant, ok := t.contract.Bootstrapper()
	if !ok {
		return false
	}
	return slices.Contains(t.record().Roles, grant.Role.Name) || t.selfInits()
}

// enforces reports whether what differs may be repaired.
func (t *task) enforces() bool { return t.settings.Mode == openbaov1alpha1.AuthorizationEnforce }
