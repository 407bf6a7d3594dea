// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
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

// claims says which objects are about which server, and which of them holds it: the
// holder keeps it until it is released. What is kept ends with the objects.
type claims struct {
	mu        sync.Mutex
	claimants map[string]map[types.UID]claimant
	servers   map[types.UID]string
	holders   map[string]claimant
}

func newClaims() *claims {
	return &claims{claimants: map[string]map[types.UID]claimant{}, servers: map[types.UID]string{}, holders: map[string]claimant{}}
}

// seed is add for a claim that is on record. Of two that are, the older object holds
// the server.
func (c *claims) seed(server string, by claimant) {
	if holder := c.add(server, by); holder.uid != by.uid && by.olderThan(holder) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.holders[server] = by
	}
}

// add notes that an object is about a server, and returns the holder.
func (c *claims) add(server string, by claimant) (holder claimant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noteLocked(server, by)
	holder, ok := c.holders[server]
	if !ok || holder.uid == by.uid {
		holder = by
		c.holders[server] = by
	}
	return holder
}

// holder returns who holds a server.
func (c *claims) holder(server string) (claimant, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	holder, ok := c.holders[server]
	return holder, ok
}

// wait notes that an object is about a server that another holds, to be woken by the
// end of that.
func (c *claims) wait(server string, by claimant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noteLocked(server, by)
}

func (c *claims) noteLocked(server string, by claimant) {
	if at, ok := c.servers[by.uid]; ok && at != server {
		c.removeLocked(by.uid)
	}
	c.servers[by.uid] = server
	if c.claimants[server] == nil {
		c.claimants[server] = map[types.UID]claimant{}
	}
	c.claimants[server][by.uid] = by
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
	if c.holders[server].uid == uid {
		delete(c.holders, server)
	}
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
