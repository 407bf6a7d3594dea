// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"errors"
	"fmt"

	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

// connectProblem turns what keeps a client from being made into what a person reads.
// Errors of other origin pass through.
func (t serverAccess) connectProblem(err error) error {
	var secret *server.SecretError
	var trust *server.TrustError
	switch {
	case errors.Is(err, openbao.ErrAddress):
		return reconcile.Invalid(ReasonInvalidSpec, text.Sentence("spec.authorization.address: "+err.Error()))
	case errors.Is(err, openbao.ErrLocalAddress):
		return reconcile.Invalid(ReasonAddressNotAllowed, localAddress(t.settings.Address))
	case errors.As(err, &trust):
		source := "spec.authorization.caBundle"
		if trust.Secret != (server.SecretKey{}) {
			source = trust.Secret.String()
		}
		return retry(ReasonCAInvalid, text.Sentence(text.Capital(fmt.Sprintf("%s is not the CA of a server: %v", source, err))), err)
	case errors.As(err, &secret) && secret.Use == server.UseCA:
		return t.tokens().secretProblem(secret, secretReasons{
			missing: ReasonCASecretNotFound, noKey: ReasonCAInvalid, empty: ReasonCAInvalid,
			fix: "Put the PEM-encoded CA of the server there, or name another Secret in spec.authorization.caSecretRef.",
		})
	case errors.As(err, &secret) && secret.Use == server.UseCertificate:
		return t.tokens().secretProblem(secret, secretReasons{
			missing: ReasonClientCertificateSecretNotFound, noKey: ReasonClientCertificateInvalid, empty: ReasonClientCertificateInvalid,
			invalid: ReasonClientCertificateInvalid, fix: t.commands().giveCertificate(),
		})
	}
	return err
}

// localAddress says why nothing is sent to an address.
func localAddress(address string) string {
	return fmt.Sprintf("The address %s is a loopback or link-local one, or a name of one, which leads to the machine that Bailiwick runs on. "+
		"Nothing is sent there unless Bailiwick runs with --openbao-allow-local-addresses. Set spec.authorization.address to the server.", address)
}

// healthProblem says why a server that answers cannot be worked with.
func (t serverAccess) healthProblem(h openbao.Health) error {
	at := "The server at " + t.settings.Address
	switch {
	case !h.Initialized:
		return retry(ReasonServerNotInitialized, at+" is not initialized. Initialize it (bao operator init).", nil)
	case h.Sealed:
		return retry(ReasonServerSealed, at+" is sealed. Unseal it (bao operator unseal).", nil)
	case h.ClusterID == "":
		return retry(ReasonServerStandby, at+" does not know its cluster id yet; it has no active node.", nil)
	}
	return nil
}

// serverProblem turns an error of the client into what a person reads.
// Problems and errors of other origin pass through.
func (t serverAccess) serverProblem(err error) error {
	var problem *reconcile.Problem
	var remote *openbao.Error
	if errors.As(err, &problem) || !errors.As(err, &remote) {
		return err
	}
	at := fmt.Sprintf("The server at %s", t.settings.Address)
	detail := remote.Error()
	switch remote.Class {
	case openbao.Unauthenticated:
		return t.tokens().tokenRefused(err)
	case openbao.PermissionDenied:
		return retry(ReasonPermissionDenied, text.Sentence(fmt.Sprintf("%s does not let the admin token do this: %s", at, detail))+
			" "+t.commands().giveToken(), err)
	case openbao.Unavailable:
		return retry(ReasonServerUnreachable, text.Sentence(fmt.Sprintf("%s cannot be reached: %s", at, detail))+
			" Check spec.authorization.address and that the network lets Bailiwick through.", err)
	case openbao.Untrusted:
		return retry(ReasonServerUntrusted, text.Sentence(fmt.Sprintf("%s has a certificate that is not trusted: %s", at, detail))+
			" Check the CA and spec.authorization.tlsServerName.", err)
	case openbao.Sealed:
		return retry(ReasonServerSealed, at+" is sealed. Unseal it (bao operator unseal).", err)
	case openbao.NotInitialized:
		return retry(ReasonServerNotInitialized, at+" is not initialized. Initialize it (bao operator init).", err)
	case openbao.Standby:
		return retry(ReasonServerStandby, text.Sentence(fmt.Sprintf("%s is not the active one: %s", at, detail))+
			" Check that the cluster has an active server (bao operator raft list-peers), and that its certificate carries the name of the address.", err)
	case openbao.ClientCertificate:
		return t.certificateProblem(err, detail)
	case openbao.LocalAddress:
		return retry(ReasonAddressNotAllowed, localAddress(t.settings.Address), err)
	case openbao.NamespaceNotFound:
		return retry(ReasonNamespaceNotFound, fmt.Sprintf("%s has no namespace %q. Correct spec.authorization.namespace, or create it: bao namespace create %s",
			at, t.settings.Namespace, quoted(t.settings.Namespace)), err)
	case openbao.NamespaceSealed:
		return retry(ReasonNamespaceSealed, fmt.Sprintf("The namespace %q of the server at %s is sealed, and the server is not. Unseal the namespace: bao namespace unseal %s",
			t.settings.Namespace, t.settings.Address, quoted(t.settings.Namespace)), err)
	case openbao.NamespaceLocked:
		return retry(ReasonNamespaceLocked, fmt.Sprintf("An administrator locked the namespace %q of the server at %s, or one above it. Unlock it with the key that locking it gave, or as root: bao namespace unlock %s",
			t.settings.Namespace, t.settings.Address, quoted(t.settings.Namespace)), err)
	case openbao.Conflict:
		return retry(ReasonServerError, text.Sentence(fmt.Sprintf("Somebody else wrote to the server at %s at the same time: %s", t.settings.Address, detail)), err)
	case openbao.Throttled:
		return retry(ReasonServerThrottled, text.Sentence(fmt.Sprintf("%s refuses more requests: %s", at, detail)), err)
	}
	return retry(ReasonServerError, text.Sentence(fmt.Sprintf("%s refused: %s", at, detail)), err)
}

// certificateProblem says that the server ended the handshake because of the client
// certificate.
func (t serverAccess) certificateProblem(err error, detail string) error {
	if ref := t.settings.ClientCertSecretRef; ref != nil {
		return retry(ReasonClientCertificateRefused, text.Sentence(fmt.Sprintf(
			"The server at %s does not accept the client certificate in Secret %s/%s: %s", t.settings.Address, t.obj.Namespace, ref.Name, detail))+
			" "+t.commands().giveCertificate(), err)
	}
	return retry(ReasonClientCertificateRequired, text.Sentence(fmt.Sprintf(
		"The server at %s requires a client certificate: %s", t.settings.Address, detail))+
		" Name its Secret in spec.authorization.clientCertSecretRef. "+t.commands().giveCertificate(), err)
}
