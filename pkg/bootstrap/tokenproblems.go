// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"fmt"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// Why an admin token is needed.
const (
	tokenNeeded      = "An admin token is needed to write the policies and roles."
	tokenNeededAgain = "What the spec or the API server's signing keys ask for is not what was written, and the admin token that wrote it is used up."
)

// adminTokenRequired says that it takes a token to go on, and why.
func (t *task) adminTokenRequired(n need, err error) error {
	problem := &reconcile.Problem{Reason: n.reason, Message: n.why + " " + t.giveToken(), Err: err}
	if t.settings.AdminTokenSecretRef != nil {
		// A Secret is not watched.
		problem.Next = reconcile.Retry(problem)
	}
	return problem
}

// tokenRefused says that the server does not know the token.
func (t *task) tokenRefused(err error) error {
	ref := t.settings.AdminTokenSecretRef
	if ref == nil {
		return t.adminTokenRequired(t.firstNeed(), err)
	}
	detail := fmt.Sprintf("The server at %s does not accept the token in Secret %s/%s, key %q: it has expired, was revoked, is bound to other addresses, or is from another server.",
		t.settings.Address, t.obj.Namespace, ref.Name, ref.Key)
	if t.usedUp() {
		return t.adminTokenRequired(need{ReasonAdminTokenRequired, t.firstNeed().why + " " + detail}, err)
	}
	return retry(ReasonAdminTokenInvalid, detail+" "+t.giveToken(), err)
}

// otherServerNeed says that the address leads to another server than is recorded.
func (t *task) otherServerNeed() need {
	return need{ReasonAdminTokenRequired, fmt.Sprintf("The address %s now leads to server %s, and the policies and roles were written to server %s.",
		t.settings.Address, t.record().Server, t.previous.Server)}
}

// giveToken is the command that mends it.
func (t *task) giveToken() string {
	name, key := t.obj.Name+"-admin-token", "token"
	prefix := ""
	if ref := t.settings.AdminTokenSecretRef; ref != nil {
		name, key = ref.Name, ref.Key
	} else if t.annotates() {
		prefix = fmt.Sprintf("kubectl -n %s annotate openbaocluster %s %s=%s/%s --overwrite && ",
			t.obj.Namespace, t.obj.Name, openbaov1alpha1.AnnotationAdminTokenSecret, name, key)
	} else {
		prefix = fmt.Sprintf(
			`kubectl -n %s patch openbaocluster %s --type=merge -p '{"spec":{"authorization":{"adminTokenSecretRef":{"name":%q,"key":%q}}}}' && `,
			t.obj.Namespace, t.obj.Name, name, key)
	}
	return fmt.Sprintf(
		`Give a short-lived admin token, which is revoked after use, in BAO_TOKEN and run: %s`+
			`kubectl -n %s create secret generic %s --from-literal=%s="$BAO_TOKEN" --dry-run=client -o yaml | kubectl apply -f - && `+
			`kubectl -n %s annotate openbaocluster %s %s="$(date +%%s)" --overwrite`,
		prefix, t.obj.Namespace, name, key, t.obj.Namespace, t.obj.Name, reconcile.AnnotationRefresh)
}

// annotates reports whether the object takes its settings from annotations.
func (t *task) annotates() bool {
	_, mode := t.obj.Annotations[openbaov1alpha1.AnnotationMode]
	return t.obj.Spec.Authorization == nil && (!t.ours || mode || !authz.Requested(t.obj))
}
