// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"testing"

	"k8s.io/client-go/tools/cache"
)

func key(loop, name string) laneKey {
	return laneKey{loop, cache.ObjectName{Namespace: "ns", Name: name}}
}

func TestLanesHandOnInOrderOfArrival(t *testing.T) {
	lanes := NewLanes(1)
	var woken []string
	wake := func(name string) func() { return func() { woken = append(woken, name) } }

	if !lanes.enter("a", key("l", "1"), wake("1")) {
		t.Fatal("an empty lane refused the first key")
	}
	for _, name := range []string{"2", "3"} {
		if lanes.enter("a", key("l", name), wake(name)) {
			t.Fatalf("key %s entered a full lane", name)
		}
	}
	if !lanes.enter("b", key("l", "4"), wake("4")) {
		t.Fatal("a full lane kept a key out of another one")
	}
	lanes.leave("a")
	if len(woken) != 1 || woken[0] != "2" {
		t.Fatalf("woken = %v, want [2]", woken)
	}
	if lanes.enter("a", key("l", "5"), wake("5")) {
		t.Fatal("a newcomer took the place that was kept for the key that waited")
	}
	if !lanes.enter("a", key("l", "2"), wake("2")) {
		t.Fatal("the woken key did not get its place")
	}
}

func TestLanesParkAKeyOnce(t *testing.T) {
	lanes := NewLanes(1)
	wakes := 0
	lanes.enter("a", key("l", "1"), func() {})
	for range 3 {
		lanes.enter("a", key("l", "2"), func() { wakes++ })
	}
	lanes.leave("a")
	if !lanes.enter("a", key("l", "2"), func() {}) {
		t.Fatal("the parked key did not get its place")
	}
	lanes.leave("a")
	if wakes != 1 {
		t.Errorf("woken %d times, want once", wakes)
	}
	if len(lanes.lanes) != 0 || len(lanes.held) != 0 {
		t.Errorf("%d lanes and %d held keys remain, want none", len(lanes.lanes), len(lanes.held))
	}
}

func TestLanesKeyThatChangesItsLaneLeavesNothingBehind(t *testing.T) {
	for name, granted := range map[string]bool{"while parked": false, "while granted": true} {
		t.Run(name, func(t *testing.T) {
			lanes := NewLanes(1)
			lanes.enter("a", key("l", "1"), func() {})
			lanes.enter("a", key("l", "2"), func() {})
			if granted {
				lanes.leave("a")
			}
			if !lanes.enter("b", key("l", "2"), func() {}) {
				t.Fatal("the key did not enter its new lane")
			}
			if !granted {
				lanes.leave("a")
			}
			if !lanes.enter("a", key("l", "3"), func() {}) {
				t.Fatal("the old lane still counts the key that left")
			}
		})
	}
}
