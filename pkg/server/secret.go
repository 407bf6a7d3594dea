// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SecretKey names a key of a Secret.
type SecretKey struct {
	Namespace, Name, Key string
}

// String implements fmt.Stringer.
func (k SecretKey) String() string {
	return fmt.Sprintf("key %q of Secret %s/%s", k.Key, k.Namespace, k.Name)
}

// SecretFault says what is wrong with a Secret.
type SecretFault string

const (
	// SecretMissing means that the Secret does not exist.
	SecretMissing SecretFault = "Missing"
	// SecretForbidden means that this process may not read it.
	SecretForbidden SecretFault = "Forbidden"
	// SecretUnreadable means that the API server did not answer.
	SecretUnreadable SecretFault = "Unreadable"
	// SecretKeyMissing means that it lacks the key.
	SecretKeyMissing SecretFault = "KeyMissing"
	// SecretEmpty means that the value of the key is empty.
	SecretEmpty SecretFault = "Empty"
)

// SecretError says why there is no value of a Secret.
type SecretError struct {
	Key   SecretKey
	Fault SecretFault
	// Err is the cause, if any.
	Err error
}

// Error implements error. It is a sentence without its full stop.
func (e *SecretError) Error() string {
	where := fmt.Sprintf("Secret %s/%s", e.Key.Namespace, e.Key.Name)
	switch e.Fault {
	case SecretMissing:
		return where + " does not exist"
	case SecretForbidden:
		return fmt.Sprintf("%s cannot be read: Bailiwick's ServiceAccount lacks the verb get on secrets in namespace %s", where, e.Key.Namespace)
	case SecretKeyMissing:
		return fmt.Sprintf("%s has no key %q", where, e.Key.Key)
	case SecretEmpty:
		return fmt.Sprintf("Key %q of %s is empty", e.Key.Key, where)
	}
	return fmt.Sprintf("%s cannot be read: %v", where, e.Err)
}

// Unwrap returns the cause.
func (e *SecretError) Unwrap() error { return e.Err }

// Value is a value of a Secret.
type Value struct {
	Bytes []byte
	// Version is the resourceVersion of the Secret.
	Version string
}

// ReadSecret returns the value of a key without the white space around it, read
// live. The error is a *SecretError.
func (a *Access) ReadSecret(ctx context.Context, key SecretKey) (Value, error) {
	secret, err := a.opts.Secrets.Secrets(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return Value{}, &SecretError{key, SecretMissing, err}
	case apierrors.IsForbidden(err):
		return Value{}, &SecretError{key, SecretForbidden, err}
	case err != nil:
		return Value{}, &SecretError{key, SecretUnreadable, err}
	}
	value, ok := secret.Data[key.Key]
	if !ok {
		return Value{}, &SecretError{key, SecretKeyMissing, nil}
	}
	if value = bytes.TrimSpace(value); len(value) == 0 {
		return Value{}, &SecretError{key, SecretEmpty, nil}
	}
	return Value{value, secret.ResourceVersion}, nil
}
