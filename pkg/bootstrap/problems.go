// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

// Reasons of the conditions AuthorizationReady and Ready.
const (
	// ReasonApplied: the server holds the contract.
	ReasonApplied = "Applied"
	// ReasonNotRequested: the spec asks for no authorization.
	ReasonNotRequested = "NotRequested"
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
	// ReasonSecretUnavailable: a Secret could not be read.
	ReasonSecretUnavailable = "SecretUnavailable"

	// ReasonCASecretNotFound: the Secret of the CA does not exist.
	ReasonCASecretNotFound = "CASecretNotFound"
	// ReasonCAInvalid: what should be the CA is none.
	ReasonCAInvalid = "CAInvalid"
	// ReasonServerUntrusted: the server's certificate is not from the CA, or
	// for another name.
	ReasonServerUntrusted = "ServerUntrusted"
	// ReasonServerUnreachable: no answer from the server.
	ReasonServerUnreachable = "ServerUnreachable"
	// ReasonServerSealed: the server is sealed.
	ReasonServerSealed = "ServerSealed"
	// ReasonServerNotInitialized: the server has no storage yet.
	ReasonServerNotInitialized = "ServerNotInitialized"
	// ReasonServerStandby: the server does not forward to the active one.
	ReasonServerStandby = "ServerStandby"
	// ReasonServerThrottled: the server refuses for the rate of requests.
	ReasonServerThrottled = "ServerThrottled"
	// ReasonServerError: the server refused or failed for another reason.
	ReasonServerError = "ServerError"
	// ReasonServerClaimed: the server belongs to another object.
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
	return retry(ReasonIssuerUnavailable, sentence("The issuer and signing keys of ServiceAccount tokens cannot be read: "+err.Error())+
		" Bailiwick's ServiceAccount needs the ClusterRole system:service-account-issuer-discovery.", err)
}

func desiredProblem(err error) error {
	var spec *authz.SpecError
	if errors.As(err, &spec) {
		return reconcile.Invalid(ReasonInvalidSpec, sentence(capital(spec.Error())))
	}
	return retry(ReasonIssuerUnavailable, sentence(capital(err.Error())), err)
}

// connectProblem turns what keeps a client from being made into what a person reads.
// Errors of other origin pass through.
func connectProblem(err error) error {
	var secret *server.SecretError
	var trust *server.TrustError
	switch {
	case errors.Is(err, openbao.ErrAddress):
		return reconcile.Invalid(ReasonInvalidSpec, sentence("spec.authorization.address: "+err.Error()))
	case errors.As(err, &trust):
		source := "spec.authorization.caBundle"
		if trust.Secret != (server.SecretKey{}) {
			source = trust.Secret.String()
		}
		return retry(ReasonCAInvalid, sentence(capital(fmt.Sprintf("%s is not the CA of a server: %v", source, err))), err)
	case errors.As(err, &secret):
		return secretProblem(secret, secretReasons{
			missing: ReasonCASecretNotFound, noKey: ReasonCAInvalid, empty: ReasonCAInvalid,
			fix: "Put the PEM-encoded CA of the server there, or name another Secret in spec.authorization.caSecretRef.",
		})
	}
	return err
}

// healthProblem says why a server that answers cannot be worked with.
func (t *task) healthProblem(h openbao.Health) error {
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
func (t *task) serverProblem(err error) error {
	var problem *reconcile.Problem
	var remote *openbao.Error
	if errors.As(err, &problem) || !errors.As(err, &remote) {
		return err
	}
	at := fmt.Sprintf("The server at %s", t.settings.Address)
	detail := remote.Error()
	switch remote.Class {
	case openbao.Unauthenticated:
		return t.tokenRefused(err)
	case openbao.PermissionDenied:
		return retry(ReasonPermissionDenied, sentence(fmt.Sprintf("%s does not let the admin token do this: %s", at, detail))+
			" "+t.giveToken(), err)
	case openbao.Unavailable:
		return retry(ReasonServerUnreachable, sentence(fmt.Sprintf("%s cannot be reached: %s", at, detail))+
			" Check spec.authorization.address and that the network lets Bailiwick through.", err)
	case openbao.Untrusted:
		return retry(ReasonServerUntrusted, sentence(fmt.Sprintf("%s has a certificate that is not trusted: %s", at, detail))+
			" Check the CA and spec.authorization.tlsServerName.", err)
	case openbao.Sealed:
		return retry(ReasonServerSealed, at+" is sealed. Unseal it (bao operator unseal).", err)
	case openbao.NotInitialized:
		return retry(ReasonServerNotInitialized, at+" is not initialized. Initialize it (bao operator init).", err)
	case openbao.Standby:
		return retry(ReasonServerStandby, sentence(fmt.Sprintf("%s cannot take writes: %s", at, detail))+
			" Set spec.authorization.address to the active server.", err)
	case openbao.Conflict:
		return retry(ReasonServerError, sentence(fmt.Sprintf("Somebody else wrote to the server at %s at the same time: %s", t.settings.Address, detail)), err)
	case openbao.Throttled:
		return retry(ReasonServerThrottled, sentence(fmt.Sprintf("%s refuses more requests: %s", at, detail)), err)
	}
	return retry(ReasonServerError, sentence(fmt.Sprintf("%s refused: %s", at, detail)), err)
}

func (t *task) serverClaimed(server string, holder claimant) error {
	// The holder's end or change wakes this object.
	return &reconcile.Problem{Reason: ReasonServerClaimed, Message: fmt.Sprintf(
		"Server %s belongs to the OpenBaoCluster %s, which keeps it; nothing was written. Delete one of the two, or let them use different namespaces of the server.",
		server, holder.name)}
}

func notRevoked(err error) error {
	return retry(ReasonAdminTokenNotRevoked,
		sentence("The server holds the whole contract, but the admin token could not be revoked yet: "+err.Error()), err)
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

// sentence ends a text with a full stop.
func sentence(text string) string {
	return strings.TrimRight(text, ". \n") + "."
}

func capital(text string) string {
	if text == "" {
		return text
	}
	if strings.HasPrefix(text, "spec.") {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
