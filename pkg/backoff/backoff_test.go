// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package backoff

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestNext(t *testing.T) {
	const s = time.Second
	for name, tc := range map[string]struct {
		rising Rising
		want   []time.Duration
	}{
		"doubling":             {Rising{s, 5 * s, 2}, []time.Duration{s, 2 * s, 4 * s, 5 * s, 5 * s}},
		"by half":              {Rising{s, 3 * s, 1.5}, []time.Duration{s, 1500 * time.Millisecond, 2250 * time.Millisecond, 3 * s, 3 * s}},
		"first above the most": {Rising{5 * s, 2 * s, 2}, []time.Duration{2 * s, 2 * s, 2 * s, 2 * s, 2 * s}},
		"no overflow":          {Rising{math.MaxInt64 / 2, math.MaxInt64, 10}, []time.Duration{math.MaxInt64 / 2, math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64}},
	} {
		var got []time.Duration
		for last := time.Duration(0); len(got) < len(tc.want); {
			last = tc.rising.Next(last)
			got = append(got, last)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
