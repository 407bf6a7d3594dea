// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"crypto/tls"
	"fmt"
	"io"
)

// KeyPair is a TLS client certificate with its private key. However it is printed or
// encoded, it comes out redacted. The zero value is none.
type KeyPair struct {
	certificate *tls.Certificate
}

// NewKeyPair parses PEM-encoded data. The error carries nothing of the key.
func NewKeyPair(certificate, key []byte) (KeyPair, error) {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return KeyPair{}, fmt.Errorf("%w: %w", ErrKeyPair, err)
	}
	return KeyPair{certificate: &pair}, nil
}

// IsZero reports whether there is none.
func (p KeyPair) IsZero() bool { return p.certificate == nil }

// Leaf returns the DER-encoded certificate, which is public; nil if there is none.
func (p KeyPair) Leaf() []byte {
	if p.certificate == nil || len(p.certificate.Certificate) == 0 {
		return nil
	}
	return p.certificate.Certificate[0]
}

// Format implements fmt.Formatter for every verb.
func (p KeyPair) Format(s fmt.State, _ rune) {
	// The state swallows or reports write errors itself.
	_, _ = io.WriteString(s, redacted)
}

// MarshalText implements encoding.TextMarshaler, and with it JSON.
func (p KeyPair) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalLog implements logr.Marshaler.
func (p KeyPair) MarshalLog() any { return redacted }
