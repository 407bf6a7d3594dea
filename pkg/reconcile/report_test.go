// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestObjectsAtRest checks that an object that is as its spec says, and publishes
// nothing, lets polls pass, and that one that differs, or publishes, does not.
func TestObjectsAtRest(t *testing.T) {
	for name, tc := range map[string]struct {
		connection map[string][]byte
		again      time.Duration
		broken     bool
		// syncs are those within restingPolls hours.
		min, max int32
	}{
		"rests":                 {min: 0, max: 1},
		"publishes":             {connection: map[string][]byte{"HOST": []byte("h")}, min: restingPolls - 2, max: restingPolls + 1},
		"asks for another look": {again: time.Minute, min: 60, max: restingPolls*60 + 1},
		"can't be observed":     {broken: true, min: restingPolls - 2, max: 10000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var syncs atomic.Int32
				w := &world{connection: tc.connection, again: tc.again, observed: func(string) { syncs.Add(1) }}
				f := run(t, w, topic("a"))
				f.wantReady("a", metav1.ConditionTrue, ReasonReady)
				if tc.broken {
					f.change(func(w *world) { w.observe = &Problem{Reason: "Rejected", Message: "m", Phase: PhaseCreateOrUpdate} })
					f.wake("a")
					f.settle()
				}
				syncs.Store(0)
				f.pass(restingPolls*time.Hour - time.Minute)
				if n := syncs.Load(); n < tc.min || n > tc.max {
					t.Errorf("%d syncs, want %d to %d", n, tc.min, tc.max)
				}
				// What a poll shows wakes it, however long it rests.
				before := syncs.Load()
				f.wake("a")
				f.settle()
				if syncs.Load() == before {
					t.Error("it was woken in vain")
				}
			})
		})
	}
}
