// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
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

// SecretUse is what a Secret is read for.
type SecretUse string

const (
	// UseCA is the CA of a server.
	UseCA SecretUse = "CA"
	// UseCertificate is a client certificate.
	UseCertificate SecretUse = "Certificate"
	// UseToken is a token.
	UseToken SecretUse = "Token"
)

// SecretFault says what is wrong with a Secret.
type SecretFault string

const (
	// SecretMissing means that the Secret does not exist.
	SecretMissing SecretFault = "Missing"
	// SecretForbidden means that this process may not read it.
	SecretForbidden SecretFault = "Forbidden"
	// SecretUnreadable means that the API server did not answer.
	SecretUnreadable SecretFault = "Unreadable"
	// SecretNotForServer means that the Secret does not agree to be sent to the
	// server.
	SecretNotForServer SecretFault = "NotForServer"
	// SecretKeyMissing means that it lacks the key.
	SecretKeyMissing SecretFault = "KeyMissing"
	// SecretEmpty means that the value of the key is empty.
	SecretEmpty SecretFault = "Empty"
	// SecretInvalid means that the values are not what they are read for.
	SecretInvalid SecretFault = "Invalid"
)

// SecretError says why there is no value of a Secret.
type SecretError struct {
	Use   SecretUse
	Key   SecretKey
	Fault SecretFault
	// Address is that of the server, for SecretNotForServer.
	Address string
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
	case SecretNotForServer:
		return fmt.Sprintf("%s does not say that it is meant for the server at %s, so nothing of it was sent there", where, e.Address)
	case SecretKeyMissing:
		return fmt.Sprintf("%s has no key %q", where, e.Key.Key)
	case SecretEmpty:
		return fmt.Sprintf("Key %q of %s is empty", e.Key.Key, where)
	case SecretInvalid:
		return fmt.Sprintf("%s cannot be used: %v", where, e.Err)
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

// read returns a Secret, read live. The error is a *SecretError.
func (a *Access) read(ctx context.Context, use SecretUse, key SecretKey) (*corev1.Secret, error) {
	secret, err := a.opts.Secrets.Secrets(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	fault := SecretUnreadable
	switch {
	case err == nil:
		return secret, nil
	case apierrors.IsNotFound(err):
		fault = SecretMissing
	case apierrors.IsForbidden(err):
		fault = SecretForbidden
	}
	return nil, &SecretError{Use: use, Key: key, Fault: fault, Err: err}
}

// valueOf returns the value of a key without the white space around it.
func valueOf(secret *corev1.Secret, use SecretUse, key SecretKey) ([]byte, error) {
	value, ok := secret.Data[key.Key]
	if !ok {
		return nil, &SecretError{Use: use, Key: key, Fault: SecretKeyMissing}
	}
	if value = bytes.TrimSpace(value); len(value) == 0 {
		return nil, &SecretError{Use: use, Key: key, Fault: SecretEmpty}
	}
	return value, nil
}
