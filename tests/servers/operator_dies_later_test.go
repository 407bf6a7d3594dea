// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestUpkeepSurvivesTheOperator has the process that runs the servers end at every change
// that it makes to a cluster that is in use, and another go on without its memory, while a
// client writes.
func TestUpkeepSurvivesTheOperator(t *testing.T) {
	long(t)
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	k := w.keep("prod")
	w.stop(serving)

	t.Run("a roll", func(t *testing.T) {
		k := k.in(t)
		before := k.pods()
		k.patch("prod", `{"spec":{"maintenance":{"restartAt":"2026-01-02T03:04:05Z"}}}`)
		changes := k.survives("roll", func() error {
			for name, uid := range k.pods() {
				if before[name] == uid {
					return errMessage(name + " is the same")
				}
			}
			return nil
		})
		if n := count(changes, "DELETE", "/pods/"); n != len(before) {
			t.Errorf("%d pods were deleted, want each of %d once: %v", n, len(before), changes)
		}
	})
	t.Run("a volume that is being deleted", func(t *testing.T) {
		k := k.in(t)
		before := k.volumes()
		_, follower := k.leader()
		k.sh("kubectl -n " + k.ns + " delete pvc data-" + follower + " --wait=false")
		k.survives("healing", func() error {
			if now := k.volumes()[follower]; now == "" || now == before[follower] {
				return errMessage("there is no other volume")
			}
			return k.votesAre("prod-0", "prod-1", "prod-2")
		})
		k.joinsAgain(follower, before[follower])
	})
	t.Run("fewer servers", func(t *testing.T) {
		k := k.in(t)
		k.patch("prod", `{"spec":{"replicas":2}}`)
		changes := k.survives("shrinking", func() error {
			if names := slices.Sorted(maps.Keys(k.volumes())); !slices.Equal(names, []string{"prod-0", "prod-1"}) {
				return fmt.Errorf("there are the volumes of %v", names)
			}
			return k.votesAre("prod-0", "prod-1")
		})
		if n := count(changes, "remove peer ", "prod-2"); n == 0 {
			t.Errorf("prod-2 was not removed by any of: %v", changes)
		}
	})
}

// survives runs one process after the other, each until its first change is carried out,
// until something has come about. It returns all changes that were made.
func (k *kept) survives(what string, done func() error) []string {
	k.Helper()
	c := k.sing("dying-" + what)
	var changes []string
	ended := 0
	for deadline := time.Now().Add(patience); ; ended++ {
		m := k.startMortal(func(string) bool { return true })
		err := k.doneOr(m, done)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			k.Fatalf("%s, after %d processes: %v; the changes were %v", what, ended, err, changes)
		}
		k.bury()
		m.mu.Lock()
		changes = append(changes, m.changes...)
		m.mu.Unlock()
	}
	k.stop(serving)
	k.Logf("%s: %d processes ended", what, ended)
	if ended < 5 {
		k.Errorf("%s: only %d processes ended", what, ended)
	}
	// One that lives has nothing left to do but to say so.
	k.start(serving)
	k.whole()
	k.eventually("the right to remove a server to be gone", k.cannotRemove)
	k.stop(serving)
	c.unbroken()
	return changes
}

// doneOr waits until something has come about, or a process has ended.
func (k *kept) doneOr(m *mortal, done func() error) error {
	for deadline := time.Now().Add(patience); ; {
		err := done()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-m.died:
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// votesAre returns nil if these servers are all that the leader lists, and vote.
func (k *kept) votesAre(servers ...string) error {
	votes, err := k.raft()
	if err != nil {
		return err
	}
	for name, votes := range votes {
		if !votes {
			return fmt.Errorf("%s does not vote", name)
		}
	}
	if names := slices.Sorted(maps.Keys(votes)); !slices.Equal(names, servers) {
		return fmt.Errorf("the leader lists %v", names)
	}
	return nil
}

// count returns how many changes begin with something and have something else in them.
func count(changes []string, begins, has string) int {
	n := 0
	for _, change := range changes {
		if strings.HasPrefix(change, begins) && strings.Contains(change, has) {
			n++
		}
	}
	return n
}
