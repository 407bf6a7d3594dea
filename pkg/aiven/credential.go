// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"fmt"
	"io"
)

// Credential is a token to send requests with. It prints without the token.
type Credential struct {
	// Token is the API token.
	Token string
	// Generation orders the values that one token reference had; the hooks of
	// the Transport report it back.
	Generation uint64
	// Probe marks the one try that a rejected token is granted. The first read
	// of a Client with it asks Aiven, whatever the Store holds.
	Probe bool
}

// Format implements fmt.Formatter for every verb.
func (c Credential) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, c.String())
}

// String implements fmt.Stringer.
func (c Credential) String() string {
	return fmt.Sprintf("{[redacted] generation %d}", c.Generation)
}

// MarshalJSON implements json.Marshaler.
func (c Credential) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%q", c.String()), nil
}

// MarshalLog implements logr.Marshaler.
func (c Credential) MarshalLog() any { return c.String() }
