// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const valid = 10 * time.Second
		g := newGate(valid)
		if g.Check() == nil {
			t.Error("open before the first renewal")
		}
		sent := time.Now()
		time.Sleep(4 * time.Second) // the answer took its time
		g.renew(sent)
		if err := g.Check(); err != nil {
			t.Errorf("closed after a renewal: %v", err)
		}
		time.Sleep(6*time.Second - time.Nanosecond)
		if err := g.Check(); err != nil {
			t.Errorf("closed too early: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if g.Check() == nil {
			t.Error("open although the renewal was sent long enough ago")
		}
		g.renew(time.Now())
		if err := g.Check(); err != nil {
			t.Errorf("closed after another renewal: %v", err)
		}
		g.renew(time.Now().Add(-time.Hour)) // an answer that arrives late
		if err := g.Check(); err != nil {
			t.Errorf("an older renewal replaced a newer one: %v", err)
		}
		g.close()
		g.close()
		g.renew(time.Now())
		if g.Check() == nil || g.Remaining() != 0 {
			t.Error("open after close")
		}
	})
}

// A suspended machine: the monotonic clock stood still, the wall clock did not.
func TestGateBelievesTheWallClock(t *testing.T) {
	g := newGate(10 * time.Second)
	g.renew(time.Now())
	g.wall = g.wall.Add(-time.Minute)
	if g.Check() == nil {
		t.Error("open although a minute of wall time passed")
	}
}

func TestOpenGate(t *testing.T) {
	if err := openGate().Check(); err != nil {
		t.Error(err)
	}
}

// A wall clock that is set back makes a lease no longer.
func TestGateBelievesTheMonotonicClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(10 * time.Second)
		g.renew(time.Now())
		g.wall = g.wall.Add(time.Hour)
		if left := g.Remaining(); left != 10*time.Second {
			t.Errorf("%s are left of 10s", left)
		}
		time.Sleep(10 * time.Second)
		if g.Check() == nil {
			t.Error("open after the lease, since the wall clock was set back")
		}
	})
}
