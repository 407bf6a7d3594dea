// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/bailiwick-operator/bailiwick/pkg/backoff"
)

const (
	// lastingTries and lastingAfter are how often, and for how long, an identity can't
	// be judged before that is reported.
	lastingTries = 3
	lastingAfter = 5 * time.Minute
)

// proofMemory is what a process knows about proving the identities of one object,
// besides what is recorded. Only the sync of the object uses it.
type proofMemory struct {
	uid types.UID
	// digest and refusals are those of the round under way, which ends when each role
	// in it is done. It outlives a sync that runs out of time.
	digest   string
	refusals bool
	done     map[string]bool
	// failing are the roles that could not be judged, since when.
	failing map[string]failing
	// untilRevoked is when the token of a login ends that could not be revoked. The
	// role is not tried again before.
	untilRevoked map[string]time.Time
	// batch is a role other than the restore's whose last login gave a token that can't
	// be revoked, empty if there is none.
	batch string
	// ungranted is after how long it is looked again whether Bailiwick may have the tokens
	// that it may not have now, zero if it may have all. Nothing tells of such a right.
	ungranted time.Duration
}

// waitForRight is that wait while a person, who was told the command, is about to run it.
func (m *proofMemory) waitForRight(missing bool, most time.Duration) {
	if !missing {
		m.ungranted = 0
		return
	}
	m.ungranted = backoff.Rising{First: 10 * time.Second, Max: most, Factor: 1.5}.Next(m.ungranted)
}

// failing is since when a role can't be judged, how often that was found, and when
// it was last tried itself.
type failing struct {
	since, tried time.Time
	times        int
}

// begin begins a round, or goes on with the one that was begun for the same.
func (m *proofMemory) begin(digest string, refusals bool) {
	if m.done == nil || m.digest != digest || m.refusals != refusals {
		m.digest, m.refusals, m.done = digest, refusals, map[string]bool{}
	}
}

func (m *proofMemory) end() { m.done = nil }

// forget begins again after the server was changed.
func (m *proofMemory) forget() { *m = proofMemory{uid: m.uid, failing: m.failing} }

// judged notes that a role could be tried to the end.
func (m *proofMemory) judged(role string) {
	delete(m.failing, role)
	m.finish(role)
}

func (m *proofMemory) finish(role string) {
	if m.done != nil {
		m.done[role] = true
	}
}

// failed notes that a role could not be judged, whether it was tried or another one
// showed that there is no server. If that has lasted, it is done for this round, and
// since says how long.
func (m *proofMemory) failed(role string, tried bool, now time.Time) (since time.Time, lasting bool) {
	f, ok := m.failing[role]
	if !ok {
		f.since = now
	}
	if tried {
		f.tried = now
	}
	f.times++
	if m.failing == nil {
		m.failing = map[string]failing{}
	}
	m.failing[role] = f
	lasting = f.times >= lastingTries && now.Sub(f.since) >= lastingAfter
	if lasting {
		m.finish(role)
	}
	return f.since, lasting
}

func (m *proofMemory) lastFailure(role string) time.Time { return m.failing[role].tried }

// notRevoked notes that the token of a login lives on.
func (m *proofMemory) notRevoked(role string, until time.Time) {
	if m.untilRevoked == nil {
		m.untilRevoked = map[string]time.Time{}
	}
	m.untilRevoked[role] = until
}

// proofMemories are those of all objects. Whoever forgets an object ends its entry.
type proofMemories struct {
	mu      sync.Mutex
	objects map[cache.ObjectName]*proofMemory
}

func newProofMemories() *proofMemories {
	return &proofMemories{objects: map[cache.ObjectName]*proofMemory{}}
}

// of returns the memory of an object, an empty one if there is none.
func (p *proofMemories) of(name cache.ObjectName, uid types.UID) *proofMemory {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.objects[name]
	if m == nil || m.uid != uid {
		m = &proofMemory{uid: uid}
		p.objects[name] = m
	}
	return m
}

func (p *proofMemories) forget(name cache.ObjectName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.objects, name)
}
