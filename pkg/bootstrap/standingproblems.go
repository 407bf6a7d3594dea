// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"errors"
	"fmt"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

// noStanding says why the bootstrapper could not log in, and what that takes.
func (t bootstrapperLogin) noStanding(err error) error {
	grant, _ := t.contract.Bootstrapper()
	var refused *server.LoginRefusedError
	var unminted *server.MintError
	t.signing().sawLogin(err)
	switch {
	case openbao.IsNotFound(err) && t.record().Digest != "":
		return &lacking{need{ReasonNoStandingIdentity, fmt.Sprintf(
			"The server at %s has no auth mount %s: it was disabled or moved, with all roles and keys in it.", t.settings.Address, authz.MountPath)}}
	case openbao.IsNotFound(err):
		return &lacking{t.tokens().firstNeed()}
	case errors.As(err, &unminted) && unminted.Temporary:
		return retry(ReasonNoStandingIdentity, "Bailiwick cannot log in to look at the server. "+unminted.Message, err)
	case errors.As(err, &unminted) && t.record().Digest == t.digest:
		// The server holds what was written, as far as anyone knows, and no token of
		// OpenBao makes the API server give one.
		return &reconcile.Problem{Reason: ReasonNoStandingIdentity, Err: err, Message: fmt.Sprintf(
			"In mode %s Bailiwick looks at the server as the role %s, and cannot log in as that. %s", t.settings.Mode, grant.Role.Name, unminted.Message)}
	case errors.As(err, &unminted):
		n := t.tokens().firstNeed()
		return &lacking{need{n.reason, n.why + " " + unminted.Message}}
	case errors.As(err, &refused) && t.record().Digest == "":
		return &lacking{t.tokens().firstNeed()}
	case errors.As(err, &refused) && openbao.IsUnknownKey(refused.Err):
		return &lacking{need{ReasonLockedOut, fmt.Sprintf(
			"The server at %s knows none of the keys that the API server signs with now, so that no ServiceAccount can log in, and Bailiwick holds no login from before. "+
				"To write the keys with a login of another kind, run: %s", t.settings.Address, t.commands().writeKeys(t.issuer.Keys, t.contract.Config))}}
	case errors.As(err, &refused) && openbao.ClassOf(refused.Err) == openbao.LoginForbidden:
		return &lacking{need{ReasonNoStandingIdentity, fmt.Sprintf(
			"The server at %s refuses to let Bailiwick's ServiceAccount %s log in as %s, and gives no reason (status 403). It does that where the mount %s no longer exists, "+
				"where the entity of that ServiceAccount is disabled, and where the role is bound to other addresses. Check: bao auth list && bao read %s && bao list -detailed identity/entity/id. "+
				"An admin token repairs the mount and the role, not the entity.",
			t.settings.Address, subjectName(grant.Role.Subject), grant.Role.Name, authz.MountPath, authz.RolePath(authz.MountPath, grant.Role.Name))}}
	case errors.As(err, &refused):
		return &lacking{need{ReasonNoStandingIdentity, text.Sentence(fmt.Sprintf(
			"The server at %s does not let Bailiwick's ServiceAccount %s log in as %s: %v", t.settings.Address, subjectName(grant.Role.Subject), grant.Role.Name, refused.Err))}}
	}
	return err
}

// standingProblem turns an error of the bootstrapper's client into what a person
// reads.
func (t bootstrapperLogin) standingProblem(err error) error {
	switch openbao.ClassOf(err) {
	case openbao.PermissionDenied:
		return &lacking{need{ReasonAdminTokenRequired, text.Sentence(fmt.Sprintf(
			"The server at %s does not let Bailiwick's own identity do this: %v", t.settings.Address, err)) +
			" Its policy or role on the server is not the contract's."}}
	case openbao.Unauthenticated:
		return retry(ReasonServerError, text.Sentence(fmt.Sprintf("The server at %s does not accept a login that it has just given: %v", t.settings.Address, err)), err)
	}
	return t.server().serverProblem(err)
}

// notRequested is the message of an object that asks for nothing.
func (t *task) notRequested(rest string) *reconcile.Problem {
	message := "The spec requests no authorization. Set spec.authorization or spec.selfInit.enabled to request it"
	if !t.ours {
		message += fmt.Sprintf(", or the annotation %s", openbaov1alpha1.AnnotationMode)
	}
	return &reconcile.Problem{Reason: ReasonNotRequested, Message: message + "." + rest}
}
