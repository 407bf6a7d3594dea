// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"
)

// memory is what a controller remembers of its objects besides the cache. An entry
// ends with its object, and all of it with the process: nothing that must survive
// is kept here.
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
	// created is what is known of the last create that was sent.
	created createState
	// unannounced is set until the success of a create was reported in an event.
	unannounced bool
	// checks counts how often something that takes its time was checked.
	checks int
	// tried is the last request that the remote has not shown to have worked.
	tried attempt
	// delay is what keeps the object from being reconciled; zero while nothing does.
	delay delay
}

func newMemory[T Object]() *memory[T] {
	return &memory[T]{items: map[cache.ObjectName]*remembered[T]{}}
}

// of returns the entry of the object with this UID; a namesake gets a new one.
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
