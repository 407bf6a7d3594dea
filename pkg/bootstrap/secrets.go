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

// readSecret returns the value of a key, read live.
func (s *session) readSecret(ctx context.Context, name, key string, reasons secretReasons) ([]byte, error) {
	where := fmt.Sprintf("Secret %s/%s", s.obj.Namespace, name)
	secret, err := s.opts.Secrets.Secrets(s.obj.Namespace).Get(ctx, name, metav1.GetOptions{})
	fail := func(reason, message string, err error) error {
		problem := &reconcile.Problem{Reason: reason, Message: message, Err: err}
		problem.Next = reconcile.Retry(problem)
		return problem
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, fail(reasons.missing, fmt.Sprintf("%s does not exist. %s", where, reasons.mend), err)
	case apierrors.IsForbidden(err):
		return nil, fail(ReasonSecretUnavailable,
			fmt.Sprintf("%s cannot be read: Bailiwick's ServiceAccount lacks the verb get on secrets in namespace %s.", where, s.obj.Namespace), err)
	case err != nil:
		return nil, fail(ReasonSecretUnavailable, sentence(fmt.Sprintf("%s cannot be read: %v", where, err)), err)
	}
	value, ok := secret.Data[key]
	if !ok {
		return nil, fail(reasons.noKey, fmt.Sprintf("%s has no key %q. %s", where, key, reasons.mend), nil)
	}
	if value = bytes.TrimSpace(value); len(value) == 0 {
		return nil, fail(reasons.empty, fmt.Sprintf("Key %q of %s is empty. %s", key, where, reasons.mend), nil)
	}
	return value, nil
}

// caBundle returns the CA of the server and says, for people, where it is from.
func (s *session) caBundle(ctx context.Context) (bundle []byte, source string, err error) {
	if a := s.obj.Spec.Authorization; a != nil && a.CABundle != "" {
		return []byte(a.CABundle), "spec.authorization.caBundle", nil
	}
	ref := caSecretRef(s.obj)
	source = fmt.Sprintf("key %q of Secret %s/%s", ref.Key, s.obj.Namespace, ref.Name)
	bundle, err = s.readSecret(ctx, ref.Name, ref.Key, secretReasons{
		missing: ReasonCASecretNotFound, noKey: ReasonCAInvalid, empty: ReasonCAInvalid,
		mend: "Put the PEM-encoded CA of the server there, or name another Secret in spec.authorization.caSecretRef.",
	})
	return bundle, source, err
}

// adminToken returns the one-time token.
func (s *session) adminToken(ctx context.Context) (openbao.Token, error) {
	ref := adminTokenRef(s.obj)
	if ref == nil && s.usedUp() {
		return openbao.Token{}, s.adminTokenRequired(tokenNeededAgain, nil)
	}
	if ref == nil {
		return openbao.Token{}, s.adminTokenRequired(tokenNeeded, nil)
	}
	reasons := secretReasons{
		missing: ReasonAdminTokenSecretNotFound, noKey: ReasonAdminTokenKeyNotFound, empty: ReasonAdminTokenEmpty,
		mend: s.giveToken(),
	}
	if s.usedUp() {
		// Deleting the Secret after use is what the condition asked for.
		reasons.missing, reasons.noKey, reasons.empty = ReasonAdminTokenRequired, ReasonAdminTokenRequired, ReasonAdminTokenRequired
		reasons.mend = tokenNeededAgain + " " + reasons.mend
	}
	value, err := s.readSecret(ctx, ref.Name, ref.Key, reasons)
	if err != nil {
		return openbao.Token{}, err
	}
	return openbao.NewToken(string(value)), nil
}

// usedUp reports whether an admin token did its work before.
func (s *session) usedUp() bool {
	record := s.before.Status.Authorization
	return record != nil && record.Digest != ""
}
