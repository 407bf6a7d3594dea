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

// adminTokenRequired says that writing to the server takes a token, and why.
func (s *session) adminTokenRequired(why string, err error) error {
	problem := &reconcile.Problem{Reason: ReasonAdminTokenRequired, Message: why + " " + s.giveToken(), Err: err}
	if adminTokenRef(s.obj) != nil {
		// A Secret is not watched.
		problem.Next = reconcile.Retry(problem)
	}
	return problem
}

// tokenRefused says that the server does not know the token.
func (s *session) tokenRefused(err error) error {
	ref := adminTokenRef(s.obj)
	if ref == nil {
		return s.adminTokenRequired(tokenNeeded, err)
	}
	detail := fmt.Sprintf("The server at %s does not accept the token in Secret %s/%s, key %q: it has expired, was revoked, is bound to other addresses, or is from another server.",
		addressOf(s.obj), s.obj.Namespace, ref.Name, ref.Key)
	if s.usedUp() {
		return s.adminTokenRequired(tokenNeededAgain+" "+detail, err)
	}
	return retry(ReasonAdminTokenInvalid, detail+" "+s.giveToken(), err)
}

// otherServer says that the address leads to a server that was never set up.
func (s *session) otherServer(clusterID string) error {
	record := s.obj.Status.Authorization
	why := fmt.Sprintf("The address %s now leads to server %s, and the policies and roles were written to server %s.",
		addressOf(s.obj), clusterID, record.Server)
	// From here on the object is about the new server.
	record.Digest = ""
	return s.adminTokenRequired(why, nil)
}

// giveToken is the command that mends it.
func (s *session) giveToken() string {
	name, key := s.obj.Name+"-admin-token", "token"
	prefix := ""
	if ref := adminTokenRef(s.obj); ref != nil {
		name, key = ref.Name, ref.Key
	} else {
		prefix = fmt.Sprintf(
			`kubectl -n %s patch openbaocluster %s --type=merge -p '{"spec":{"authorization":{"adminTokenSecretRef":{"name":%q,"key":%q}}}}' && `,
			s.obj.Namespace, s.obj.Name, name, key)
	}
	return fmt.Sprintf(
		`Give a short-lived admin token, which is revoked after use, in BAO_TOKEN and run: %s`+
			`kubectl -n %s create secret generic %s --from-literal=%s="$BAO_TOKEN" --dry-run=client -o yaml | kubectl apply -f - && `+
			`kubectl -n %s annotate openbaocluster %s %s="$(date +%%s)" --overwrite`,
		prefix, s.obj.Namespace, name, key, s.obj.Namespace, s.obj.Name, reconcile.AnnotationRefresh)
}
