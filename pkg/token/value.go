// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"fmt"
	"io"
	"strings"
)

const redacted = "[redacted]"

// Value is a token that can be used but not printed: every way to format,
// marshal or log it yields "[redacted]". The text is behind a pointer because
// fmt calls no methods on unexported fields: printing a struct that embeds a
// Value shows an address, never the text.
type Value struct {
	text *string
}

// NewValue returns the Value of s without surrounding white space.
func NewValue(s string) Value {
	s = strings.TrimSpace(s)
	return Value{text: &s}
}

// Reveal returns the token itself. Only the code that sends it to Aiven calls
// this.
func (v Value) Reveal() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

// String implements fmt.Stringer.
func (Value) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Value) GoString() string { return redacted }

// Format implements fmt.Formatter, which covers every verb, %x and %p too.
func (Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements encoding.TextMarshaler.
func (Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON implements json.Marshaler.
func (Value) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalLog implements logr.Marshaler.
func (Value) MarshalLog() any { return redacted }

// usable reports whether the text can be sent in a header: tokens are
// printable ASCII without white space.
func (v Value) usable() bool {
	for _, r := range v.Reveal() {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return true
}

// Token is a resolved token.
type Token struct {
	// Ref is the reference it was asked for by.
	Ref Ref
	// Generation identifies this value of this Ref for as long as the process
	// runs: another value never has the same one, a newer value a higher one.
	Generation uint64
	// Value is the token.
	Value Value
	// Probe is set when Aiven refused the token, or the one before, and the caller
	// was granted the one try there is now.
	Probe bool
}
