// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/tools/cache"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// leaderSettles is how long after a server was seen to lead its servers are compared: the
// Service of the active one follows it a moment later.
const leaderSettles = 5 * time.Second

// comparison says whether the servers of an object were seen to hold the contract since
// something woke it. Only the syncs of the object use it, which follow each other.
type comparison struct{ complete bool }

// comparisons are those of the objects that are looked at. A sync has its own from before
// it reads the object, so that what wakes the object meanwhile is not taken for compared.
type comparisons struct {
	mu sync.Mutex
	of map[cache.ObjectName]*comparison
}

func newComparisons() *comparisons { return &comparisons{of: map[cache.ObjectName]*comparison{}} }

// get returns the comparison of an object, a new one if there is none.
func (c *comparisons) get(name cache.ObjectName) *comparison {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[name] == nil {
		c.of[name] = &comparison{}
	}
	return c.of[name]
}

// forget has the next sync compare the servers, or ends what is kept of an object.
func (c *comparisons) forget(name cache.ObjectName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.of, name)
}

// wake enqueues an object whose servers are to be compared, whenever that was last done.
func (c *Controller) wake(name cache.ObjectName) {
	c.comparisons.forget(name)
	c.loop.Enqueue(name)
}

// rest reports whether nothing has to be asked of servers that Bailiwick runs: nothing
// has woken the object since they were seen to hold the contract of now, and all its
// proofs are newer than the interval in which they are made. The login is kept alive all
// the same, since the keys that a server is to accept next are written with it.
func (t *task) rest(ctx context.Context) bool {
	if !t.comparison.complete || !t.mayRest() {
		return false
	}
	// Why there is no login, or why it could not be renewed, the comparison finds out.
	_, err := t.bootstrapper().standing(ctx)
	held := t.logins.Get(t.name)
	return err == nil && held != nil && t.now.Before(held.RenewAt)
}

// mayRest reports whether servers that were compared need not be compared again now.
func (t *task) mayRest() bool {
	record := t.record()
	_, asked := t.copies.asked(t.obj.UID, t.now)
	if !t.runsServers || asked || !t.recordMatches() || record.Server != t.obj.Status.ClusterID || !t.sameRoute() ||
		record.AdminToken == openbaov1alpha1.AdminTokenInUse || len(record.Pending) > 0 || t.unproved != nil ||
		authz.ServerToRemove(t.obj) != "" || t.elapsed(record.ProvedAt, t.opts.ProofInterval) {
		return false
	}
	for _, i := range record.Identities {
		if i.State != openbaov1alpha1.Proved || authz.StaleProof(i, t.digest, t.now, t.opts.ProofInterval) != "" {
			return false
		}
	}
	return len(record.Identities) == len(t.contract.Grants)
}
