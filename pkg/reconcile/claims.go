// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// Claimant is an object that stands, or wants to stand, for a remote.
type Claimant struct {
	Kind    string
	Name    cache.ObjectName
	UID     types.UID
	Created time.Time
}

// String names the claimant for people.
func (c Claimant) String() string { return c.Kind + " " + c.Name.String() }

// compare orders those who wait: the oldest first, by UID if they are equally old.
func (c Claimant) compare(o Claimant) int {
	if order := c.Created.Compare(o.Created); order != 0 {
		return order
	}
	return strings.Compare(string(c.UID), string(o.UID))
}

// Claims says which object holds which remote, over all kinds, and which objects
// wait for one. The holder keeps a claim until it releases it, however old the
// others are. An object has at most one claim and waits for at most one; both end
// with Release, which must be called when the object is gone.
//
// What makes an object a holder is its caller's to decide, and must be something
// that its author cannot assert: Claims only remembers it. Claims is safe for
// concurrent use.
type Claims struct {
	mu sync.Mutex
	// holders is keyed by what is claimed, held by the holder's UID.
	holders map[string]Claimant
	held    map[types.UID]string
	waiting map[types.UID]waiter
}

type waiter struct {
	key string
	by  Claimant
}

// NewClaims returns an empty set of claims.
func NewClaims() *Claims {
	return &Claims{holders: map[string]Claimant{}, held: map[types.UID]string{}, waiting: map[types.UID]waiter{}}
}

// Seed records a claim that was held before this process began. Where two objects
// held one, which neither could begin while the other lived, the older keeps it.
func (c *Claims) Seed(key string, by Claimant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.holders[key]; ok && at.UID != by.UID {
		if at.compare(by) < 0 {
			return
		}
		delete(c.held, at.UID)
	}
	c.set(key, by)
}

// Acquire makes by the holder if nobody holds key and none of the rivals, which
// want it as well, is older. It returns the holder, or the rival to wait for; by
// waits for key then.
func (c *Claims) Acquire(key string, by Claimant, rivals ...Claimant) (Claimant, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.holders[key]; ok {
		if at.UID != by.UID {
			c.waiting[by.UID] = waiter{key, by}
		}
		return at, at.UID == by.UID
	}
	for _, r := range rivals {
		if r.compare(by) < 0 {
			c.waiting[by.UID] = waiter{key, by}
			return r, false
		}
	}
	c.set(key, by)
	return by, true
}

// Wait has by returned by the Release of whoever holds key.
func (c *Claims) Wait(key string, by Claimant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[by.UID] = waiter{key, by}
}

// Stop ends the waiting of an object.
func (c *Claims) Stop(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, uid)
}

// Holder returns who holds key.
func (c *Claims) Holder(key string) (Claimant, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.holders[key]
	return at, ok
}

func (c *Claims) set(key string, by Claimant) {
	if old, ok := c.held[by.UID]; ok && old != key {
		delete(c.holders, old)
	}
	c.holders[key] = by
	c.held[by.UID] = key
	delete(c.waiting, by.UID)
}

// Release ends the claim of an object and its waiting, and returns those that wait
// for what nobody holds now, in the order in which they may have it.
func (c *Claims) Release(uid types.UID) []Claimant {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, ok := c.held[uid]
	if ok {
		delete(c.held, uid)
		delete(c.holders, key)
	} else if w, waits := c.waiting[uid]; waits {
		_, taken := c.holders[w.key]
		key, ok = w.key, !taken
	}
	delete(c.waiting, uid)
	if !ok {
		return nil
	}
	var next []Claimant
	for _, w := range c.waiting {
		if w.key == key {
			next = append(next, w.by)
		}
	}
	slices.SortFunc(next, Claimant.compare)
	return next
}
