// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// visibleWithin bounds how long a remote that was created may be missing from
// what Aiven lists before its absence counts as drift.
const visibleWithin = time.Minute

// memory is what a controller remembers of its objects in addition to the cache. It
// is lost with the process; nothing that must survive is kept here.
type memory[T Object] struct {
	writes *Writes[T]

	mu    sync.Mutex
	items map[cache.ObjectName]*remembered
}

type remembered struct {
	uid     types.UID
	created time.Time
	// unannounced is set until a create was told of.
	unannounced bool
	attempts    int
	// repair is the last update that the remote has not shown to have worked.
	repair repair
}

type repair struct {
	generation int64
	what       string
	at         time.Time
	tries      int
}

func newMemory[T Object]() *memory[T] {
	return &memory[T]{writes: NewWrites[T](), items: map[cache.ObjectName]*remembered{}}
}

// of returns the entry of the object with this UID; a namesake has a new one.
func (m *memory[T]) of(name cache.ObjectName, uid types.UID) *remembered {
	r := m.items[name]
	if r == nil || r.uid != uid {
		r = &remembered{uid: uid}
		m.items[name] = r
	}
	return r
}

// markCreated notes that a create has just succeeded.
func (m *memory[T]) markCreated(obj T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(cache.MetaObjectToName(obj), obj.GetUID())
	r.created, r.unannounced = time.Now(), true
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

// justCreated reports whether the remote may still be on its way to being seen.
func (m *memory[T]) justCreated(obj T) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Since(m.of(cache.MetaObjectToName(obj), obj.GetUID()).created) < visibleWithin
}

// seen notes that the remote is visible: from now on its absence is drift.
func (m *memory[T]) seen(obj T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(cache.MetaObjectToName(obj), obj.GetUID())
	r.created, r.attempts = time.Time{}, 0
}

// holdOff returns how long to wait before what is updated again because it still
// differs: 5 s after the first time, doubling up to 5 min. Zero means now.
func (m *memory[T]) holdOff(obj T, what string) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &m.of(cache.MetaObjectToName(obj), obj.GetUID()).repair
	if r.generation != obj.GetGeneration() || r.what != what {
		*r = repair{generation: obj.GetGeneration(), what: what}
	}
	if r.tries > 0 {
		wait := backoffBase
		for range r.tries - 1 {
			wait = min(wait*2, backoffMax)
		}
		if left := wait - time.Since(r.at); left > 0 {
			return left
		}
	}
	r.tries++
	r.at = time.Now()
	return 0
}

// repaired notes that nothing differs any more.
func (m *memory[T]) repaired(obj T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(cache.MetaObjectToName(obj), obj.GetUID()).repair = repair{}
}

// attempt counts looks at something that takes its time and returns how long
// to wait for the next: 1 s rising to 10 s.
func (m *memory[T]) attempt(obj T) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(cache.MetaObjectToName(obj), obj.GetUID())
	d := time.Second
	for range r.attempts {
		d = d * 3 / 2
	}
	if d >= 10*time.Second {
		return 10 * time.Second
	}
	r.attempts++
	return d
}

// forget drops an object and returns its UID, if anything was remembered of it.
func (m *memory[T]) forget(name cache.ObjectName) types.UID {
	written := m.writes.Forget(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.items[name]
	delete(m.items, name)
	if r == nil {
		return written
	}
	return r.uid
}
