// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"errors"
	"time"

	"k8s.io/klog/v2"
)

// staleAfter is how many poll intervals old data may be while refreshing it
// fails for reasons that pass.
const staleAfter = 2

// entry is one thing as one token sees it. The Store's lock guards it.
type entry struct {
	key     entryKey
	facet   facet
	task    task
	removed bool
	watches map[*watch]struct{}
	readers readers // the watches by what they looked at

	// snap is what the last good fetch and the writes since have shown.
	snap       snapshot
	snapStart  uint64 // sequence number at which that fetch began
	snapTime   time.Time
	credential Credential // that it was fetched with

	// dirty is the sequence number at which the last write ended whose effect
	// snap may lack: only a fetch that began after it satisfies a reader.
	dirty uint64
	// folds are the writes that were folded in during the present fetch, in the
	// order in which they ended; the fetch may lack them.
	folds []fold

	err       error // of the last fetch, nil if it was good
	errTime   uint64
	lost      bool // the error is why snap can't be relied on any more
	failures  int
	notBefore time.Time // no fetch before this, after failures

	fetching   bool
	fetchStart uint64
	lastFetch  time.Time     // when the last fetch began
	fetchTook  time.Duration // how long the last good one took
	again      bool          // fetch once more after the present one
	whole      bool          // the next fetch reads everything
	lastWhole  time.Time     // when the last good fetch of everything began
	probe      *Credential   // to fetch with instead of the usual one, once

	settle       time.Duration // last wait while it was not settled
	recheck      time.Duration // last wait that Recheck asked for
	rechecking   bool
	recheckFetch bool // the fetch under way is what Recheck asked for
}

// fold is the effect of one write on a snapshot.
type fold struct {
	end   uint64 // sequence number at which the write ended
	apply change
}

// usable reports whether snap reflects every write that has ended.
func (e *entry) usable() bool {
	return e.snap != nil && e.snapStart > e.dirty
}

// readable reports whether the Client can be given snap.
func (e *entry) readable(c *Client, poll time.Duration) bool {
	switch {
	case !e.usable():
		return false
	case e.credential.Token != c.credential.Token && e.credential.Generation < c.credential.Generation:
		return false // seen with a token that has been replaced
	case e.err == nil:
		return true
	}
	return passing(e.err) && time.Since(e.snapTime) < staleAfter*poll
}

// passing reports whether an error says nothing about the thing or the right to
// read it, only that it could not be read now.
func passing(err error) bool {
	switch ClassOf(err) {
	case Unavailable, Throttled, Unknown:
		return true
	}
	return false
}

// aboutToken reports whether an error came from the token itself.
func aboutToken(err error) bool {
	var c *credentialError
	return errors.As(err, &c) || ClassOf(err) == Unauthorized
}

// alike reports whether two errors are the same to those who read them. That a
// token was refused, and that it is therefore not used, is one state: objects
// hear of it from the token cache, before they read.
func alike(a, b error) bool {
	return a.Error() == b.Error() || aboutToken(a) && aboutToken(b)
}

// entry returns the entry of key, a new one with facet f if there is none. s.mu
// is held.
func (s *Store) entry(key entryKey, f facet) *entry {
	if e := s.entries[key]; e != nil {
		return e
	}
	e := &entry{
		key:     key,
		facet:   f,
		task:    task{index: -1},
		watches: map[*watch]struct{}{},
		readers: readers{},
	}
	e.task.run = func() { s.startFetch(e) }
	s.entries[key] = e
	at := serviceKey{key.project, key.service}
	if s.services[at] == nil {
		s.services[at] = map[*entry]struct{}{}
	}
	s.services[at][e] = struct{}{}
	if key.service != "" {
		s.followLog(logKey{key.token, key.project})
	}
	return e
}

// drop forgets e. A fetch that is under way ends without effect. s.mu is held.
func (s *Store) drop(e *entry) {
	e.removed = true
	s.tasks.remove(&e.task)
	delete(s.entries, e.key)
	at := serviceKey{e.key.project, e.key.service}
	delete(s.services[at], e)
	if len(s.services[at]) == 0 {
		delete(s.services, at)
	}
	if e.key.service != "" {
		s.unfollowLog(logKey{e.key.token, e.key.project})
	}
}

// read returns what the Client may see of key, or ErrPending, or why it can't
// be read. Whatever it returns, the subscriber is subscribed.
func (s *Store) read(c *Client, key entryKey, f facet) (view, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entry(key, f)
	w := s.watchEntry(c, e)
	v := view{store: s, entry: e, watch: w, snap: e.snap, err: e.err}
	if c.takeProbe() {
		e.probe = &c.credential
		e.notBefore = time.Time{}
		w.waiting, w.told = true, false
		s.wantAgain(e)
		return view{}, ErrPending
	}
	if e.readable(c, s.options.PollInterval) {
		return v, nil
	}
	// What it has seen so far is not good enough for this Client.
	w.waiting, e.whole = true, e.whole || e.usable()
	// The Client was given its token after the failure: the failure is history.
	if e.err != nil && aboutToken(e.err) && c.born > e.errTime {
		e.err, e.lost, e.failures, e.notBefore = nil, false, 0, time.Time{}
	}
	s.want(e)
	if w.told = e.err != nil; w.told {
		return view{}, e.err
	}
	return view{}, ErrPending
}

// want makes sure that a fetch follows which satisfies a reader of now. s.mu is
// held.
func (s *Store) want(e *entry) {
	if e.fetching {
		return // if it began too early the end of it sees to the next
	}
	s.hasten(&e.task, e.earliest())
}

// wantAgain makes sure that a fetch follows which begins after now. s.mu is
// held.
func (s *Store) wantAgain(e *entry) {
	e.again, e.whole = e.fetching, true
	s.want(e)
}

// known returns what the next fetch need not read, nil if it is to read all:
// only after writes that were folded in, and soon after everything was read.
func (e *entry) known(poll time.Duration) snapshot {
	if e.whole || e.recheckFetch || e.err != nil || !e.usable() || time.Since(e.lastWhole) >= min(wholeGap, poll/2) {
		return nil
	}
	return e.snap
}

// earliest is when the next fetch of e may begin. What is slow to read is read
// less often.
func (e *entry) earliest() time.Time {
	at := e.lastFetch.Add(max(minGap, min(fetchShare*e.fetchTook, maxGap)))
	if at.Before(e.notBefore) {
		at = e.notBefore
	}
	if now := time.Now(); at.Before(now) {
		return now
	}
	return at
}

// await makes the reader wait for the next answer, whatever it is. err is why
// the last one failed, which the reader knows then.
func (s *Store) await(w *watch, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.waiting, w.told = true, err != nil
}

// recheck is view.Recheck.
func (s *Store) recheck(e *entry, w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.subscriber.watches[e] != w {
		return
	}
	w.waiting = true
	if e.fetching || e.rechecking {
		return
	}
	e.rechecking = true
	e.recheck = settleDelay(e.recheck)
	at := time.Now().Add(e.recheck)
	if at.Before(e.notBefore) {
		at = e.notBefore
	}
	s.hasten(&e.task, at)
}

// startFetch puts the fetch of e into its token's lane. s.mu is held.
func (s *Store) startFetch(e *entry) {
	if e.fetching || e.removed {
		return
	}
	e.fetching = true
	e.recheckFetch, e.rechecking = e.rechecking, false
	s.enqueue(e.key.token, func(ctx context.Context) { s.fetch(ctx, e) })
}

// fetch reads the thing and takes in the result.
func (s *Store) fetch(ctx context.Context, e *entry) {
	s.mu.Lock()
	start := s.next()
	e.fetchStart = start
	e.lastFetch = time.Now()
	e.again = false
	probe, earlier, known := e.probe, e.snap, e.known(s.options.PollInterval)
	e.probe, e.whole = nil, false
	removed := e.removed
	s.mu.Unlock()
	if removed {
		return
	}
	var snap snapshot
	credential, err := s.fetchAs(ctx, e.key.token, probe, func(d Doer) (err error) {
		snap, err = e.facet.fetch(ctx, d, e.key, known)
		return err
	})
	if err == nil && earlier != nil {
		snap.adopt(earlier)
	}
	var notify []func()
	s.mu.Lock()
	e.fetching = false
	switch {
	case e.removed || ctx.Err() != nil:
	case err != nil:
		notify = s.failed(e, err)
	default:
		if known == nil {
			e.lastWhole = e.lastFetch
		}
		notify = s.fetched(e, start, credential, snap)
	}
	e.folds = nil // the next fetch begins after them
	s.mu.Unlock()
	if err != nil {
		klog.FromContext(ctx).V(4).Info("Fetch failed", "facet", e.key.facet, "project", e.key.project,
			"service", e.key.service, "token", e.key.token, "err", err)
	}
	for _, f := range notify {
		f()
	}
}

// failed takes in the error of a fetch and returns whom to notify. s.mu is held.
func (s *Store) failed(e *entry, err error) (notify []func()) {
	appeared := e.err == nil || !alike(e.err, err)
	e.err = err
	e.errTime = s.next()
	e.failures++
	wait := max(failureDelay(e.failures, s.options.PollInterval), RetryAfter(err))
	e.notBefore = time.Now().Add(wait)
	s.schedule(&e.task, e.notBefore)
	lost := !passing(err) || time.Since(e.snapTime) >= staleAfter*s.options.PollInterval
	tellAll := lost && (appeared || !e.lost)
	e.lost = lost
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

// fetched takes in a snapshot whose fetch began at start and returns whom to
// notify. s.mu is held.
func (s *Store) fetched(e *entry, start uint64, credential Credential, snap snapshot) (notify []func()) {
	for _, f := range e.folds {
		if f.end > start {
			snap, _ = f.apply(snap)
		}
	}
	e.snap, e.snapStart, e.snapTime, e.credential = snap, start, time.Now(), credential
	e.fetchTook = time.Since(e.lastFetch)
	e.err, e.lost, e.failures, e.notBefore = nil, false, 0, time.Time{}
	if !e.recheckFetch {
		e.recheck = 0
	}
	if !e.usable() || e.again || !snap.complete() {
		s.schedule(&e.task, e.earliest())
	} else {
		s.schedule(&e.task, time.Now().Add(s.nextPoll(e)))
	}
	if !e.usable() {
		return nil
	}
	for w := range e.watches {
		if w.waiting || w.differs(snap) {
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
	e.settle = settleDelay(e.settle)
	return min(e.settle, s.options.PollInterval)
}
