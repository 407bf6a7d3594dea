// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

// Rejection returns the error of a token that Aiven has just refused, which the
// cache learns by itself. Its commands are complete, as those of Token's errors.
func (c *Cache) Rejection(ref Ref) *Error {
	e := &Error{Reason: TokenRejected, Ref: ref, operator: c.options.Operator}
	if ref.Default() && c.fallback != nil {
		e.source = c.fallback.source
	}
	return e
}
