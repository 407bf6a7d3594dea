// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// memory is what a controller remembers of its objects in addition to the cache. An
// entry ends with its object, and all of it with the process: nothing that must
// survive is kept here.
type memory[T Object] struct {
	writes *Writes[T]

	mu    sync.Mutex
	items map[cache.ObjectName]*remembered
}

type remembered struct {
	uid types.UID
	// created is what is known of the last create that was sent.
	created createState
	// lookedAgain is set once the remote was looked for after the last create should
	// have been visible.
	lookedAgain bool
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
	return &memory[T]{writes: NewWrites[T](), items: map[cache.ObjectName]*remembered{}}
}

// of returns the entry of the object with this UID; a namesake gets a new one.
func (m *memory[T]) of(name cache.ObjectName, uid types.UID) *remembered {
	r := m.items[name]
	if r == nil || r.uid != uid {
		r = &remembered{uid: uid}
		m.items[name] = r
	}
	return r
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
