// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"bytes"
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// secretReasons are the reasons for one use of a Secret.
type secretReasons struct {
	// missing, noKey and empty are about the Secret, its key and its value.
	missing, noKey, empty string
	// mend ends the message: how to give a usable Secret.
	mend string
}

// readSecret returns the value of a key, read live, and the version of the Secret.
func (t *task) readSecret(ctx context.Context, name, key string, reasons secretReasons) (value []byte, version string, err error) {
	where := fmt.Sprintf("Secret %s/%s", t.obj.Namespace, name)
	secret, err := t.opts.Secrets.Secrets(t.obj.Namespace).Get(ctx, name, metav1.GetOptions{})
	fail := func(reason, message string, err error) error {
		problem := &reconcile.Problem{Reason: reason, Message: message, Err: err}
		problem.Next = reconcile.Retry(problem)
		return problem
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, "", fail(reasons.missing, fmt.Sprintf("%s does not exist. %s", where, reasons.mend), err)
	case apierrors.IsForbidden(err):
		return nil, "", fail(ReasonSecretUnavailable,
			fmt.Sprintf("%s cannot be read: Bailiwick's ServiceAccount lacks the verb get on secrets in namespace %s.", where, t.obj.Namespace), err)
	case err != nil:
		return nil, "", fail(ReasonSecretUnavailable, sentence(fmt.Sprintf("%s cannot be read: %v", where, err)), err)
	}
	value, ok := secret.Data[key]
	if !ok {
		return nil, "", fail(reasons.noKey, fmt.Sprintf("%s has no key %q. %s", where, key, reasons.mend), nil)
	}
	if value = bytes.TrimSpace(value); len(value) == 0 {
		return nil, "", fail(reasons.empty, fmt.Sprintf("Key %q of %s is empty. %s", key, where, reasons.mend), nil)
	}
	return value, secret.ResourceVersion, nil
}

// authority is the CA of a server, and where it is from.
type authority struct {
	bundle []byte
	// source names the place for people.
	source string
}

// caBundle returns the CA of the server and says, for people, where it is from.
// It is read once in a sync.
func (t *task) caBundle(ctx context.Context) (bundle []byte, source string, err error) {
	if t.ca != nil {
		return t.ca.bundle, t.ca.source, nil
	}
	ref := t.settings.CASecretRef
	if ref == nil {
		t.ca = &authority{[]byte(t.settings.CABundle), "spec.authorization.caBundle"}
		return t.ca.bundle, t.ca.source, nil
	}
	source = fmt.Sprintf("key %q of Secret %s/%s", ref.Key, t.obj.Namespace, ref.Name)
	bundle, _, err = t.readSecret(ctx, ref.Name, ref.Key, secretReasons{
		missing: ReasonCASecretNotFound, noKey: ReasonCAInvalid, empty: ReasonCAInvalid,
		mend: "Put the PEM-encoded CA of the server there, or name another Secret in spec.authorization.caSecretRef.",
	})
	if err == nil {
		t.ca = &authority{bundle, source}
	}
	return bundle, source, err
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
		mend: t.giveToken(),
	}
	if t.usedUp() {
		// Deleting the Secret after use is what the condition asked for.
		reasons.missing, reasons.noKey, reasons.empty = n.reason, n.reason, n.reason
		reasons.mend = n.why + " " + reasons.mend
	}
	value, version, err := t.readSecret(ctx, ref.Name, ref.Key, reasons)
	if err != nil {
		return oneTimeToken{}, err
	}
	if record := t.record(); record != nil && record.AdminTokenSecretVersion != "" && record.AdminTokenSecretVersion == version {
		if t.usedUp() {
			return oneTimeToken{}, t.adminTokenRequired(n, nil)
		}
		return oneTimeToken{}, t.tokenRefused(nil)
	}
	return oneTimeToken{openbao.NewToken(string(value)), version}, nil
}

// usedUp reports whether an admin token did its work before.
func (t *task) usedUp() bool {
	record := t.before.Status.Authorization
	// While a repair is not complete there is no digest, but still that token.
	return record != nil && (record.Digest != "" || record.AdminToken != "")
}
