// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import "testing"

func TestNetworkGoesToOneCluster(t *testing.T) {
	Require(t)
	var last ids
	for range 2 {
		n, err := acquireNetwork(t.Context(), ownIDs)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.close() })
		if n.id == last.first {
			t.Errorf("Two clusters have the id %d", n.id)
		}
		last = ids{first: n.id, last: n.id}
	}
	// There is no other to choose here.
	if n, err := acquireNetwork(t.Context(), last); err == nil {
		t.Errorf("A third cluster has the id %d too", n.id)
	}
	// One that was given back is free.
	release, err := acquireNetwork(t.Context(), ids{first: last.first, last: ownIDs.last})
	if err != nil {
		t.Fatal(err)
	}
	if err := release.close(); err != nil {
		t.Fatal(err)
	}
	again := &network{id: release.id}
	if err := again.acquire(t.Context()); err != nil {
		t.Errorf("An id that was given back can't be taken: %v", err)
	} else if err := again.close(); err != nil {
		t.Error(err)
	}
}
