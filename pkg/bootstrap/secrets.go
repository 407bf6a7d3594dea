// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"errors"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

// secretReasons are the reasons for one use of a Secret.
type secretReasons struct {
	// missing, noKey and empty are about the Secret, its key and its value.
	missing, noKey, empty string
	// fix ends the message: how to give a usable Secret.
	fix string
}

// secretProblem says what is wrong with a Secret.
func secretProblem(err *server.SecretError, reasons secretReasons) error {
	reason, message := ReasonSecretUnavailable, sentence(err.Error())
	switch err.Fault {
	case server.SecretMissing:
		reason, message = reasons.missing, message+" "+reasons.fix
	case server.SecretKeyMissing:
		reason, message = reasons.noKey, message+" "+reasons.fix
	case server.SecretEmpty:
		reason, message = reasons.empty, message+" "+reasons.fix
	}
	return retry(reason, message, err)
}

// need says what an admin token is needed for.
type need struct {
	// reason is that of the condition while there is no token.
	reason string
	// why is a full sentence.
	why string
}

// firstNeed is that of a contract that was not written yet.
func (t *task) firstNeed() need {
	if t.previous != nil && t.previous.Server != t.record().Server && t.previous.Server != "" {
		return t.otherServerNeed()
	}
	if record := t.record(); record != nil && record.LegacyAudience != "" {
		return t.migrationNeed()
	}
	if t.usedUp() {
		return need{ReasonAdminTokenRequired, tokenNeededAgain}
	}
	return need{ReasonAdminTokenRequired, tokenNeeded}
}

// adminToken returns the one-time token, or the Problem that asks for one. A
// token that did its work, or that the server does not know, is none.
func (t *task) adminToken(ctx context.Context, n need) (oneTimeToken, error) {
	ref := t.settings.AdminTokenSecretRef
	if ref == nil {
		return oneTimeToken{}, t.adminTokenRequired(n, nil)
	}
	reasons := secretReasons{
		missing: ReasonAdminTokenSecretNotFound, noKey: ReasonAdminTokenKeyNotFound, empty: ReasonAdminTokenEmpty,
		fix: t.giveToken(),
	}
	if t.usedUp() {
		// Deleting the Secret after use is what the condition asked for.
		reasons.missing, reasons.noKey, reasons.empty = n.reason, n.reason, n.reason
		reasons.fix = n.why + " " + reasons.fix
	}
	token, err := t.readToken(ctx, *ref)
	var secret *server.SecretError
	if errors.As(err, &secret) {
		return oneTimeToken{}, secretProblem(secret, reasons)
	}
	if err != nil {
		return oneTimeToken{}, err
	}
	if record := t.record(); record != nil && record.AdminTokenSecretVersion != "" && record.AdminTokenSecretVersion == token.version {
		if t.usedUp() {
			return oneTimeToken{}, t.adminTokenRequired(n, nil)
		}
		return oneTimeToken{}, t.tokenRefused(nil)
	}
	return token, nil
}

// readToken reads the one-time token. The error is a *server.SecretError.
func (t *task) readToken(ctx context.Context, ref openbaov1alpha1.SecretKeyReference) (oneTimeToken, error) {
	value, err := t.access.ReadSecret(ctx, server.SecretKey{Namespace: t.obj.Namespace, Name: ref.Name, Key: ref.Key})
	if err != nil {
		return oneTimeToken{}, err
	}
	return oneTimeToken{openbao.NewToken(string(value.Bytes)), value.Version}, nil
}

// usedUp reports whether an admin token did its work before.
func (t *task) usedUp() bool {
	record := t.before.Status.Authorization
	if t.unproved != nil {
		// It only chooses the words.
		record = t.unproved
	}
	// While a repair is not complete there is no digest, but still that token.
	return record != nil && (record.Digest != "" || record.AdminToken != "")
}
