// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"fmt"

	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// Why an admin token is needed.
const (
	tokenNeeded      = "An admin token is needed to write the policies and roles."
	tokenNeededAgain = "What the spec or the API server's signing keys ask for is not what was written, and the admin token that wrote it is used up."
)

// adminTokenRequired says that it takes a token to go on, and why.
func (t adminTokens) adminTokenRequired(n need, err error) error {
	problem := &reconcile.Problem{Reason: n.reason, Message: n.why + " " + t.commands().giveToken(), Err: err}
	if t.settings.AdminTokenSecretRef != nil {
		// A Secret is not watched.
		problem.Next = reconcile.Retry(problem)
	}
	return problem
}

// tokenRefused says that the server does not know the token.
func (t adminTokens) tokenRefused(err error) error {
	ref := t.settings.AdminTokenSecretRef
	if ref == nil {
		return t.adminTokenRequired(t.firstNeed(), err)
	}
	detail := fmt.Sprintf("The server at %s does not accept the token in Secret %s/%s, key %q: it has expired, was revoked, is bound to other addresses, or is from another server.",
		t.settings.Address, t.obj.Namespace, ref.Name, ref.Key)
	if t.usedUp() {
		return t.adminTokenRequired(need{ReasonAdminTokenRequired, t.firstNeed().why + " " + detail}, err)
	}
	return retry(ReasonAdminTokenInvalid, detail+" "+t.commands().giveToken(), err)
}

// otherServerNeed says that the address leads to another server than is recorded.
func (t adminTokens) otherServerNeed() need {
	return need{ReasonAdminTokenRequired, fmt.Sprintf("The address %s now leads to server %s, and the policies and roles were written to server %s.",
		t.settings.Address, t.record().Server, t.previous.Server)}
}
