// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"strings"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

func TestServerBelongsToTheOldest(t *testing.T) {
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

	// Another namespace of the same server is another thing.
	f.server().tokens[adminToken] = true
	f.create("other", 0, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization.Namespace = "team"
		c.Spec.Authorization.OperatorServiceAccount = &openbaov1alpha1.ServiceAccountReference{Namespace: "bailiwick-system", Name: "bailiwick"}
	})
	f.sync("other")
	f.expect("other", ReasonApplied)

	// An older object takes over, and whoever held the server is woken.
	f.server().tokens[adminToken] = true
	f.create("old", 9)
	f.sync("old")
	f.expect("old", ReasonApplied)
	if n := f.controller.loop.Len(); n != 2 {
		t.Errorf("%d objects were woken, want young and younger", n)
	}
	f.sync("young")
	f.expect("young", ReasonServerClaimed)

	// When it is deleted, the next one has it back.
	f.controller.handlers().OnDelete(f.get("old"))
	f.sync("young")
	f.expect("young", ReasonApplied)
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
