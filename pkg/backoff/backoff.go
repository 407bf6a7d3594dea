// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package backoff computes waits that rise from one attempt to the next.
package backoff

import "time"

// Rising is a wait that begins with First and grows by Factor, up to Max.
type Rising struct {
	First, Max time.Duration
	// Factor is above 1.
	Factor float64
}

// Next returns the wait that follows last; zero stands for no wait so far.
func (r Rising) Next(last time.Duration) time.Duration {
	if last <= 0 {
		return min(r.First, r.Max)
	}
	// Compared before the conversion, which could overflow.
	if next := float64(last) * r.Factor; next < float64(r.Max) {
		return time.Duration(next)
	}
	return r.Max
}
