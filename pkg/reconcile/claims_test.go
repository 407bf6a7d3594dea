// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// claimantAged returns a claimant that was created age before a fixed time.
func claimantAged(uid string, age time.Duration) Claimant {
	return Claimant{Kind: "KafkaTopic", Name: cache.ObjectName{Namespace: "ns", Name: uid}, UID: types.UID(uid), Created: time.Unix(0, 0).Add(-age)}
}

func TestClaims(t *testing.T) {
	old, young := claimantAged("old", time.Hour), claimantAged("young", 0)
	tests := map[string]struct {
		prepare func(c *Claims)
		by      Claimant
		rivals  []Claimant
		holder  Claimant
		ok      bool
	}{
		"free":                          {by: young, holder: young, ok: true},
		"held by itself":                {prepare: func(c *Claims) { c.Seed("x", young) }, by: young, holder: young, ok: true},
		"held by itself, an older asks": {prepare: func(c *Claims) { c.Seed("x", young) }, by: young, rivals: []Claimant{old}, holder: young, ok: true},
		"held by another":               {prepare: func(c *Claims) { c.Seed("x", young) }, by: old, holder: young},
		"free, an older one wants it":   {by: young, rivals: []Claimant{old}, holder: old},
		"free, a younger one wants it":  {by: old, rivals: []Claimant{young}, holder: old, ok: true},
		"seeded twice, the older holds": {prepare: func(c *Claims) { c.Seed("x", young); c.Seed("x", old) }, by: young, holder: old},
		"seeded twice, other order":     {prepare: func(c *Claims) { c.Seed("x", old); c.Seed("x", young) }, by: young, holder: old},
		"released":                      {prepare: func(c *Claims) { c.Seed("x", old); c.Release(old.UID) }, by: young, holder: young, ok: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := NewClaims()
			if tt.prepare != nil {
				tt.prepare(c)
			}
			holder, ok := c.Acquire("x", tt.by, tt.rivals...)
			if holder.UID != tt.holder.UID || ok != tt.ok {
				t.Errorf("Acquire = %v, %v; want %v, %v", holder, ok, tt.holder, tt.ok)
			}
		})
	}
}

func TestClaimsAnObjectHoldsOne(t *testing.T) {
	c := NewClaims()
	by := Claimant{UID: "1"}
	c.Acquire("before", by)
	c.Acquire("after", by)
	if _, ok := c.Acquire("before", Claimant{UID: "2"}); !ok {
		t.Error("what the object gave up is still held")
	}
	if at, ok := c.Holder("after"); !ok || at.UID != "1" {
		t.Errorf("the holder is %v, %t", at, ok)
	}
}

func uids(claimants []Claimant) []string {
	var out []string
	for _, c := range claimants {
		out = append(out, string(c.UID))
	}
	return out
}

// TestClaimsWakeInOrder checks that those who wait are returned oldest first, and
// only when what they wait for is free.
func TestClaimsWakeInOrder(t *testing.T) {
	c := NewClaims()
	holder := claimantAged("holder", 0)
	c.Acquire("x", holder)
	for _, w := range []Claimant{claimantAged("b", time.Minute), claimantAged("young", 0), claimantAged("a", time.Minute), claimantAged("old", time.Hour)} {
		c.Acquire("x", w)
	}
	c.Wait("y", claimantAged("other", time.Hour))
	c.Wait("x", claimantAged("stopped", time.Hour))
	c.Stop("stopped")
	if got := c.Release("young"); len(got) > 0 {
		t.Errorf("the end of one that waits wakes %q", uids(got))
	}
	if got := uids(c.Release(holder.UID)); !slices.Equal(got, []string{"old", "a", "b"}) {
		t.Errorf("woken are %q", got)
	}
	// Nobody holds it, and the first that was woken goes as well.
	if got := uids(c.Release("old")); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("woken are %q", got)
	}
	for _, uid := range []types.UID{"a", "b", "other"} {
		c.Release(uid)
	}
	if len(c.holders)+len(c.held)+len(c.waiting) > 0 {
		t.Errorf("kept is %+v", c)
	}
}

// TestClaimsWalk makes random moves and checks that only the holder ends a claim,
// and that nothing outlives its object.
func TestClaimsWalk(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 0))
		c := NewClaims()
		keys := []string{"x", "y", "z"}
		holds := map[string]types.UID{}
		live := map[types.UID]bool{}
		for step := range 300 {
			n := random.IntN(6)
			by := claimantAged(fmt.Sprint(n), time.Duration(random.IntN(4))*time.Minute)
			key := keys[random.IntN(len(keys))]
			switch random.IntN(4) {
			case 0, 1:
				live[by.UID] = true
				at, ok := c.Acquire(key, by)
				if held, taken := holds[key]; taken && (at.UID != held || ok != (held == by.UID)) {
					t.Fatalf("seed %d, step %d: %s is held by %s, Acquire = %v, %t", seed, step, key, held, at, ok)
				}
				if ok {
					for k, uid := range holds {
						if uid == by.UID {
							delete(holds, k)
						}
					}
					holds[key] = by.UID
				}
			case 2:
				live[by.UID] = true
				if holds[key] != by.UID {
					c.Wait(key, by)
				}
			case 3:
				for _, next := range c.Release(by.UID) {
					if !live[next.UID] || next.UID == by.UID {
						t.Fatalf("seed %d, step %d: the end of %s wakes %s", seed, step, by.UID, next.UID)
					}
				}
				delete(live, by.UID)
				for k, uid := range holds {
					if uid == by.UID {
						delete(holds, k)
					}
				}
			}
			for _, k := range keys {
				at, ok := c.Holder(k)
				if uid, taken := holds[k]; ok != taken || ok && at.UID != uid {
					t.Fatalf("seed %d, step %d: the holder of %s is %v, %t, want %q", seed, step, k, at, ok, uid)
				}
			}
		}
		for n := range 6 {
			c.Release(types.UID(fmt.Sprint(n)))
		}
		if len(c.holders)+len(c.held)+len(c.waiting) > 0 {
			t.Fatalf("seed %d: kept is %+v", seed, c)
		}
	}
}
