// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"time"

	"k8s.io/client-go/tools/cache"
)

// createState is what this process knows of the last create of an object.
type createState int

const (
	// createUnknown: it was sent by another process, or its answer was lost.
	createUnknown createState = iota
	// createAccepted: Aiven accepted it.
	createAccepted
	// createRefused: it was not carried out.
	createRefused
	// createTaken: Aiven answered that the remote exists already.
	createTaken
	// createVisible: the remote was observed since.
	createVisible
)

// attempt is a request that was sent for one generation of an object.
type attempt struct {
	generation int64
	// what was to change; "create" for a create.
	what  string
	at    time.Time
	tries int
	// err is why it failed, nil if Aiven accepted it.
	err error
}

// wait is the time from one attempt to the next: 5 s, doubling up to 5 min.
func (a attempt) wait() time.Duration {
	wait := backoffBase
	for range a.tries - 1 {
		wait = min(wait*2, backoffMax)
	}
	return wait
}

// setCreated notes what became of the last create.
func (m *memory[T]) setCreated(obj T, state createState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(cache.MetaObjectToName(obj), obj.GetUID())
	r.created, r.unannounced, r.lookedAgain = state, state == createAccepted, false
}

// lookOnceMore is true once for each create.
func (m *memory[T]) lookOnceMore(obj T) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(cache.MetaObjectToName(obj), obj.GetUID())
	once := !r.lookedAgain
	r.lookedAgain = true
	return once
}

// createState returns what is known of the last create.
func (m *memory[T]) createState(obj T) createState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.of(cache.MetaObjectToName(obj), obj.GetUID()).created
}

// takeCreated reports, once, that a create has succeeded.
func (m *memory[T]) takeCreated(obj T) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(cache.MetaObjectToName(obj), obj.GetUID())
	was := r.unannounced
	r.unannounced = false
	return was
}

// seen notes that the remote is visible: from now on its absence is drift. It
// returns what was known of the create before.
func (m *memory[T]) seen(obj T) (before createState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(cache.MetaObjectToName(obj), obj.GetUID())
	before = r.created
	r.created, r.checks = createVisible, 0
	if r.tried.what == whatCreate {
		r.tried = attempt{}
	}
	return before
}

// held returns the last attempt at what for the present generation, and how long
// there must be no other; zero means now.
func (m *memory[T]) held(obj T, what string) (attempt, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.of(cache.MetaObjectToName(obj), obj.GetUID()).tried
	if last.tries == 0 || last.generation != obj.GetGeneration() || last.what != what {
		return attempt{}, 0
	}
	return last, max(0, last.wait()-time.Since(last.at))
}

// sent notes an attempt at what, and why it failed if it did. It returns how many
// there were for the present generation.
func (m *memory[T]) sent(obj T, what string, err error) (tries int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &m.of(cache.MetaObjectToName(obj), obj.GetUID()).tried
	if r.generation != obj.GetGeneration() || r.what != what {
		*r = attempt{generation: obj.GetGeneration(), what: what}
	}
	r.tries, r.at, r.err = r.tries+1, time.Now(), err
	return r.tries
}

// upToDate notes that nothing differs any more.
func (m *memory[T]) upToDate(obj T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(cache.MetaObjectToName(obj), obj.GetUID()).tried = attempt{}
}

// retryNow ends the wait for the next attempt.
func (m *memory[T]) retryNow(name cache.ObjectName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.items[name]; r != nil {
		r.tried = attempt{}
	}
}

// nextCheck returns how long to wait before something that takes its time is
// checked again: 1 s rising to 10 s.
func (m *memory[T]) nextCheck(obj T) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(cache.MetaObjectToName(obj), obj.GetUID())
	d := time.Second
	for range r.checks {
		d = d * 3 / 2
	}
	if d >= 10*time.Second {
		return 10 * time.Second
	}
	r.checks++
	return d
}

// delay is what keeps an object from being reconciled and is none of its own.
type delay struct {
	reason string
	since  time.Time
}

// delayed notes what keeps the object from being reconciled, and returns since
// when; first is true where that began.
func (m *memory[T]) delayed(obj T, reason string) (since time.Time, first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(cache.MetaObjectToName(obj), obj.GetUID())
	if first = r.delay.reason != reason; first {
		r.delay = delay{reason: reason, since: time.Now()}
	}
	return r.delay.since, first
}

// undelayed ends what delayed began.
func (m *memory[T]) undelayed(obj T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(cache.MetaObjectToName(obj), obj.GetUID()).delay = delay{}
}

// unreachable reports whether obj can't be reconciled because the remote can't be
// reached.
func (m *memory[T]) unreachable(obj T) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.items[cache.MetaObjectToName(obj)]
	return r != nil && r.uid == obj.GetUID() && r.delay.reason != "" && r.delay.reason != ReasonWaitingForOthers
}
