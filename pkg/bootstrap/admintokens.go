// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"errors"
	"fmt"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

// secretReasons are the reasons for one use of a Secret.
type secretReasons struct {
	// missing, noKey and empty are about the Secret, its key and its value, and invalid
	// about what the value is.
	missing, noKey, empty, invalid string
	// fix ends the message: how to give a usable Secret.
	fix string
}

// adminTokens finds the one-time admin token of the object.
type adminTokens struct{ *task }

// secretProblem says what is wrong with a Secret.
func (t adminTokens) secretProblem(err *server.SecretError, reasons secretReasons) error {
	reason, message := ReasonSecretUnavailable, text.Sentence(err.Error())
	switch err.Fault {
	case server.SecretMissing:
		reason, message = reasons.missing, message+" "+reasons.fix
	case server.SecretKeyMissing:
		reason, message = reasons.noKey, message+" "+reasons.fix
	case server.SecretEmpty:
		reason, message = reasons.empty, message+" "+reasons.fix
	case server.SecretInvalid:
		reason, message = reasons.invalid, message+" "+reasons.fix
	case server.SecretNotForServer:
		reason, message = ReasonSecretNotForServer, message+" "+t.commands().agree(err.Key)
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
func (t adminTokens) firstNeed() need {
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
func (t adminTokens) adminToken(ctx context.Context, n need) (oneTimeToken, error) {
	ref := t.settings.AdminTokenSecretRef
	if ref == nil {
		return oneTimeToken{}, t.adminTokenRequired(n, nil)
	}
	token, err := t.readToken(ctx, *ref)
	var secret *server.SecretError
	if errors.As(err, &secret) {
		return oneTimeToken{}, t.noToken(n, secret)
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

// noToken is the Problem of a Secret that has no token.
func (t adminTokens) noToken(n need, err *server.SecretError) error {
	reasons := secretReasons{
		missing: ReasonAdminTokenSecretNotFound, noKey: ReasonAdminTokenKeyNotFound, empty: ReasonAdminTokenEmpty,
		fix: t.commands().giveToken(),
	}
	if t.usedUp() {
		// Deleting the Secret after use is what the condition asked for.
		reasons.missing, reasons.noKey, reasons.empty = n.reason, n.reason, n.reason
		reasons.fix = n.why + " " + reasons.fix
	}
	return t.secretProblem(err, reasons)
}

// readToken reads the one-time token, if its Secret is meant for the server. The error
// is a *server.SecretError.
func (t adminTokens) readToken(ctx context.Context, ref openbaov1alpha1.SecretKeyReference) (oneTimeToken, error) {
	value, err := t.server().connections().Credential(ctx, server.SecretKey{Namespace: t.obj.Namespace, Name: ref.Name, Key: ref.Key})
	var secret *server.SecretError
	if errors.As(err, &secret) {
		switch secret.Fault {
		case server.SecretMissing, server.SecretKeyMissing, server.SecretEmpty:
			t.replaceable = ref.Name
		}
	}
	if err != nil {
		return oneTimeToken{}, err
	}
	t.replaceable = ref.Name
	return oneTimeToken{openbao.NewToken(string(value.Bytes)), value.Version}, nil
}

// usedUp reports whether an admin token did its work before.
func (t adminTokens) usedUp() bool {
	record := t.before.Status.Authorization
	if t.unproved != nil {
		// It only chooses the words.
		record = t.unproved
	}
	// While a repair is not complete there is no digest, but still that token.
	return record != nil && (record.Digest != "" || record.AdminToken != "")
}

// adminClient returns a client with the one-time token, once the server has said that
// the token is one that may be revoked: OpenBao cannot make another root token, and
// one without an end is in use elsewhere.
func (t adminTokens) adminClient(ctx context.Context, token oneTimeToken) (openbao.Interface, error) {
	client, err := t.server().connect(ctx, token.value)
	if err != nil {
		return nil, err
	}
	info, err := client.LookupSelf(ctx)
	switch {
	case openbao.ClassOf(err) == openbao.Unauthenticated:
		// It is dead, and not tried again.
		t.record().AdminTokenSecretVersion = token.version
		return nil, t.tokenRefused(err)
	case openbao.ClassOf(err) == openbao.PermissionDenied:
		return nil, retry(ReasonPermissionDenied, fmt.Sprintf(
			"The server at %s does not let the admin token look itself up, so it is not known whether the token expires, and nothing was written. The policy \"default\" allows that. %s",
			t.settings.Address, t.commands().createToken()), err)
	case err != nil:
		return nil, t.server().serverProblem(err)
	case info.IsRoot():
		return nil, retry(ReasonAdminTokenTooPowerful, "The admin token is a root token, which Bailiwick would revoke after use, and which OpenBao cannot make again. Nothing was written, and it was not revoked. "+
			t.commands().createToken(), nil)
	case !info.Expires():
		return nil, retry(ReasonAdminTokenDoesNotExpire, "The admin token does not expire by itself, so it may be in use elsewhere, and Bailiwick would revoke it after use. Nothing was written, and it was not revoked. "+
			t.commands().createToken(), nil)
	}
	return client, nil
}
