// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

// optional returns a pointer to v, or nil for the zero value, which the API
// tells from one that is set.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// isTrue reports whether an optional flag is set and true.
func isTrue(p *bool) bool { return p != nil && *p }

// toInt converts an optional number of the API types to the client's.
func toInt(p *int64) *int {
	if p == nil {
		return nil
	}
	return new(int(*p))
}

// deref returns what p points at, or the zero value.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// differences collects the names of the fields that differ.
type differences []string

func (d *differences) add(different bool, field string) {
	if different {
		*d = append(*d, field)
	}
}
