// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Token is a secret that authenticates: an OpenBao token or a JWT. However it
// is printed or encoded, it comes out redacted. The zero value is no token.
type Token struct {
	// A pointer, because fmt prints the unexported fields of a struct that holds
	// a Token without asking the Token.
	value *string
}

// NewToken wraps a secret.
func NewToken(value string) Token {
	if value == "" {
		return Token{}
	}
	return Token{value: &value}
}

// IsZero reports whether there is no token.
func (t Token) IsZero() bool { return t.value == nil }

// Format implements fmt.Formatter for every verb.
func (t Token) Format(s fmt.State, _ rune) {
	// The state swallows or reports write errors itself.
	_, _ = io.WriteString(s, redacted)
}

// String implements fmt.Stringer.
func (t Token) String() string { return redacted }

// MarshalText implements encoding.TextMarshaler, and with it JSON.
func (t Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalLog implements logr.Marshaler.
func (t Token) MarshalLog() any { return redacted }

func (t Token) reveal() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}
