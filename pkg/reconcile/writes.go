// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"
)

// Writes remembers what the last write of each object returned, for as long as the
// cache is behind it: a sync that began with an older version would repeat what
// was done. It is safe for concurrent use. An entry ends with Forget, or where the
// name is given to another object.
type Writes[T metav1.Object] struct {
	mu      sync.Mutex
	objects map[cache.ObjectName]*written[T]
}

type written[T metav1.Object] struct {
	uid types.UID
	// object is what the last write returned, and nil once the cache has it. The
	// versions outlive it, to tell the echo of that write from the change of
	// somebody else.
	object   *T
	versions [2]string
}

// NewWrites returns an empty store.
func NewWrites[T metav1.Object]() *Writes[T] {
	return &Writes[T]{objects: map[cache.ObjectName]*written[T]{}}
}

// Store keeps what a write returned, in the form that the cache has. It must not be
// changed after that.
func (w *Writes[T]) Store(obj T) {
	obj.SetManagedFields(nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	name := cache.MetaObjectToName(obj)
	e := w.objects[name]
	if e == nil || e.uid != obj.GetUID() {
		e = &written[T]{uid: obj.GetUID()}
		w.objects[name] = e
	}
	e.object = &obj
	e.versions[0], e.versions[1] = e.versions[1], obj.GetResourceVersion()
}

// Newest returns cached, or what was written since.
func (w *Writes[T]) Newest(cached T) T {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.objects[cache.MetaObjectToName(cached)]
	if e == nil || e.object == nil {
		return cached
	}
	if e.uid == cached.GetUID() {
		if order, err := resourceversion.CompareResourceVersion(cached.GetResourceVersion(), (*e.object).GetResourceVersion()); err == nil && order < 0 {
			return *e.object
		}
	}
	e.object = nil
	return cached
}

// Echo reports whether this version, which the cache has by now, is one of our
// last two writes. What the last one returned is let go then.
func (w *Writes[T]) Echo(name cache.ObjectName, version string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.objects[name]
	if e == nil {
		return false
	}
	if e.versions[1] == version {
		e.object = nil
	}
	return e.versions[0] == version || e.versions[1] == version
}

// Forget ends what is remembered of an object, and returns its UID if that is
// known.
func (w *Writes[T]) Forget(name cache.ObjectName) types.UID {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.objects[name]
	delete(w.objects, name)
	if e == nil {
		return ""
	}
	return e.uid
}
