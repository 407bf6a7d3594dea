// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"testing"
	"time"
)

// How long a session is used follows the clock that no one sets.
func TestSessionsAndTheClock(t *testing.T) {
	asked := time.Now()
	held := newSession(Target{}, nil, time.Hour, asked)
	for _, at := range []struct {
		after time.Duration
		renew bool
	}{{39 * time.Minute, false}, {41 * time.Minute, true}} {
		// The readings of the monotonic clock decide, whatever the wall clock says.
		if got := !asked.Add(at.after).Before(held.RenewAt); got != at.renew {
			t.Errorf("after %s: renew is %v", at.after, got)
		}
	}
	if held.RenewAt == held.RenewAt.Round(0) || held.EndsAt == held.EndsAt.Round(0) {
		t.Error("the end of a session has no reading of the monotonic clock")
	}
}
