// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// session is what a client is used for, during one sync, that the server has let in:
// with an admin token, or logged in as the bootstrapper. It identifies the server
// before it changes anything for the object.
type session struct {
	*task
	client access
	// spell says how to write the name of a role.
	spell func(string) string
}

// access is what the client of a session may do.
type access struct {
	openbao.Interface
	// identity says that the server let in the bootstrapper with a token for the derived
	// audience of the object.
	identity bool
	// marks says that it may write the mark, and admin that it has an admin token.
	marks, admin bool
}

func (t *task) adminSession(client openbao.Interface) session {
	return session{t, access{Interface: client, admin: true, marks: true}, plainName}
}

// bootstrapperSession is that of a client that is logged in as the bootstrapper. The
// audience of an earlier version is that of other objects as well.
func (t *task) bootstrapperSession(client openbao.Interface) session {
	return session{t, access{Interface: client, identity: t.record().LegacyAudience == "", marks: t.enforces()}, authz.PinnedRoleName}
}

// plainName is how an admin token writes a role, see authz.PinnedRoleName.
func plainName(name string) string { return name }
