// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"fmt"
	"io"
)

// Source is where the tokens of one reference come from. All sources of one Name
// are alike.
type Source interface {
	// Name names the reference in logs, and keeps apart what different references
	// see. It holds nothing of the token.
	Name() string
	// Current returns the token for a request that no object waits for. An error
	// keeps it from being sent: of the class Unavailable if that says nothing about
	// the token.
	Current() (Credential, error)
	// Refused and Accepted are told what an answer says of the token of that
	// generation.
	Refused(generation uint64)
	Accepted(generation uint64)
}

// Credential is a token to send requests with. It prints without the token.
type Credential struct {
	// Token is the API token.
	Token string
	// Generation orders the values that one Source had.
	Generation uint64
	// Probe marks the one try that a refused token is granted. The first read of a
	// Client with it asks Aiven, whatever the Store holds.
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
