// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// Reasons of the conditions AuthorizationReady and Ready.
const (
	// ReasonApplied: the server holds the contract.
	ReasonApplied = "Applied"
	// ReasonNotRequested: the spec asks for no authorization.
	ReasonNotRequested = "NotRequested"
	// ReasonRecordUnavailable: what was written for the object cannot be read.
	ReasonRecordUnavailable = "RecordUnavailable"
	// ReasonInvalidSpec: the spec contradicts itself.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonIssuerUnavailable: the API server's issuer or keys cannot be read.
	ReasonIssuerUnavailable = "IssuerUnavailable"
	// ReasonNamespaceUnavailable: the namespace of the object cannot be read.
	ReasonNamespaceUnavailable = "NamespaceUnavailable"

	// ReasonAdminTokenRequired: the server has to change, which takes a token.
	ReasonAdminTokenRequired = "AdminTokenRequired"
	// ReasonAdminTokenSecretNotFound: the Secret of the token does not exist.
	ReasonAdminTokenSecretNotFound = "AdminTokenSecretNotFound"
	// ReasonAdminTokenKeyNotFound: the Secret of the token lacks the key.
	ReasonAdminTokenKeyNotFound = "AdminTokenKeyNotFound"
	// ReasonAdminTokenEmpty: the Secret of the token has an empty value.
	ReasonAdminTokenEmpty = "AdminTokenEmpty"
	// ReasonAdminTokenInvalid: the server does not know the token.
	ReasonAdminTokenInvalid = "AdminTokenInvalid"
	// ReasonAdminTokenNotRevoked: all is written, and the token still lives.
	ReasonAdminTokenNotRevoked = "AdminTokenNotRevoked"
	// ReasonPermissionDenied: the token lacks a right.
	ReasonPermissionDenied = "PermissionDenied"
	// ReasonAdminTokenTooPowerful: the token is a root token.
	ReasonAdminTokenTooPowerful = "AdminTokenTooPowerful"
	// ReasonAdminTokenDoesNotExpire: the token lives until somebody ends it.
	ReasonAdminTokenDoesNotExpire = "AdminTokenDoesNotExpire"
	// ReasonSecretUnavailable: a Secret could not be read.
	ReasonSecretUnavailable = "SecretUnavailable"
	// ReasonSecretNotForServer: a Secret does not agree to be sent to the server.
	ReasonSecretNotForServer = "SecretNotForServer"

	// ReasonCASecretNotFound: the Secret of the CA does not exist.
	ReasonCASecretNotFound = "CASecretNotFound"
	// ReasonCAInvalid: what should be the CA is none.
	ReasonCAInvalid = "CAInvalid"
	// ReasonAddressNotAllowed: the address is one of the machine that this runs on.
	ReasonAddressNotAllowed = "AddressNotAllowed"
	// ReasonClientCertificateRequired: the server wants a client certificate.
	ReasonClientCertificateRequired = "ClientCertificateRequired"
	// ReasonClientCertificateRefused: the server does not accept the certificate.
	ReasonClientCertificateRefused = "ClientCertificateRefused"
	// ReasonClientCertificateSecretNotFound: its Secret does not exist.
	ReasonClientCertificateSecretNotFound = "ClientCertificateSecretNotFound"
	// ReasonClientCertificateInvalid: its Secret holds none.
	ReasonClientCertificateInvalid = "ClientCertificateInvalid"
	// ReasonServerUntrusted: the server's certificate is not from the CA, or
	// for another name.
	ReasonServerUntrusted = "ServerUntrusted"
	// ReasonServerUnreachable: no answer from the server.
	ReasonServerUnreachable = "ServerUnreachable"
	// ReasonServerSealed: the server is sealed.
	ReasonServerSealed = "ServerSealed"
	// ReasonServerNotInitialized: the server has no storage yet.
	ReasonServerNotInitialized = "ServerNotInitialized"
	// ReasonServerStandby: no connection led to the active server.
	ReasonServerStandby = "ServerStandby"
	// ReasonNamespaceNotFound: the server has no such namespace.
	ReasonNamespaceNotFound = "NamespaceNotFound"
	// ReasonNamespaceSealed: the namespace is sealed.
	ReasonNamespaceSealed = "NamespaceSealed"
	// ReasonNamespaceLocked: the namespace is locked.
	ReasonNamespaceLocked = "NamespaceLocked"
	// ReasonServerThrottled: the server refuses for the rate of requests.
	ReasonServerThrottled = "ServerThrottled"
	// ReasonServerError: the server refused or failed for another reason.
	ReasonServerError = "ServerError"
	// ReasonServerClaimed: the server belongs to another object, or may do so.
	ReasonServerClaimed = "ServerClaimed"

	// ReasonMountConflict: the mount has another type.
	ReasonMountConflict = "MountConflict"
	// ReasonConfigConflict: someone else configured the mount.
	ReasonConfigConflict = "ConfigConflict"
	// ReasonPolicyConflict: someone else wrote a policy of this name.
	ReasonPolicyConflict = "PolicyConflict"
	// ReasonRoleConflict: someone else wrote a role of this name.
	ReasonRoleConflict = "RoleConflict"
	// ReasonDrifted: the server differs from what was written to it.
	ReasonDrifted = "Drifted"
	// ReasonProofFailed: an identity has other rights than the contract gives, or
	// someone else could log in as it.
	ReasonProofFailed = "ProofFailed"
	// ReasonLockedOut: the server accepts no key that the API server signs with,
	// and nothing is left to tell it a new one. Also of SigningKeysCurrent.
	ReasonLockedOut = "LockedOut"
	// ReasonNoStandingIdentity: Bailiwick cannot log in to look at the server.
	ReasonNoStandingIdentity = "NoStandingIdentity"
	// ReasonVerificationFailed: the server does not hold what was written.
	ReasonVerificationFailed = "VerificationFailed"
	// ReasonFailed: something else failed.
	ReasonFailed = "Failed"
)

// Reasons of the condition SigningKeysCurrent.
const (
	// ReasonCurrent: the server accepts what the API server signs.
	ReasonCurrent = "Current"
	// ReasonKeysMissing: the server lacks a key that the API server publishes.
	ReasonKeysMissing = "KeysMissing"
	// ReasonProvider: the server reads the keys by itself.
	ReasonProvider = "Provider"
	// ReasonNotWritten: no key was written yet.
	ReasonNotWritten = "NotWritten"
)

// ReasonRepaired is the reason of the event about repairs.
const ReasonRepaired = "Repaired"

// ReasonNotManaged is the reason of the condition ClusterLifecycle.
const ReasonNotManaged = "NotManaged"

func retry(reason, message string, err error) *reconcile.Problem {
	problem := &reconcile.Problem{Reason: reason, Message: message, Err: err}
	problem.Next = reconcile.Retry(problem)
	return problem
}

func issuerProblem(err error) error {
	return retry(ReasonIssuerUnavailable, text.Sentence("The issuer and signing keys of ServiceAccount tokens cannot be read: "+err.Error())+
		" Bailiwick's ServiceAccount needs the ClusterRole system:service-account-issuer-discovery.", err)
}

func desiredProblem(err error) error {
	var spec *authz.SpecError
	if errors.As(err, &spec) {
		return reconcile.Invalid(ReasonInvalidSpec, text.Sentence(text.Capital(spec.Error())))
	}
	return retry(ReasonIssuerUnavailable, text.Sentence(text.Capital(err.Error())), err)
}

func notRevoked(err error) error {
	return retry(ReasonAdminTokenNotRevoked,
		text.Sentence("The server holds the whole contract, but the admin token could not be revoked yet: "+err.Error()), err)
}

func verificationProblem(rest authz.Plan) error {
	return retry(ReasonVerificationFailed, "The server does not hold what was written: "+described(rest)+".", nil)
}

// conflictProblem lists what someone else made, which stays as it is.
func (t *task) conflictProblem(conflicts authz.Plan) error {
	reasons := map[authz.Kind]string{
		authz.KindMount: ReasonMountConflict, authz.KindConfig: ReasonConfigConflict,
		authz.KindPolicy: ReasonPolicyConflict, authz.KindRole: ReasonRoleConflict,
	}
	var found, commands []string
	// The roles of a mount go with it.
	unmounts := false
	for _, c := range conflicts {
		found = append(found, describe(c))
		switch c.Kind {
		case authz.KindMount, authz.KindConfig:
			commands = append(commands, "bao auth disable "+c.Name)
			unmounts = true
		case authz.KindPolicy:
			commands = append(commands, "bao policy delete "+c.Name)
		case authz.KindRole:
			if unmounts {
				continue
			}
			commands = append(commands, "bao delete "+authz.RolePath(t.contract.Mount.Path, c.Name))
		}
	}
	what := "Nothing was written, because the server holds something else that Bailiwick did not write"
	if t.enforces() {
		what = "The server holds something that Bailiwick did not write, which stays as it is"
	}
	return retry(reasons[conflicts[0].Kind], fmt.Sprintf("%s: %s. If it is not needed, remove it: %s",
		what, strings.Join(found, "; "), strings.Join(commands, " && ")), nil)
}

func describe(c authz.Change) string {
	text := fmt.Sprintf("%s %s", c.Kind, c.Name)
	switch c.Action {
	case authz.Create:
		return text + " is missing"
	case authz.Delete:
		return text + " is still there"
	}
	return fmt.Sprintf("%s differs in %s", text, strings.Join(c.Fields, ", "))
}

func skippedNames(skipped []authz.SkippedKey) string {
	var names []string
	for _, k := range skipped {
		names = append(names, fmt.Sprintf("%q: %s", k.ID, k.Reason))
	}
	return strings.Join(names, "; ")
}
