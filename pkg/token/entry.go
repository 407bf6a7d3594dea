// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import "maps"

// secretName identifies an auth Secret.
type secretName struct {
	namespace, name string
}

// secretEntry is what the cache knows of one Secret since its last
// invalidation. Invalidate replaces the entry: whoever still holds the old one
// can tell by its identity that it is no longer current.
type secretEntry struct {
	generation uint64
	tokens     map[string]*held
	// before are the tokens from before the invalidation, of the keys that were not
	// read again yet. Nobody is given them.
	before map[string]*held
	failed map[string]struct{} // keys whose last load failed
	load   *load               // in flight, or nil
	// finalizerKept is set once the log says that the aiven-operator's finalizer
	// can't be removed; it outlives invalidations.
	finalizerKept *bool
}

// held is a token in the cache.
type held struct {
	generation uint64
	value      Value
	standing   *standing // nil for what the cache does not keep
}

// refused reports whether Aiven has refused the token, or may have.
func (h *held) refused() bool { return h != nil && h.standing != nil && h.standing.verdict != trusted }

// load is one GET of a Secret on behalf of everyone who waits for it.
type load struct {
	done chan struct{}
	// keys are those wanted; more join while the load is in flight. Guarded by the
	// cache's lock, as are the results until done is closed.
	keys   map[string]struct{}
	errs   map[string]*Error
	tokens map[string]*held
	// overtaken: the Secret was invalidated or forgotten meanwhile. kept: the entry
	// has what was found.
	overtaken, kept bool
}

func newLoad() *load {
	return &load{done: make(chan struct{}), keys: map[string]struct{}{}, errs: map[string]*Error{}, tokens: map[string]*held{}}
}

// Invalidate forgets the tokens of the Secret, so that the next Token reads it
// again. A load that is under way neither stores its result nor hands it to
// anyone. Where Aiven had refused a token of the Secret, the next one to ask is
// granted a probe of the new one, and the others have to wait what comes of it.
func (c *Cache) Invalidate(namespace, name string) {
	c.mu.Lock()
	key := secretName{namespace, name}
	e := c.secrets[key]
	wake := e != nil && len(e.failed) > 0
	if e != nil {
		c.overtake(e)
		delete(c.secrets, key)
		maps.Copy(e.before, e.tokens) // no key is in both
		if len(e.before) > 0 {
			renewed := c.entry(key)
			renewed.before, renewed.finalizerKept = e.before, e.finalizerKept
		}
	}
	c.unlock()
	if wake {
		c.notify(c.onRecovered, []secretName{key})
	}
}

// Forget ends what the cache knows of a Secret, which no object names any more:
// whoever names it next, perhaps in a namespace that was made again, reads it.
func (c *Cache) Forget(namespace, name string) {
	c.mu.Lock()
	defer c.unlock()
	key := secretName{namespace, name}
	e := c.secrets[key]
	if e == nil {
		return
	}
	c.overtake(e)
	delete(c.secrets, key)
	maps.Copy(e.before, e.tokens)
	for k, h := range e.before {
		c.letGo(Ref{namespace, name, k}, h.standing)
	}
}

// overtake makes the load of e, if there is one, of no use. c.mu is held.
func (c *Cache) overtake(e *secretEntry) {
	if e.load != nil {
		e.load.overtaken = true
	}
}

// heldBy returns the held token of ref, nil if there is none. c.mu is held.
func (c *Cache) heldBy(ref Ref) *held {
	if !ref.Default() {
		if e := c.secrets[secretName{ref.Namespace, ref.Name}]; e != nil {
			return e.tokens[ref.Key]
		}
	} else if c.fallback != nil {
		return c.fallback.held
	}
	return nil
}

// entry returns the current entry, a new one if there is none. c.mu is held.
func (c *Cache) entry(name secretName) *secretEntry {
	e := c.secrets[name]
	if e == nil {
		c.generation++
		e = &secretEntry{
			generation:    c.generation,
			tokens:        map[string]*held{},
			before:        map[string]*held{},
			failed:        map[string]struct{}{},
			finalizerKept: new(bool),
		}
		c.secrets[name] = e
	}
	return e
}
