// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"math/rand/v2"
	"sync"

	"k8s.io/client-go/tools/cache"
)

// credentials counts the objects of all kinds by their credential. It follows the
// informers: an object counts until it is gone.
type credentials struct {
	mu      sync.Mutex
	objects map[string]int // none is 0
}

func newCredentials() *credentials { return &credentials{objects: map[string]int{}} }

func (c *credentials) has(credential string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.objects[credential] > 0
}

// gain counts an object.
func (c *credentials) gain(credential string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.objects[credential]++
}

// lose ends that and reports whether it was the last one.
func (c *credentials) lose(credential string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.objects[credential]--; c.objects[credential] > 0 {
		return false
	}
	delete(c.objects, credential)
	return true
}

// NamesCredential reports whether an object of any kind has this credential. One
// that is being deleted does, until it is gone.
func (e *Engine) NamesCredential(credential string) bool { return e.credentials.has(credential) }

// WakeCredential enqueues the objects of all kinds with this credential.
func (e *Engine) WakeCredential(credential string) {
	for _, m := range e.members {
		m.wake(IndexCredential, credential, func(Object) bool { return true })
	}
}

// WakeOne enqueues one object with this credential: of those whose Ready condition
// has this reason, if there is one.
func (e *Engine) WakeOne(credential, reason string) {
	type found struct {
		m    member
		name cache.ObjectName
	}
	var stopped, others []found
	for _, m := range e.members {
		m.visit(IndexCredential, credential, func(o Object) {
			f := found{m, cache.MetaObjectToName(o)}
			if readyReason(o) == reason {
				stopped = append(stopped, f)
			} else {
				others = append(others, f)
			}
		})
	}
	if len(stopped) == 0 {
		stopped = others
	}
	if len(stopped) > 0 {
		// Not always the same one: it may fail before it uses its credential.
		one := stopped[rand.IntN(len(stopped))]
		one.m.enqueue(one.name)
	}
}

// visit calls f for the objects with this index value.
func (c *Controller[T, C, AC]) visit(index, value string, f func(Object)) {
	for _, obj := range c.source.byIndex(index, value) {
		f(obj)
	}
}

// credentialGained notes that an object has appeared.
func (c *Controller[T, C, AC]) credentialGained(obj T) {
	c.engine.credentials.gain(c.kind.Credential(obj))
}

// credentialMoved notes that an object has changed.
func (c *Controller[T, C, AC]) credentialMoved(old, obj T) {
	same := old.GetUID() == obj.GetUID()
	if same && c.kind.Credential(old) == c.kind.Credential(obj) {
		return
	}
	c.credentialGained(obj)
	c.credentialLost(old, same)
}

// credentialLost notes that an object has gone, or has another credential. ordered
// is false if it went at an unknown time: then others that have its credential now
// may have come after it, in a namespace that was made again.
func (c *Controller[T, C, AC]) credentialLost(obj T, ordered bool) {
	last := c.engine.credentials.lose(c.kind.Credential(obj))
	if (last || !ordered) && c.kind.CredentialUnused != nil {
		c.kind.CredentialUnused(obj)
	}
}
