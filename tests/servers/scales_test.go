// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// TestScales changes the number of servers while a client writes.
func TestScales(t *testing.T) {
	long(t)
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	k := w.keep("prod")
	var first map[string]types.UID
	t.Run("to five", func(t *testing.T) {
		k.in(t).scales(5)
		first = k.volumes()
	})
	t.Run("to three", func(t *testing.T) { k.in(t).scales(3) })
	t.Run("to five again", func(t *testing.T) {
		k := k.in(t)
		k.scales(5)
		for name, uid := range k.volumes() {
			if kept := first[name] == uid; kept != (name <= "prod-2") {
				t.Errorf("%s has the volume of before: %t", name, kept)
			}
		}
	})
	// With two servers, the cluster is away while one of them is.
	t.Run("to one", func(t *testing.T) { k.in(t).scales(1) })
	t.Run("to three again", func(t *testing.T) { k.in(t).scales(3) })
}

// scales asks for a number of servers, and checks that nothing is left of those that leave.
func (k *kept) scales(to int) {
	k.Helper()
	from := len(k.pods())
	c := k.sing(fmt.Sprintf("from-%d-to-%d-%d", from, to, time.Now().Unix()))
	began := time.Now()
	k.patch(k.name, fmt.Sprintf(`{"spec":{"replicas":%d}}`, to))
	var want []string
	for i := range to {
		want = append(want, fmt.Sprintf("%s-%d", k.name, i))
	}
	k.eventually("these to vote, and no others", func() error {
		votes, err := k.raft()
		if err != nil {
			return err
		}
		if names := slices.Sorted(maps.Keys(votes)); !slices.Equal(names, want) {
			return fmt.Errorf("the leader lists %v", names)
		}
		for name, votes := range votes {
			if !votes {
				return fmt.Errorf("%s does not vote", name)
			}
		}
		return nil
	})
	k.Logf("from %d to %d servers: %s", from, to, time.Since(began).Round(100*time.Millisecond))
	k.whole()
	k.eventually("nothing to be left of the others", func() error {
		if names := slices.Sorted(maps.Keys(k.pods())); !slices.Equal(names, want) {
			return fmt.Errorf("there are the pods %v", names)
		}
		if names := slices.Sorted(maps.Keys(k.volumes())); !slices.Equal(names, want) {
			return fmt.Errorf("there are the volumes of %v", names)
		}
		if m := k.get(k.name).Status.Membership; m != nil && m.Removing != nil {
			return fmt.Errorf("the status has %+v", m.Removing)
		}
		return k.cannotRemove()
	})
	k.whole()
	if from < 3 || to < 3 {
		c.stop()
		return
	}
	c.unbroken()
}

// cannotRemove returns nil if no identity has the right to remove a server.
func (k *kept) cannotRemove() error {
	leader, err := k.leading()
	if err != nil {
		return err
	}
	for _, path := range []string{"auth/" + authz.MountPath + "/role", "sys/policies/acl"} {
		var found struct{ Data struct{ Keys []string } }
		if err := k.read(leader, "LIST", path, &found); err != nil {
			return err
		}
		if len(found.Data.Keys) < 3 {
			return fmt.Errorf("%s has %v only", path, found.Data.Keys)
		}
		if slices.Contains(found.Data.Keys, authz.RemovePeerRole) {
			return fmt.Errorf("%s has %s", path, authz.RemovePeerRole)
		}
	}
	return nil
}
