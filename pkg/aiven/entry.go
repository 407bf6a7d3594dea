// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"errors"
	"time"
)

// staleAfter is how many poll intervals old data may be while refreshing it
// fails for reasons that pass.
const staleAfter = 2

// entry is one thing as one Source sees it. The Store's lock guards it.
//
//	            its task is due             a worker of its lane
//	scheduled ──────────────────▶ queued ────────────────────────▶ fetching
//	    ▲                                                             │
//	    │  in the poll interval, sooner while it changes or           │
//	    │  is incomplete, now if it was written meanwhile: good       │
//	    ├─────────────────────────────────────────────────────────────┤
//	    │  after a wait that rises: failed                            │
//	    └─────────────────────────────────────────────────────────────┘
//
// Scheduled: running is nil. Queued: running has no start yet. It is dropped, in
// whatever state, when its last reader goes; what is under way has no effect then.
type entry struct {
	key     entryKey
	facet   facet
	source  Source
	lane    digest // of the credential that it was read with last
	task    task
	watches map[*watch]struct{}
	readers readers // the watches by what they have read

	// snap is what the last good fetch and the writes since have shown.
	snap *reading
	// dirty is the sequence number at which the last write ended whose effect
	// snap may lack: only a fetch that began after it satisfies a reader.
	dirty uint64
	// failure is of the last fetch, nil if it was good.
	failure *failure

	next    plan
	running *fetching

	began     time.Time     // when the last fetch began
	took      time.Duration // how long the last good one took
	lastWhole time.Time     // when the last good fetch of everything began
	settle    time.Duration // last wait while it was changing
	recheck   time.Duration // last wait that Recheck asked for
}

// reading is what a fetch has shown.
type reading struct {
	snapshot
	start      uint64 // sequence number at which the fetch began
	at         time.Time
	credential Credential
}

// plan says how the next fetch differs from a poll.
type plan struct {
	again   bool        // it follows the one under way immediately
	whole   bool        // it reads everything
	recheck bool        // Recheck asked for it
	probe   *Credential // to fetch with instead of the present one
}

// fetching is a fetch that is queued or under way.
type fetching struct {
	plan
	source Source
	start  uint64 // sequence number at which it began; 0: queued
	// folds are the writes that were folded in since it was queued, in the order in
	// which they ended; it may lack them.
	folds []fold
}

// fold is the effect of one write on a snapshot.
type fold struct {
	end   uint64 // sequence number at which the write ended
	apply change
}

// failure is why the last fetch was not good.
type failure struct {
	err   error
	at    uint64        // sequence number
	wait  time.Duration // that follows it, rising
	until time.Time     // no fetch before this
	lost  bool          // snap can't be relied on any more
}

// err is why the last fetch failed, nil if it was good.
func (e *entry) err() error {
	if e.failure == nil {
		return nil
	}
	return e.failure.err
}

// retryAfter is when the next fetch may begin after a failure.
func (e *entry) retryAfter() time.Time {
	if e.failure == nil {
		return time.Time{}
	}
	return e.failure.until
}

// usable reports whether snap reflects every write that has ended.
func (e *entry) usable() bool {
	return e.snap != nil && e.snap.start > e.dirty
}

// readable reports whether the Client can be given snap.
func (e *entry) readable(c *Client, poll time.Duration) bool {
	switch {
	case !e.usable():
		return false
	case e.snap.credential.Token != c.credential.Token && e.snap.credential.Generation < c.credential.Generation:
		return false // seen with a token that has been replaced
	case e.failure == nil:
		return true
	}
	return passing(e.failure.err) && time.Since(e.snap.at) < staleAfter*poll
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
	s.followLog(e)
	return e
}

// drop forgets e. A fetch that is under way ends without effect. s.mu is held.
func (s *Store) drop(e *entry) {
	s.tasks.remove(&e.task)
	delete(s.entries, e.key)
	delete(s.making, e)
	at := serviceKey{e.key.project, e.key.service}
	delete(s.services[at], e)
	if len(s.services[at]) == 0 {
		delete(s.services, at)
	}
	s.unfollowLog(e)
}

// dropped reports whether e was dropped. s.mu is held.
func (s *Store) dropped(e *entry) bool { return s.entries[e.key] != e }

// read returns what the Client may see of key, or ErrPending, or why it can't
// be read. Whatever it returns, the subscriber is subscribed.
func (s *Store) read(c *Client, key entryKey, f facet) (view, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entry(key, f)
	e.source, e.lane = c.source, c.lane
	w := s.watchEntry(c, e)
	if c.takeProbe() {
		e.next.probe = &c.credential
		if e.failure != nil {
			e.failure.until = time.Time{}
		}
		w.waiting, w.told = true, false
		s.wantAgain(e)
		return view{}, ErrPending
	}
	if e.readable(c, s.options.PollInterval) {
		return view{store: s, entry: e, watch: w, snap: e.snap.snapshot, err: e.err()}, nil
	}
	// What it has seen so far is not good enough for this Client.
	w.waiting, e.next.whole = true, e.next.whole || e.usable()
	// The Client was given its token after the failure: the failure is history.
	if e.failure != nil && aboutToken(e.failure.err) && c.born > e.failure.at {
		e.failure = nil
	}
	s.want(e)
	if w.told = e.failure != nil; w.told {
		return view{}, e.failure.err
	}
	return view{}, ErrPending
}

// want makes sure that a fetch follows which satisfies a reader of now. s.mu is
// held.
func (s *Store) want(e *entry) {
	if e.running != nil {
		return // if it began too early the end of it sees to the next
	}
	s.hasten(&e.task, s.earliest(e))
}

// wantAgain makes sure that a fetch follows which begins after now. s.mu is
// held.
func (s *Store) wantAgain(e *entry) {
	e.next.again, e.next.whole = e.running != nil, true
	s.want(e)
}

// known returns what the fetch of that plan need not read, nil if it is to read
// all: only after writes that were folded in, and soon after everything was read.
func (e *entry) known(p plan, poll time.Duration) snapshot {
	if p.whole || p.recheck || e.failure != nil || !e.usable() || time.Since(e.lastWhole) >= min(wholeGap, poll/2) {
		return nil
	}
	return e.snap.snapshot
}

// earliest is when the next fetch of e may begin. What is slow to read is read
// less often, and so are lists of topics while those of many services are in the
// making. s.mu is held.
func (s *Store) earliest(e *entry) time.Time {
	gap := max(minGap, min(fetchShare*e.took, maxGap))
	if _, ok := s.making[e]; ok {
		gap = max(gap, min(time.Duration(len(s.making))*e.took, maxListGap))
	}
	return later(later(e.began.Add(gap), e.retryAfter()), time.Now())
}

// noteMaking keeps s.making up to date with the snapshot of e. s.mu is held.
func (s *Store) noteMaking(e *entry) {
	if _, topics := e.facet.(topicsFacet); topics && !e.snap.settled() {
		s.making[e] = struct{}{}
	} else {
		delete(s.making, e)
	}
}

// await makes the reader wait for the next answer, whatever it is. err is why
// the last one failed, which the reader knows then.
func (s *Store) await(w *watch, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.waiting, w.told = true, err != nil
}

// askAgain is view.Recheck.
func (s *Store) askAgain(e *entry, w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.subscriber.watches[e] != w {
		return
	}
	w.waiting = true
	if e.running != nil || e.next.recheck {
		return
	}
	e.next.recheck = true
	e.recheck = settling().Next(e.recheck)
	s.hasten(&e.task, later(time.Now().Add(e.recheck), e.retryAfter()))
}
