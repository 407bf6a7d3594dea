// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

const (
	// RevokeTimeout bounds the end of a login. What is not revoked in that time
	// ends with its lease.
	RevokeTimeout = 5 * time.Second
	// unboundedLease stands for the lease of a token that says none.
	unboundedLease = time.Hour
)

// Identity is as whom to log in.
type Identity struct {
	// Mount is the path of the JWT auth mount, and Role the role there.
	Mount, Role string
	// Account is the ServiceAccount whose token is used, and Audience that of the
	// token.
	Account  Account
	Audience string
}

// Target is what a session is for. A session is of no use to any other.
type Target struct {
	// Owner is the UID of the object that the session is kept for.
	Owner types.UID
	// Server identifies the server behind the route.
	Server   string
	Identity Identity
	// route says how the server is reached, and trust with which certificates.
	route Route
	trust string
}

// Target returns what a session by this route is for. The error is one of Client.
func (c *Connections) Target(ctx context.Context, owner types.UID, serverID string, identity Identity) (Target, error) {
	trust, err := c.trust(ctx)
	if err != nil {
		return Target{}, err
	}
	route := c.route
	// The content counts, wherever it is.
	route.CABundle, route.CASecret, route.Certificate = "", SecretKey{}, SecretName{}
	return Target{Owner: owner, Server: serverID, Identity: identity, route: route, trust: trust}, nil
}

// LoginRefusedError says that a server does not let an identity in.
type LoginRefusedError struct {
	Err error
}

// Error implements error.
func (e *LoginRefusedError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *LoginRefusedError) Unwrap() error { return e.Err }

// LogIn opens a session. now is when it is asked for. The error is a *MintError, a
// *LoginRefusedError, one of Client or one of the request.
func (c *Connections) LogIn(ctx context.Context, purpose string, to Target, now time.Time) (*Session, error) {
	jwt, err := c.access.Mint(ctx, to.Identity.Account, to.Identity.Audience)
	if err != nil {
		return nil, err
	}
	client, answer, err := c.LogInWith(ctx, purpose, to.Identity.Mount, to.Identity.Role, jwt)
	if openbao.IsLoginRefused(err) {
		return nil, &LoginRefusedError{err}
	}
	if err != nil {
		return nil, err
	}
	klog.FromContext(ctx).V(2).Info("Logged in", "role", to.Identity.Role, "address", c.route.Address, "lease", answer.TTL)
	return newSession(to, client, answer.TTL, now), nil
}

// LogInWith logs in with a JWT and returns a client with the token, which the caller
// has to revoke.
func (c *Connections) LogInWith(ctx context.Context, purpose, mount, role string, jwt openbao.Token) (openbao.Interface, openbao.Login, error) {
	anonymous, err := c.Client(ctx, openbao.Token{})
	if err != nil {
		return nil, openbao.Login{}, err
	}
	answer, err := anonymous.LoginJWT(ctx, mount, role, jwt)
	result := "ok"
	switch {
	case openbao.IsLoginRefused(err):
		result = "refused"
	case err != nil:
		result = "error"
	}
	c.access.opts.CountLogin(purpose, result)
	if err != nil {
		return nil, openbao.Login{}, err
	}
	client, err := c.Client(ctx, answer.Token)
	return client, answer, err
}
