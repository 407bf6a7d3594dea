// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestGapOfTopicLists checks that the lists of topics in the making share the time in
// which they are read, and that nothing else waits for them.
func TestGapOfTopicLists(t *testing.T) {
	for name, tc := range map[string]struct {
		facet   facet
		settled bool
		// services are those with topics in the making, this one included.
		services int
		took     time.Duration
		want     time.Duration
	}{
		"quick":              {topicsFacet{}, false, 1, 10 * time.Millisecond, minGap},
		"one slow":           {topicsFacet{}, false, 1, 400 * time.Millisecond, 1600 * time.Millisecond},
		"one very slow":      {topicsFacet{}, false, 1, time.Second, maxGap},
		"many":               {topicsFacet{}, false, 20, 400 * time.Millisecond, 8 * time.Second},
		"very many":          {topicsFacet{}, false, 500, 400 * time.Millisecond, maxListGap},
		"settled among many": {topicsFacet{}, true, 20, 400 * time.Millisecond, 1600 * time.Millisecond},
		"a service":          {serviceFacet{}, false, 20, 400 * time.Millisecond, 1600 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := NewStore(StoreOptions{Transport: &Transport{}})
				if err != nil {
					t.Fatal(err)
				}
				for i := 1; i < tc.services; i++ {
					s.noteMaking(&entry{facet: topicsFacet{}, snap: &reading{snapshot: making{}}})
				}
				e := &entry{facet: tc.facet, took: tc.took, began: time.Now(), snap: &reading{snapshot: making{done: tc.settled}}}
				s.noteMaking(e)
				if got := time.Until(s.earliest(e)); got != tc.want {
					t.Errorf("the next fetch begins after %s, want %s", got, tc.want)
				}
				e.snap = &reading{snapshot: making{done: true}}
				if s.noteMaking(e); len(s.making) != tc.services-1 && tc.facet == (topicsFacet{}) {
					t.Errorf("%d lists are in the making", len(s.making))
				}
			})
		})
	}
}

// making is a snapshot of which only this is asked.
type making struct {
	snapshot
	done bool
}

func (m making) settled() bool { return m.done }
