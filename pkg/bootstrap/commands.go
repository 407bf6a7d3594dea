// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"fmt"
	"regexp"
	"strings"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

// commands are what a person runs for an object, ready to be pasted into a shell. Some
// come with the sentence that says what they are for.
type commands struct {
	obj      *openbaov1alpha1.OpenBaoCluster
	settings authz.Settings
	// audience is the derived one.
	audience string
	// annotates says that the object takes its settings from annotations.
	annotates bool
	// replaceable is the name of the token's Secret if that is missing or for the server.
	replaceable string
}

func (t *task) commands() commands {
	_, mode := t.obj.Annotations[openbaov1alpha1.AnnotationMode]
	return commands{
		obj: t.obj, settings: t.settings, audience: t.audience, replaceable: t.replaceable,
		annotates: t.obj.Spec.Authorization == nil && (!t.ours || mode || !authz.Requested(t.obj, t.runsServers)),
	}
}

// giveToken is the command that gives an admin token.
func (c commands) giveToken() string {
	return "Give a short-lived admin token, which is revoked after use, in ADMIN_TOKEN and run: " + c.putToken()
}

// createToken is giveToken with the command that creates the token.
func (c commands) createToken() string {
	namespace := ""
	if c.settings.Namespace != "" {
		namespace = " " + quoted("-namespace="+c.settings.Namespace)
	}
	return fmt.Sprintf(`Create one with the policy bailiwick-admin (docs/openbao.md, step 2 of the quick start) and run: `+
		`ADMIN_TOKEN="$(bao token create%s -policy=bailiwick-admin -ttl=10m -field=token)" && %s`, namespace, c.putToken())
}

// putToken puts $ADMIN_TOKEN into its Secret. It deletes a Secret only if that is
// known to be for this.
func (c commands) putToken() string {
	name, key := c.obj.Name+"-admin-token", "token"
	before, replaceable := "", true
	if ref := c.settings.AdminTokenSecretRef; ref != nil {
		name, key = ref.Name, ref.Key
		replaceable = c.replaceable == name
	} else if c.annotates {
		before = fmt.Sprintf("kubectl -n %s annotate openbaocluster %s %s=%s/%s --overwrite && ",
			c.obj.Namespace, c.obj.Name, openbaov1alpha1.AnnotationAdminTokenSecret, name, key)
	} else {
		before = fmt.Sprintf(
			`kubectl -n %s patch openbaocluster %s --type=merge -p '{"spec":{"authorization":{"adminTokenSecretRef":{"name":%q,"key":%q}}}}' && `,
			c.obj.Namespace, c.obj.Name, name, key)
	}
	if replaceable {
		before += fmt.Sprintf("kubectl -n %s delete secret %s --ignore-not-found && ", c.obj.Namespace, quoted(name))
	}
	return fmt.Sprintf(`%skubectl -n %s create secret generic %s --type=%s --from-literal=%s --from-literal=%s="$ADMIN_TOKEN" && %s`,
		before, c.obj.Namespace, quoted(name), openbaov1alpha1.SecretTypeCredential, c.addressLiteral(), quoted(key), c.refresh())
}

// addressLiteral is the key by which a Secret says which server it is for.
func (c commands) addressLiteral() string {
	return quoted(openbaov1alpha1.CredentialAddressKey + "=" + c.settings.Address)
}

// agree is the command by which a Secret that is there agrees to be sent to the
// server.
func (c commands) agree(secret server.SecretKey) string {
	return fmt.Sprintf("If it is a credential for that server, and for nothing else, say so in the Secret: "+
		"kubectl -n %s label secret %s %s=true --overwrite && kubectl -n %s annotate secret %s %s --overwrite && %s",
		secret.Namespace, quoted(secret.Name), openbaov1alpha1.LabelCredential,
		secret.Namespace, quoted(secret.Name), quoted(openbaov1alpha1.AnnotationCredentialAddress+"="+c.settings.Address), c.refresh())
}

// giveCertificate is the command that gives a client certificate.
func (c commands) giveCertificate() string {
	name := c.obj.Name + "-client-certificate"
	if ref := c.settings.ClientCertSecretRef; ref != nil {
		name = ref.Name
	}
	return fmt.Sprintf("Put the certificate and its key into that Secret, and let it agree to be sent there: "+
		"kubectl -n %s create secret generic %s --type=%s --from-literal=%s --from-file=tls.crt --from-file=tls.key && %s",
		c.obj.Namespace, quoted(name), openbaov1alpha1.SecretTypeCredential, c.addressLiteral(), c.refresh())
}

// refresh has the object read again: Secrets are not watched.
func (c commands) refresh() string {
	return fmt.Sprintf(`kubectl -n %s annotate openbaocluster %s %s="$(date +%%s)" --overwrite`, c.obj.Namespace, c.obj.Name, reconcile.AnnotationRefresh)
}

// writeKeys writes the published keys with a login of another kind. It can be
// pasted: the server takes several keys as one text with commas between them. It is
// run twice for the reason of writeConfig.
func (c commands) writeKeys(keys []authz.Key, config authz.Config) string {
	texts := make([]string, 0, len(keys))
	for _, k := range keys {
		texts = append(texts, k.PEM)
	}
	var b strings.Builder
	b.WriteString("for i in 1 2; do bao write ")
	if c.settings.Namespace != "" {
		b.WriteString("-namespace=" + quoted(c.settings.Namespace) + " ")
	}
	fmt.Fprintf(&b, "%s bound_issuer=%s", authz.ConfigPath(authz.MountPath), quoted(config.BoundIssuer))
	// Without them a server takes RS256 alone.
	if algorithms := config.SupportedAlgs; len(algorithms) > 0 {
		b.WriteString(" jwt_supported_algs=" + strings.Join(algorithms, ","))
	}
	b.WriteString(" jwt_validation_pubkeys=" + quoted(strings.Join(texts, ",")) + "; done")
	return b.String()
}

// mark marks the server as this object's, by hand.
func (c commands) mark(shown authz.Mark) string {
	nonce, _ := authz.FreshNonce(shown.Nonce)
	namespace := ""
	if c.settings.Namespace != "" {
		namespace = quoted("-namespace="+c.settings.Namespace) + " "
	}
	text := authz.Mark{Audience: c.audience, Nonce: nonce}.Text()
	return fmt.Sprintf("printf '%%b' %s | bao policy write %s%s - && %s",
		quoted(strings.ReplaceAll(text, "\n", `\n`)), namespace, authz.MarkPolicy, c.refresh())
}

// plainWord is a word that no shell reads anything into.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// quoted is one word of a command that a person pastes into a shell, whatever the
// author of an object wrote there.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
