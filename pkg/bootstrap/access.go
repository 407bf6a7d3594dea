// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"errors"
	"fmt"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

// Why a login was asked for, as the metrics have it.
const (
	loginStanding = "standing"
	loginProof    = "proof"
	loginRefusal  = "refusal"
)

// accountOf parses the sub claim of a ServiceAccount's tokens.
func accountOf(subject string) (server.Account, bool) {
	namespace, name, ok := authz.ParseSubject(subject)
	return server.Account{Namespace: namespace, Name: name}, ok
}

// subjectName is a sub claim as people know it.
func subjectName(subject string) string {
	if who, ok := accountOf(subject); ok {
		return who.String()
	}
	return subject
}

// mint asks the API server for a token of a ServiceAccount. The error is a
// *server.MintError.
func (c *Controller) mint(ctx context.Context, subject, audience string) (openbao.Token, error) {
	who, ok := accountOf(subject)
	if !ok {
		return openbao.Token{}, &server.MintError{Message: fmt.Sprintf("%q is not a ServiceAccount.", subject)}
	}
	return c.access.Mint(ctx, who, audience)
}

// serverAccess is the way to the object's server, and the logins on it.
type serverAccess struct{ *task }

// route is how the server is reached, as the settings say.
func (t serverAccess) route() server.Route {
	route := server.Route{
		Address: t.settings.Address, CABundle: t.settings.CABundle, ServerName: t.settings.TLSServerName, Namespace: t.settings.Namespace,
	}
	if ref := t.settings.CASecretRef; ref != nil {
		route.CASecret = server.SecretKey{Namespace: t.obj.Namespace, Name: ref.Name, Key: ref.Key}
	}
	if ref := t.settings.ClientCertSecretRef; ref != nil {
		route.Certificate = server.SecretName{Namespace: t.obj.Namespace, Name: ref.Name}
	}
	return route
}

// connections returns what reaches the server in this sync. The route is the one
// of the first call.
func (t serverAccess) connections() *server.Connections {
	if t.connected == nil {
		t.connected = t.access.Connections(t.route())
	}
	return t.connected
}

// connect returns a client of the object's server. It sends nothing to it.
func (t serverAccess) connect(ctx context.Context, token openbao.Token) (openbao.Interface, error) {
	client, err := t.connections().Client(ctx, token)
	if err != nil {
		return nil, t.connectProblem(err)
	}
	return client, nil
}

// disconnect closes the connections of the sync: the next sync may be far away.
func (t serverAccess) disconnect() {
	if t.connected != nil {
		t.connected.Close()
	}
}

// use has the connections of a login closed after the sync.
func (t serverAccess) use(session *server.Session) openbao.Interface {
	t.connections().Add(session.Client)
	return session.Client
}

// endLogin revokes the login of the object, if there is one.
func (t serverAccess) endLogin(ctx context.Context) { t.logins.End(ctx, t.name) }

// target is what a login as the bootstrapper is for now. The error is a Problem.
func (t serverAccess) target(ctx context.Context, role, subject, audience string) (server.Target, error) {
	account, _ := accountOf(subject)
	to, err := t.connections().Target(ctx, t.obj.UID, t.record().Server, server.Identity{
		Mount: authz.MountPath, Role: role, Account: account, Audience: audience,
	})
	if err != nil {
		return to, t.connectProblem(err)
	}
	return to, nil
}

// logIn opens a session as the bootstrapper. A *server.MintError and a
// *server.LoginRefusedError say why there is none; any other error is a Problem.
func (t serverAccess) logIn(ctx context.Context, to server.Target) (*server.Session, error) {
	if err := t.mayWrite(); err != nil {
		return nil, err
	}
	session, err := t.connections().LogIn(ctx, loginStanding, to, t.now)
	var refused *server.LoginRefusedError
	if errors.As(err, &refused) {
		return nil, err
	}
	if err != nil {
		return nil, t.serverProblem(t.connectProblem(err))
	}
	return session, nil
}

// loginAs logs in and returns a client with the token, which the caller has to
// revoke. It is closed after the sync.
func (t serverAccess) loginAs(ctx context.Context, purpose, role string, jwt openbao.Token) (openbao.Interface, openbao.Login, error) {
	if err := t.mayWrite(); err != nil {
		return nil, openbao.Login{}, err
	}
	client, answer, err := t.connections().LogInWith(ctx, purpose, authz.MountPath, role, jwt)
	if err != nil {
		return nil, openbao.Login{}, t.connectProblem(err)
	}
	return client, answer, nil
}
