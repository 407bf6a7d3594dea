// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"errors"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/token"
)

// source gives the Aiven side the tokens of one reference.
type source struct {
	cache *token.Cache
	ref   token.Ref
}

var _ aiven.Source = source{}

// Name implements aiven.Source.
func (s source) Name() string { return s.ref.String() }

// Current implements aiven.Source.
func (s source) Current() (aiven.Credential, error) {
	tok, err := s.cache.Current(s.ref)
	if errors.Is(err, token.ErrNotHeld) {
		// An object reads it again soon; what was fetched before stays good.
		return aiven.Credential{}, &aiven.Error{Class: aiven.Unavailable, Operation: "Fetch", Err: err}
	}
	return credentialOf(tok), err
}

// Refused implements aiven.Source.
func (s source) Refused(generation uint64) { s.cache.Reject(s.ref, generation) }

// Accepted implements aiven.Source.
func (s source) Accepted(generation uint64) { s.cache.Accept(s.ref, generation) }

func credentialOf(tok token.Token) aiven.Credential {
	return aiven.Credential{Token: tok.Value.Reveal(), Generation: tok.Generation, Probe: tok.Probe}
}
