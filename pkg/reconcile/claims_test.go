// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

func TestClaims(t *testing.T) {
	at := func(uid string, age time.Duration) Claimant {
		return Claimant{Kind: "KafkaTopic", Name: cache.ObjectName{Namespace: "ns", Name: uid}, UID: types.UID(uid), Created: time.Unix(0, 0).Add(-age)}
	}
	old, young := at("old", time.Hour), at("young", 0)

	tests := map[string]struct {
		prepare func(c *claims)
		by      Claimant
		rivals  []Claimant
		holder  Claimant
		ok      bool
	}{
		"free":                          {by: young, holder: young, ok: true},
		"held by itself":                {prepare: func(c *claims) { c.seed("x", young) }, by: young, holder: young, ok: true},
		"held by another":               {prepare: func(c *claims) { c.seed("x", young) }, by: old, holder: young},
		"free, an older one wants it":   {by: young, rivals: []Claimant{old}, holder: old},
		"free, a younger one wants it":  {by: old, rivals: []Claimant{young}, holder: old, ok: true},
		"seeded twice, the older holds": {prepare: func(c *claims) { c.seed("x", young); c.seed("x", old) }, by: young, holder: old},
		"seeded twice, other order":     {prepare: func(c *claims) { c.seed("x", old); c.seed("x", young) }, by: young, holder: old},
		"released":                      {prepare: func(c *claims) { c.seed("x", old); c.release(old.UID) }, by: young, holder: young, ok: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newClaims()
			if tt.prepare != nil {
				tt.prepare(c)
			}
			holder, ok := c.acquire("x", tt.by, tt.rivals)
			if holder.UID != tt.holder.UID || ok != tt.ok {
				t.Errorf("acquire = %v, %v; want %v, %v", holder, ok, tt.holder, tt.ok)
			}
		})
	}
}

func TestClaimsAnObjectHoldsOneIdentity(t *testing.T) {
	c := newClaims()
	by := Claimant{UID: "1"}
	c.acquire("before", by, nil)
	c.acquire("after", by, nil)
	if _, ok := c.acquire("before", Claimant{UID: "2"}, nil); !ok {
		t.Error("the identity that the object gave up is still held")
	}
	if identity, ok := c.release("1"); !ok || identity != "after" {
		t.Errorf("release = %q, %v; want after", identity, ok)
	}
}
