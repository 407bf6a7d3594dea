// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"time"
)

// waiter is a request that waits for its turn.
type waiter struct {
	ctx       context.Context
	operation string
	bounded   bool
	until     time.Time
}

// left is how long it may wait, at most limit.
func (w *waiter) left(limit time.Duration) time.Duration {
	if w.bounded {
		limit = min(limit, time.Until(w.until))
	}
	return limit
}

// sleep waits for d, if there is no error already.
func (w *waiter) sleep(d time.Duration, err error) error {
	if err != nil || d <= 0 {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
}

// enter waits for a slot and then for the token's turn, as long as no block that
// began before or meanwhile stands against it. It holds the slot if it returns nil.
func (l *limits) enter(t *limit, scope string, w *waiter) error {
	if err := l.slot(t, w); err != nil {
		return err
	}
	var err error
	for turn := false; !turn && err == nil; {
		turn, err = l.turn(t, scope, w)
	}
	if err != nil {
		t.giveBack(w.bounded)
	}
	return err
}

// turn waits for whatever keeps the request from being sent. It is false if that
// may have taken so long that there is something else by now.
func (l *limits) turn(t *limit, scope string, w *waiter) (bool, error) {
	wait, err := l.blockedFor(t, scope, w)
	if err != nil || wait > 0 {
		return false, w.sleep(wait, err)
	}
	l.mu.Lock()
	now := time.Now()
	reservation := t.rate.ReserveN(now, 1)
	wait = reservation.DelayFrom(now)
	if wait > 0 && wait > w.left(wait) {
		reservation.CancelAt(now)
		err = &Error{Class: Throttled, Operation: w.operation, RetryAfter: wait, Err: errOwnLimit}
	}
	l.mu.Unlock()
	if err := w.sleep(wait, err); err != nil || wait == 0 {
		return err == nil, err
	}
	wait, err = l.blockedFor(t, scope, w)
	return wait == 0 && err == nil, err
}

// blockedFor returns how long to wait because Aiven asked for that, or why that is
// too long.
func (l *limits) blockedFor(t *limit, scope string, w *waiter) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if wait := t.blocked.Sub(now); wait > 0 {
		if wait > w.left(l.maxBlock) {
			return 0, &Error{Class: Throttled, Operation: w.operation, RetryAfter: wait, Err: errBlocked}
		}
		return wait, nil
	}
	if wait := t.resting[scope].Sub(now); wait > 0 {
		return 0, &Error{Class: Unavailable, Operation: w.operation, RetryAfter: wait, Err: errResting}
	}
	return 0, nil
}

// slot takes one of the token's slots.
func (l *limits) slot(t *limit, w *waiter) error {
	if !w.bounded {
		if err := l.takeFrom(t.fetches, w); err != nil {
			return err
		}
	}
	err := l.takeFrom(t.slots, w)
	if err != nil && !w.bounded {
		t.fetches <- struct{}{}
	}
	return err
}

func (l *limits) takeFrom(slots chan struct{}, w *waiter) error {
	select {
	case <-slots:
		return nil
	default:
	}
	var expired <-chan time.Time
	if w.bounded {
		timer := time.NewTimer(time.Until(w.until))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-slots:
		return nil
	case <-expired:
		return &Error{Class: Throttled, Operation: w.operation, RetryAfter: max(l.maxBlock, time.Second), Err: errOwnLimit}
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
}

// giveBack returns the slot of a request that an object waits for, or none.
func (t *limit) giveBack(awaited bool) {
	t.slots <- struct{}{}
	if !awaited {
		t.fetches <- struct{}{}
	}
}

// open lets one more request be under way.
func (t *limit) open() {
	t.openedAt = time.Now()
	t.slots <- struct{}{}
	if t.opened++; t.opened%2 == 1 {
		t.fetches <- struct{}{}
	}
}

// shut lets one less be under way. None is.
func (t *limit) shut() {
	<-t.slots
	if t.opened--; t.opened%2 == 0 {
		<-t.fetches
	}
}
