// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	bao "github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// memory is what this process knows of a cluster and no record has. Syncs of one cluster
// follow each other, so that it needs no lock.
type memory struct {
	uid types.UID
	// sealedSince is since when the first server has been seen initialized and sealed.
	sealedSince time.Time
	// nothingSince is since when it has been seen unsealed and without the auth mount.
	nothingSince time.Time
	// root is the token of an initialization that this process asked for, until the
	// contract is written with it and it is revoked. sent says that the requests of the
	// contract are carried out, and revoked that the token is, too.
	root          bao.Token
	sent, revoked bool
	// since is since when something has been seen of a server, see lasts. An entry ends when
	// it is not seen any more.
	since map[string]time.Time
	// rolls says that pods were being replaced, see machine.Upkeep.
	rolls bool
	// refusedGrowth are the volumes that could not grow, by name. There is one entry at most
	// for each ordinal.
	refusedGrowth map[string]refusal
	// autopilotAt is when the settings of the autopilot were last compared, and
	// autopilotGeneration for which generation of the object.
	autopilotAt         time.Time
	autopilotGeneration int64
	// lastEntry is the newest entry of the log that a leader was seen to have.
	lastEntry entry
	// jobTries are those of the Jobs of a recovery, by their step and server. They end with
	// the recovery.
	jobTries map[string]jobTry
}

// entry is one of the log, and when it was seen.
type entry struct {
	index int64
	at    time.Time
}

// jobTry is how often a Job was run again, and how long that waited.
type jobTry struct {
	attempt int
	wait    time.Duration
}

// countTry counts that a Job is run again.
func (m *memory) countTry(key string, wait time.Duration) {
	if m.jobTries == nil {
		m.jobTries = map[string]jobTry{}
	}
	m.jobTries[key] = jobTry{m.jobTries[key].attempt + 1, wait}
}

// refusal is a size that a volume was refused, and the message about that.
type refusal struct{ size, message string }

// forgetInit forgets an initialization, whose storage is gone.
func (m *memory) forgetInit() { m.root, m.sent, m.revoked = bao.Token{}, false, false }

// memories are those of all clusters. One ends with forget, or where the name is given
// to another cluster.
type memories struct {
	mu sync.Mutex
	of map[cache.ObjectName]*memory
}

func newMemories() *memories { return &memories{of: map[cache.ObjectName]*memory{}} }

func (m *memories) get(name cache.ObjectName, uid types.UID) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.of[name]; known != nil && known.uid == uid {
		return known
	}
	m.of[name] = &memory{uid: uid}
	return m.of[name]
}

func (m *memories) forget(name cache.ObjectName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.of, name)
}
