// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"
)

// visibleWithin bounds how long a remote that was created may be missing from
// what Aiven lists before its absence counts as drift.
const visibleWithin = time.Minute

// memory is what a controller remembers of its objects beside the cache. It is
// lost with the process; nothing that must survive is kept here.
type memory[T Object] struct {
	mu    sync.Mutex
	items map[cache.ObjectName]*remembered[T]
}

type remembered[T Object] struct {
	uid types.UID
	// written is what the last write of ours returned; version outlives it, to
	// tell the echo of that write from a change of somebody else's.
	written  *T
	versions [2]string
	created  time.Time
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
	return &memory[T]{items: map[cache.ObjectName]*remembered[T]{}}
}

// of returns the entry of the object with this UID; a namesake starts anew.
func (m *memory[T]) of(name cache.ObjectName, uid types.UID) *remembered[T] {
	r := m.items[name]
	if r == nil || r.uid != uid {
		r = &remembered[T]{uid: uid}
		m.items[name] = r
	}
	return r
}

// store keeps what a write returned, in the form that the cache has.
func (m *memory[T]) store(obj T) {
	obj.SetManagedFields(nil)
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(cache.MetaObjectToName(obj), obj.GetUID())
	r.written = &obj
	r.versions[0], r.versions[1] = r.versions[1], obj.GetResourceVersion()
}

// wrote reports whether this version, which the cache has by now, is one of our
// last two writes. What the last one returned is let go then.
func (m *memory[T]) wrote(name cache.ObjectName, version string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.items[name]
	if r == nil {
		return false
	}
	if r.versions[1] == version {
		r.written = nil
	}
	return r.versions[0] == version || r.versions[1] == version
}

// newest returns cached, or what was written since.
func (m *memory[T]) newest(name cache.ObjectName, cached T) T {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.items[name]
	if r == nil || r.written == nil {
		return cached
	}
	written := *r.written
	if written.GetUID() == cached.GetUID() {
		if order, err := resourceversion.CompareResourceVersion(cached.GetResourceVersion(), written.GetResourceVersion()); err == nil && order < 0 {
			return written
		}
	}
	r.written = nil
	return cached
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
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.items[name]
	delete(m.items, name)
	if r == nil {
		return ""
	}
	return r.uid
}
