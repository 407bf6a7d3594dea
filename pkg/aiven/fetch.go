// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"time"

	"k8s.io/klog/v2"
)

// startFetch puts the fetch of e into its token's lane. s.mu is held.
func (s *Store) startFetch(e *entry) {
	if e.running != nil || s.dropped(e) {
		return
	}
	run := &fetching{source: e.source}
	e.running = run
	s.enqueue(e.lane, job{
		run:      func(ctx context.Context) { s.fetch(ctx, e, run) },
		panicked: func(err error) { notifyAll(s.broken(e, run, err)) },
	})
}

// fetch reads the thing and takes in the result.
func (s *Store) fetch(ctx context.Context, e *entry, run *fetching) {
	earlier, known, ok := s.begin(e, run)
	if !ok {
		return
	}
	var snap snapshot
	credential, err := s.fetchAs(ctx, run.source, run.probe, func(d Doer) (err error) {
		snap, err = e.facet.fetch(ctx, d, e.key, known)
		return err
	})
	if err == nil && earlier != nil {
		snap.adopt(earlier)
	}
	notifyAll(s.ended(ctx, e, run, reading{snapshot: snap, start: run.start, at: time.Now(), credential: credential}, err))
	if err != nil {
		klog.FromContext(ctx).V(4).Info("Fetch failed", "facet", e.key.facet, "project", e.key.project,
			"service", e.key.service, "token", e.key.token, "err", err)
	}
}

// begin makes run what e was to do next. It returns the snapshot of e, and what of
// it need not be read.
func (s *Store) begin(e *entry, run *fetching) (earlier, known snapshot, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dropped(e) {
		return nil, nil, false
	}
	run.start, run.plan = s.next(), e.next
	e.next = plan{}
	e.began = time.Now()
	if e.snap != nil {
		earlier = e.snap.snapshot
	}
	known = e.known(run.plan, s.options.PollInterval)
	run.whole = known == nil
	return earlier, known, true
}

// ended takes in the result of run and returns whom to notify.
func (s *Store) ended(ctx context.Context, e *entry, run *fetching, got reading, err error) []func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.running != run {
		return nil
	}
	e.running = nil // the next fetch begins after the folds of this one
	switch {
	case s.dropped(e) || ctx.Err() != nil:
		return nil
	case err != nil:
		return s.failed(e, err)
	default:
		return s.fetched(e, run, got)
	}
}

// broken takes in that run, or taking in its result, panicked.
func (s *Store) broken(e *entry, run *fetching, err error) []func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dropped(e) || e.running != nil && e.running != run {
		return nil
	}
	e.running = nil
	return s.failed(e, err)
}

// failed takes in the error of a fetch and returns whom to notify. s.mu is held.
func (s *Store) failed(e *entry, err error) (notify []func()) {
	before := e.failure
	f := &failure{err: err, at: s.next()}
	appeared, wasLost := true, false
	if before != nil {
		f.wait = before.wait
		appeared, wasLost = !alike(before.err, err), before.lost
	}
	f.wait = s.failing().Next(f.wait)
	f.until = time.Now().Add(max(f.wait, RetryAfter(err)))
	f.lost = !passing(err) || e.snap == nil || time.Since(e.snap.at) >= staleAfter*s.options.PollInterval
	e.failure = f
	s.schedule(&e.task, f.until)
	s.unseen(e, err)
	tellAll := f.lost && (appeared || !wasLost)
	for w := range e.watches {
		// Who waits reads the error, once; who has what it needs must know only
		// when it can no longer be relied on.
		if w.waiting && (appeared || !w.told) || tellAll {
			w.told = true
			notify = append(notify, w.subscriber.notify)
		}
	}
	return notify
}

// fetched takes in what a good fetch has shown and returns whom to notify. s.mu is
// held.
func (s *Store) fetched(e *entry, run *fetching, got reading) (notify []func()) {
	for _, f := range run.folds {
		if f.end > got.start {
			got.snapshot, _ = f.apply(got.snapshot)
		}
	}
	e.snap, e.failure = &got, nil
	e.took = time.Since(e.began)
	if run.whole {
		e.lastWhole = e.began
	}
	if !run.recheck {
		e.recheck = 0
	}
	s.seen(e)
	s.noteMaking(e)
	if !e.usable() || e.next.again || !got.complete() {
		s.schedule(&e.task, s.earliest(e))
	} else {
		s.schedule(&e.task, later(time.Now().Add(s.nextPoll(e)), s.earliest(e)))
	}
	if !e.usable() {
		return nil
	}
	for w := range e.watches {
		if w.waiting || w.differs(got.snapshot) {
			w.waiting = false
			notify = append(notify, w.subscriber.notify)
		}
	}
	return notify
}

// nextPoll is the wait after a good fetch.
func (s *Store) nextPoll(e *entry) time.Duration {
	if e.snap.settled() {
		e.settle = 0
		return jittered(s.options.PollInterval)
	}
	e.settle = settling().Next(e.settle)
	return min(e.settle, s.options.PollInterval)
}

func notifyAll(notify []func()) {
	for _, f := range notify {
		f()
	}
}
