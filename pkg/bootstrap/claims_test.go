// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"strings"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

func TestTheHolderKeepsTheServer(t *testing.T) {
	f := newFixture(t)
	f.create("young", 1)
	f.sync("young")
	f.expect("young", ReasonApplied)
	f.server().takeWrites()

	f.create("younger", 0)
	f.sync("younger")
	if c := f.expect("younger", ReasonServerClaimed); !strings.Contains(c.Message, "ns/young") {
		t.Errorf("the message does not name the holder: %s", c.Message)
	}
	if got := f.server().takeWrites(); len(got) > 0 {
		t.Errorf("wrote %q", got)
	}

	// An older object takes nothing from the holder.
	f.create("old", 9)
	f.sync("old")
	f.expect("old", ReasonServerClaimed)
	f.sync("young")
	f.expect("young", ReasonApplied)
	if got := f.server().takeWrites(); len(got) > 0 {
		t.Errorf("wrote %q", got)
	}

	// Its end wakes those that wait.
	f.controller.handlers().OnDelete(f.get("young"))
	if n := f.controller.loop.Len(); n != 3 {
		t.Errorf("%d objects were woken, want the three", n)
	}
	f.admin("s.second")
	f.sync("old")
	f.expect("old", ReasonRoleConflict)
}

// TestAnAnswerOfAServerClaimsNothing checks that a server which repeats the id of
// another one takes nothing from the object that wrote to that.
func TestAnAnswerOfAServerClaimsNothing(t *testing.T) {
	f := newFixture(t)
	f.servers["https://fake:8200"] = newServer("id-1")
	f.create("fake", 9, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization.Address = "https://fake:8200"
		c.Spec.Authorization.AdminTokenSecretRef = nil
	})
	f.sync("fake")
	f.expect("fake", ReasonAdminTokenRequired)
	f.create("prod", 0)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	f.sync("fake")
	f.expect("fake", ReasonServerClaimed)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
}

// TestRestartKeepsClaims checks that a younger object that syncs first after a
// restart does not take the server.
func TestRestartKeepsClaims(t *testing.T) {
	f := newFixture(t)
	f.create("old", 1)
	f.sync("old")
	f.create("young", 0)
	f.controller.claims = newClaims()
	f.controller.handlers().OnAdd(f.get("young"), true)
	f.controller.handlers().OnAdd(f.get("old"), true)
	f.sync("young")
	f.expect("young", ReasonServerClaimed)
}

func TestServerReplaced(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	f.sync("prod")
	f.expect("prod", ReasonApplied)

	f.servers[address] = newServer("id-2")
	f.sync("prod")
	if c := f.expect("prod", ReasonAdminTokenRequired); !strings.Contains(c.Message, "id-2") {
		t.Errorf("the message does not name the server: %s", c.Message)
	}
	f.server().tokens[adminToken] = true
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.get("prod").Status.Authorization.Server; got != "id-2" {
		t.Errorf("recorded server %q", got)
	}

}

func TestAddressOfTheSameServerChanges(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	f.sync("prod")
	f.server().takeWrites()
	f.servers["https://moved:8200"] = f.server()
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.Address = "https://moved:8200" })
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.get("prod").Status.Authorization.Address; got != "https://moved:8200" {
		t.Errorf("recorded address %q", got)
	}
	if got := f.server().takeWrites(); len(got) > 0 {
		t.Errorf("wrote %q", got)
	}
}
