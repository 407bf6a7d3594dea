// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// claimant is an object that is about a server.
type claimant struct {
	name    cache.ObjectName
	uid     types.UID
	created time.Time
}

func claimantOf(obj *openbaov1alpha1.OpenBaoCluster) claimant {
	return claimant{cache.MetaObjectToName(obj), obj.UID, obj.CreationTimestamp.Time}
}

func (c claimant) olderThan(o claimant) bool {
	if !c.created.Equal(o.created) {
		return c.created.Before(o.created)
	}
	return c.uid < o.uid
}

// serverKey identifies what one object holds: two objects may share a cluster
// if they are about different namespaces of it.
func serverKey(clusterID, namespace string) string { return clusterID + "/" + namespace }

// claims says which objects are about which server. The oldest holds it.
type claims struct {
	mu        sync.Mutex
	claimants map[string]map[types.UID]claimant
	servers   map[types.UID]string
}

func newClaims() *claims {
	return &claims{claimants: map[string]map[types.UID]claimant{}, servers: map[types.UID]string{}}
}

// add notes that an object is about a server, and returns the holder and, if
// the object newly became the holder, those that have to give way.
func (c *claims) add(server string, by claimant) (holder claimant, displaced []claimant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.servers[by.uid]; ok && at != server {
		c.removeLocked(by.uid)
	}
	known := c.servers[by.uid] == server
	c.servers[by.uid] = server
	if c.claimants[server] == nil {
		c.claimants[server] = map[types.UID]claimant{}
	}
	c.claimants[server][by.uid] = by
	holder = by
	for _, other := range c.claimants[server] {
		if other.olderThan(holder) {
			holder = other
		}
	}
	if !known && holder.uid == by.uid {
		displaced = c.othersLocked(server, by.uid)
	}
	return holder, displaced
}

// other returns an object that is about a server besides the one with uid.
func (c *claims) other(server string, uid types.UID) (claimant, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	others := c.othersLocked(server, uid)
	if len(others) == 0 {
		return claimant{}, false
	}
	return slices.MinFunc(others, func(a, b claimant) int {
		if a.olderThan(b) {
			return -1
		}
		return 1
	}), true
}

// release forgets an object and returns those that are about the same server.
func (c *claims) release(uid types.UID) []claimant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.removeLocked(uid)
}

func (c *claims) removeLocked(uid types.UID) []claimant {
	server, ok := c.servers[uid]
	if !ok {
		return nil
	}
	delete(c.servers, uid)
	delete(c.claimants[server], uid)
	others := c.othersLocked(server, uid)
	if len(others) == 0 {
		delete(c.claimants, server)
	}
	return others
}

func (c *claims) othersLocked(server string, uid types.UID) []claimant {
	var others []claimant
	for _, o := range c.claimants[server] {
		if o.uid != uid {
			others = append(others, o)
		}
	}
	return others
}
