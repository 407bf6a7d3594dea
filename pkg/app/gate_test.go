// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
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

func TestGateYield(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if err := openGate().Yield(t.Context()); err != nil {
			t.Error(err)
		}
		g := newGate(15 * time.Second)
		g.late = LeaderElectionOptions{RenewDeadline: 9 * time.Second, RetryPeriod: 3 * time.Second}.late()
		yield := func(ctx context.Context) (took time.Duration, err error) {
			began := time.Now()
			err = g.Yield(ctx)
			return time.Since(began), err
		}
		if took, err := yield(t.Context()); took != 0 || err != nil {
			t.Errorf("waited %s before there was a lease: %v", took, err)
		}
		g.renew(time.Now())
		time.Sleep(5 * time.Second)
		if took, err := yield(t.Context()); took != 0 || err != nil {
			t.Errorf("waited %s while the lease was fresh: %v", took, err)
		}
		time.Sleep(time.Second)
		time.AfterFunc(3*time.Second, func() { g.renew(time.Now()) })
		if took, err := yield(t.Context()); took != 3*time.Second || err != nil {
			t.Errorf("waited %s for a late renewal, want 3s: %v", took, err)
		}
		time.Sleep(6 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if took, err := yield(ctx); took != time.Second || err == nil {
			t.Errorf("waited %s in a sync that ended: %v", took, err)
		}
		time.AfterFunc(2*time.Second, g.close)
		if took, err := yield(t.Context()); took != 2*time.Second || err != nil {
			t.Errorf("waited %s for a lease that was lost, want 2s: %v", took, err)
		}
	})
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
