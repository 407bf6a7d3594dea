// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// meantFor reports whether a Secret agrees to be sent to the server at an address.
// Whoever names the Secret in an object says nothing about that: only who may write
// the Secret itself does.
func meantFor(secret *corev1.Secret, address string) bool {
	canonical, err := openbao.CanonicalAddress(address)
	if err != nil {
		return false
	}
	var says []string
	if secret.Type == openbaov1alpha1.SecretTypeCredential {
		says = append(says, string(secret.Data[openbaov1alpha1.CredentialAddressKey]))
	}
	if secret.Labels[openbaov1alpha1.LabelCredential] == "true" {
		says = append(says, secret.Annotations[openbaov1alpha1.AnnotationCredentialAddress])
	}
	for _, written := range says {
		if meant, err := openbao.CanonicalAddress(strings.TrimSpace(written)); err == nil && meant == canonical {
			return true
		}
	}
	return false
}

// credential returns a Secret that may be sent to the server of the route, and
// nothing of any other.
func (c *Connections) credential(ctx context.Context, use SecretUse, key SecretKey) (*corev1.Secret, error) {
	secret, err := c.access.read(ctx, use, key)
	if err != nil {
		return nil, err
	}
	if !meantFor(secret, c.route.Address) {
		return nil, &SecretError{Use: use, Key: key, Fault: SecretNotForServer, Address: c.route.Address}
	}
	return secret, nil
}

// Credential returns the value of a Secret that may be sent to the server, read live.
// The error is a *SecretError.
func (c *Connections) Credential(ctx context.Context, key SecretKey) (Value, error) {
	secret, err := c.credential(ctx, UseToken, key)
	if err != nil {
		return Value{}, err
	}
	value, err := valueOf(secret, UseToken, key)
	return Value{Bytes: value, Version: secret.ResourceVersion}, err
}

// certificate returns the client certificate of the route, the zero value if it has
// none. It is read once.
func (c *Connections) certificate(ctx context.Context) (openbao.KeyPair, error) {
	if c.route.Certificate == (SecretName{}) || !c.pair.IsZero() {
		return c.pair, nil
	}
	key := func(name string) SecretKey {
		return SecretKey{Namespace: c.route.Certificate.Namespace, Name: c.route.Certificate.Name, Key: name}
	}
	secret, err := c.credential(ctx, UseCertificate, key(corev1.TLSCertKey))
	if err != nil {
		return openbao.KeyPair{}, err
	}
	certificate, err := valueOf(secret, UseCertificate, key(corev1.TLSCertKey))
	if err != nil {
		return openbao.KeyPair{}, err
	}
	private, err := valueOf(secret, UseCertificate, key(corev1.TLSPrivateKeyKey))
	if err != nil {
		return openbao.KeyPair{}, err
	}
	if c.pair, err = openbao.NewKeyPair(certificate, private); err != nil {
		return openbao.KeyPair{}, &SecretError{Use: UseCertificate, Key: key(corev1.TLSPrivateKeyKey), Fault: SecretInvalid, Err: err}
	}
	return c.pair, nil
}
