// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
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

func (c Claimant) olderThan(o Claimant) bool {
	if !c.Created.Equal(o.Created) {
		return c.Created.Before(o.Created)
	}
	return c.UID < o.UID
}

// claims says which object holds which remote identity, over all kinds.
type claims struct {
	mu sync.Mutex
	// holders is keyed by identity, identities by the holder's UID.
	holders    map[string]Claimant
	identities map[types.UID]string
}

func newClaims() *claims {
	return &claims{holders: map[string]Claimant{}, identities: map[types.UID]string{}}
}

// seed records a claim that the API server knows of. Where two objects claim
// one identity, the older holds it.
func (c *claims) seed(identity string, by Claimant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.holders[identity]; ok && at.UID != by.UID {
		if !by.olderThan(at) {
			return
		}
		delete(c.identities, at.UID)
	}
	c.set(identity, by)
}

// acquire makes by the holder of identity if nobody holds it and none of the
// rivals is older. It returns the holder, or the rival to wait for.
func (c *claims) acquire(identity string, by Claimant, rivals []Claimant) (Claimant, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.holders[identity]; ok {
		return at, at.UID == by.UID
	}
	for _, r := range rivals {
		if r.olderThan(by) {
			return r, false
		}
	}
	c.set(identity, by)
	return by, true
}

// holder returns who holds identity.
func (c *claims) holder(identity string) (Claimant, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.holders[identity]
	return at, ok
}

func (c *claims) set(identity string, by Claimant) {
	if old, ok := c.identities[by.UID]; ok && old != identity {
		delete(c.holders, old)
	}
	c.holders[identity] = by
	c.identities[by.UID] = identity
}

// release ends whatever claim the object with this UID has, and returns the
// identity that is free now.
func (c *claims) release(uid types.UID) (identity string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	identity, ok = c.identities[uid]
	if ok {
		delete(c.identities, uid)
		delete(c.holders, identity)
	}
	return identity, ok
}
