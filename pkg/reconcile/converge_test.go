// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"testing"
	"testing/synctest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A create whose effect is still being fetched is reported once it is known,
// unless the status has something to keep that would be lost with the process.
func TestCreateIsReportedOnceItIsKnown(t *testing.T) {
	tests := map[string]struct {
		state  string
		reason string
		writes int
		events []string
	}{
		"nothing to keep": {"", "", 3, []string{EventRunning}},
		"an id to keep":   {"id", ReasonCreating, 4, []string{EventCreated, EventRunning}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{state: tt.state}
				w.onCreate = func() { w.observe = ErrPending }
				f := run(t, w, topic("a"))
				if obj := f.get("a"); readyReason(obj) != tt.reason || obj.Status.State != tt.state {
					t.Errorf("status is %+v while the create is being fetched, want reason %q and state %q", obj.Status, tt.reason, tt.state)
				}
				f.change(func(w *world) { w.observe = nil })
				f.wake("a")
				f.settle()
				f.wantReady("a", metav1.ConditionTrue, ReasonReady)
				f.wantEvents(tt.events...)
				if n := f.writes(); n != tt.writes {
					t.Errorf("%d writes, want %d", n, tt.writes)
				}
				gets := 0
				for _, a := range f.client.Actions() {
					if a.GetVerb() == "get" {
						gets++
					}
				}
				if gets > 2 { // this test's own
					t.Error("an object of our own was read live, to be taken over")
				}
			})
		})
	}
}
