// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"fmt"
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestUpkeepSurvivesTheServers has a server die at every step of a roll, of growing and of
// shrinking, while a client writes: the leader, too, and also where the one that is being
// replaced is away at the same moment, so that nobody leads for a while.
func TestUpkeepSurvivesTheServers(t *testing.T) {
	long(t)
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	k := w.keep("prod")
	t.Run("a roll", func(t *testing.T) {
		k := k.in(t)
		before := k.pods()
		k.patch("prod", `{"spec":{"maintenance":{"restartAt":"2026-01-02T03:04:05Z"}}}`)
		k.killing("roll", func() error {
			for name, uid := range k.pods() {
				if before[name] == uid {
					return errMessage(name + " is the same")
				}
			}
			return k.votesAre("prod-0", "prod-1", "prod-2")
		})
	})
	t.Run("more servers", func(t *testing.T) {
		k := k.in(t)
		k.patch("prod", `{"spec":{"replicas":5}}`)
		k.killing("growing", func() error { return k.votesAre("prod-0", "prod-1", "prod-2", "prod-3", "prod-4") })
	})
	t.Run("fewer servers", func(t *testing.T) {
		k := k.in(t)
		k.patch("prod", `{"spec":{"replicas":3}}`)
		k.killing("shrinking", func() error {
			if names := slices.Sorted(maps.Keys(k.volumes())); !slices.Equal(names, []string{"prod-0", "prod-1", "prod-2"}) {
				return fmt.Errorf("there are the volumes of %v", names)
			}
			return k.votesAre("prod-0", "prod-1", "prod-2")
		})
	})
}

// killing kills a server whenever a pod has gone or come, each time another one, until
// something has come about. Nothing that was acknowledged may be lost.
func (k *kept) killing(what string, done func() error) {
	k.Helper()
	id := k.get(k.name).Status.ClusterID
	c := k.sing("killing-" + what)
	last, killed := k.pods(), 0
	began := time.Now()
	for deadline := time.Now().Add(4 * patience); ; time.Sleep(50 * time.Millisecond) {
		err := done()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			k.Fatalf("%s, after %d servers were killed: %v", what, killed, err)
		}
		now := k.pods()
		if maps.Equal(now, last) {
			continue
		}
		last = now
		names := slices.Sorted(maps.Keys(now))
		for i := range names {
			// One that does not run cannot be killed.
			pid, err := k.processOf(names[(killed+i)%len(names)])
			if err == nil && syscall.Kill(pid, syscall.SIGKILL) == nil {
				killed++
				break
			}
		}
	}
	k.Logf("%s: %d servers killed, over after %s", what, killed, time.Since(began).Round(time.Second))
	if killed == 0 {
		k.Errorf("%s: no server was killed", what)
	}
	if now := k.whole(); now.Status.ClusterID != id {
		k.Errorf("The cluster is %s, and was %s", now.Status.ClusterID, id)
	}
	k.eventually("the right to remove a server to be gone", k.cannotRemove)
	c.stop()
}
