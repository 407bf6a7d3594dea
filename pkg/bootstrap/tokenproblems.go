// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"fmt"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
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

// giveToken is the command that gives an admin token.
func (t *task) giveToken() string {
	return "Give a short-lived admin token, which is revoked after use, in ADMIN_TOKEN and run: " + t.secretCommand()
}

// createToken is giveToken with the command that creates the token.
func (t *task) createToken() string {
	namespace := ""
	if t.settings.Namespace != "" {
		namespace = " " + quoted("-namespace="+t.settings.Namespace)
	}
	return fmt.Sprintf(`Create one with the policy bailiwick-admin (manifests/OPENBAO.md, step 2 of the quick start) and run: `+
		`ADMIN_TOKEN="$(bao token create%s -policy=bailiwick-admin -ttl=10m -field=token)" && %s`, namespace, t.secretCommand())
}

// secretCommand puts $ADMIN_TOKEN into its Secret. It deletes a Secret only if that is
// known to be for this.
func (t *task) secretCommand() string {
	name, key := t.obj.Name+"-admin-token", "token"
	before, replaceable := "", true
	if ref := t.settings.AdminTokenSecretRef; ref != nil {
		name, key = ref.Name, ref.Key
		replaceable = t.replaceable == name
	} else if t.annotates() {
		before = fmt.Sprintf("kubectl -n %s annotate openbaocluster %s %s=%s/%s --overwrite && ",
			t.obj.Namespace, t.obj.Name, openbaov1alpha1.AnnotationAdminTokenSecret, name, key)
	} else {
		before = fmt.Sprintf(
			`kubectl -n %s patch openbaocluster %s --type=merge -p '{"spec":{"authorization":{"adminTokenSecretRef":{"name":%q,"key":%q}}}}' && `,
			t.obj.Namespace, t.obj.Name, name, key)
	}
	if replaceable {
		before += fmt.Sprintf("kubectl -n %s delete secret %s --ignore-not-found && ", t.obj.Namespace, quoted(name))
	}
	return fmt.Sprintf(`%skubectl -n %s create secret generic %s --type=%s --from-literal=%s --from-literal=%s="$ADMIN_TOKEN" && %s`,
		before, t.obj.Namespace, quoted(name), openbaov1alpha1.SecretTypeCredential, t.addressLiteral(), quoted(key), t.refreshCommand())
}

// addressLiteral is the key by which a Secret says which server it is for.
func (t *task) addressLiteral() string {
	return quoted(openbaov1alpha1.CredentialAddressKey + "=" + t.settings.Address)
}

// agree is the command by which a Secret that is there agrees to be sent to the
// server.
func (t *task) agree(secret server.SecretKey) string {
	return fmt.Sprintf("If it is a credential for that server, and for nothing else, say so in the Secret: "+
		"kubectl -n %s label secret %s %s=true --overwrite && kubectl -n %s annotate secret %s %s --overwrite && %s",
		secret.Namespace, quoted(secret.Name), openbaov1alpha1.LabelCredential,
		secret.Namespace, quoted(secret.Name), quoted(openbaov1alpha1.AnnotationCredentialAddress+"="+t.settings.Address), t.refreshCommand())
}

// giveCertificate is the command that gives a client certificate.
func (t *task) giveCertificate() string {
	name := t.obj.Name + "-client-certificate"
	if ref := t.settings.ClientCertSecretRef; ref != nil {
		name = ref.Name
	}
	return fmt.Sprintf("Put the certificate and its key into that Secret, and let it agree to be sent there: "+
		"kubectl -n %s create secret generic %s --type=%s --from-literal=%s --from-file=tls.crt --from-file=tls.key && %s",
		t.obj.Namespace, quoted(name), openbaov1alpha1.SecretTypeCredential, t.addressLiteral(), t.refreshCommand())
}

// refreshCommand has the object read again: Secrets are not watched.
func (t *task) refreshCommand() string {
	return fmt.Sprintf(`kubectl -n %s annotate openbaocluster %s %s="$(date +%%s)" --overwrite`, t.obj.Namespace, t.obj.Name, reconcile.AnnotationRefresh)
}

// annotates reports whether the object takes its settings from annotations.
func (t *task) annotates() bool {
	_, mode := t.obj.Annotations[openbaov1alpha1.AnnotationMode]
	return t.obj.Spec.Authorization == nil && (!t.ours || mode || !authz.Requested(t.obj))
}
