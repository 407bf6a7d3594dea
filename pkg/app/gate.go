// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errNotLeading refuses a remote write, and is the cause that ends all work
// when the lease is lost.
var errNotLeading = errors.New("the leader lease is not held, or may have expired")

// Gate refuses remote writes that this process may no longer send.
//
// It knows when the renewal of the lease was last asked for and granted. Others
// count from the moment they see a renewal, which is later, so this side always
// ends first, whatever the API server or the network do meanwhile.
type Gate struct {
	// valid is how long a renewal lasts. 0: the gate is always open.
	valid time.Duration
	// late is how long after a renewal the next one is overdue.
	late time.Duration

	mu sync.Mutex
	// renewed is when the last granted renewal was sent, by the monotonic clock;
	// zero before the first. wall is the same by the wall clock.
	renewed, wall time.Time
	// fresh is closed, and replaced, by the next renewal.
	fresh chan struct{}
	shut  chan struct{}
}

// newGate returns a gate that is closed until renew.
func newGate(valid time.Duration) *Gate {
	return &Gate{valid: valid, late: valid / 2, fresh: make(chan struct{}), shut: make(chan struct{})}
}

// openGate returns a gate for a process that needs no lease.
func openGate() *Gate { return newGate(0) }

// Check returns an error if no remote write may be sent now.
func (g *Gate) Check() error {
	if g.valid == 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.remaining() <= 0 {
		return errNotLeading
	}
	return nil
}

// Remaining returns how long the gate stays open without another renewal.
func (g *Gate) Remaining() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.remaining()
}

func (g *Gate) remaining() time.Duration {
	select {
	case <-g.shut:
		return 0
	default:
	}
	if g.renewed.IsZero() {
		return 0
	}
	return g.valid - g.elapsed()
}

// elapsed is the time since the last renewal.
func (g *Gate) elapsed() time.Duration {
	now := time.Now()
	// The monotonic clock stands still while a machine is suspended, the wall
	// clock may be set back: the one that says more time passed is believed.
	return max(now.Sub(g.renewed), now.Sub(g.wall))
}

// Yield waits while the renewal of the lease is late: an API server that is slow
// to answer it is to be spared everything else. It returns an error only if ctx
// ends first.
func (g *Gate) Yield(ctx context.Context) error {
	for g.valid > 0 {
		g.mu.Lock()
		late, fresh := !g.renewed.IsZero() && g.elapsed() > g.late, g.fresh
		g.mu.Unlock()
		if !late {
			break
		}
		select {
		case <-fresh:
		case <-g.shut:
			return nil // what follows is refused, or ends with the process
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// renew notes a granted renewal that was sent at the given time.
func (g *Gate) renew(sent time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if sent.After(g.renewed) {
		g.renewed, g.wall = sent, sent.Round(0)
		close(g.fresh)
		g.fresh = make(chan struct{})
	}
}

// close shuts the gate for good.
func (g *Gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.shut:
	default:
		close(g.shut)
	}
}

// closed is closed once the gate was shut for good.
func (g *Gate) closed() <-chan struct{} { return g.shut }
