// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

const serversSubject = "system:serviceaccount:bailiwick-system:bailiwick-servers"

// whoseServers are the inputs for servers that Bailiwick runs, or somebody else.
func whoseServers(ours bool) authz.Inputs {
	in := inputs()
	in.RunsServers, in.ServersSubject = ours, serversSubject
	return in
}

// whileRemoving is a cluster that is initialized and loses a server.
func whileRemoving(server string, mutate ...func(*openbaov1alpha1.OpenBaoClusterSpec)) *openbaov1alpha1.OpenBaoCluster {
	c := cluster(append([]func(*openbaov1alpha1.OpenBaoClusterSpec){mode(openbaov1alpha1.AuthorizationEnforce)}, mutate...)...)
	c.Status.Initialized = new(true)
	if server != "" {
		c.Status.Membership = &openbaov1alpha1.MembershipStatus{Removing: &openbaov1alpha1.RemovingStatus{
			Server: server, Since: metav1.Now(), Reason: openbaov1alpha1.RemovalScaleDown,
		}}
	}
	return c
}

func removePeerGrant(c authz.Contract) (authz.Grant, bool) {
	i := slices.IndexFunc(c.Grants, func(g authz.Grant) bool { return g.Identity == authz.RemovePeer })
	if i < 0 {
		return authz.Grant{}, false
	}
	return c.Grants[i], true
}

// removePeerText is the policy for one server, as a person would write it.
func removePeerText(server string) string {
	return `path "sys/storage/raft/remove-peer" {
  capabilities = ["update"]
  required_parameters = ["server_id"]
  allowed_parameters = {
    "server_id" = ["` + server + `"]
  }
}`
}

func TestServerToRemove(t *testing.T) {
	for server, want := range map[string]bool{
		"prod-0": true, "prod-3": true, "prod-8": true,
		"": false, "prod-9": false, "prod-10": false, "prod-03": false, "prod--1": false, "prod-+3": false, "prod-": false, "prod": false,
		"Prod-3": false, "prod-3 ": false, " prod-3": false, "prod-3*": false, "*": false, "*-3": false, "other-3": false, "prod-3-0": false,
		"prod-0\", \"prod-1": false, "prod-३": false,
	} {
		c := whileRemoving("any")
		c.Status.Membership.Removing.Server = server
		got := authz.ServerToRemove(c)
		if want && got != server || !want && got != "" {
			t.Errorf("%q is removed as %q, want that: %t", server, got, want)
		}
	}
	for name, mutate := range map[string]func(*openbaov1alpha1.OpenBaoClusterStatus){
		"it is gone":              func(s *openbaov1alpha1.OpenBaoClusterStatus) { s.Membership.Removing.RemovedAt = new(metav1.Now()) },
		"nothing is removed":      func(s *openbaov1alpha1.OpenBaoClusterStatus) { s.Membership.Removing = nil },
		"nothing is changed":      func(s *openbaov1alpha1.OpenBaoClusterStatus) { s.Membership = nil },
		"before the first start":  func(s *openbaov1alpha1.OpenBaoClusterStatus) { s.Initialized = new(false) },
		"before anything is seen": func(s *openbaov1alpha1.OpenBaoClusterStatus) { s.Initialized = nil },
	} {
		c := whileRemoving("prod-3")
		mutate(&c.Status)
		if got := authz.ServerToRemove(c); got != "" {
			t.Errorf("%s, and %q is removed", name, got)
		}
	}
}

// TestRemovePeerIsWanted checks when the identity is part of a contract, and what it is.
func TestRemovePeerIsWanted(t *testing.T) {
	for _, ours := range []bool{false, true} {
		for _, m := range modes {
			for _, profile := range profiles {
				for server, valid := range map[string]bool{"": false, "prod-3": true, "prod-9": false, "other-3": false} {
					name := fmt.Sprintf("ours %t, %s, %s, %q", ours, m, profile, server)
					c := whileRemoving(server, mode(m), func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Authorization.Profile = profile })
					c.Spec.Authorization.Audience = "own"
					g, ok := removePeerGrant(mustDesire(t, c, whoseServers(ours)))
					if want := ours && valid && m == openbaov1alpha1.AuthorizationEnforce; ok != want {
						t.Errorf("%s: it is wanted: %t, want %t", name, ok, want)
					}
					if !ok {
						continue
					}
					want := removePeerText(server)
					if profile == openbaov1alpha1.ProfileMinimal {
						want += "\npath \"sys/capabilities-self\" { capabilities = [\"update\"] }\npath \"auth/token/revoke-self\" { capabilities = [\"update\"] }"
					}
					if g.Policy.Text != want {
						t.Errorf("%s: the policy is\n%s\nwant\n%s", name, g.Policy.Text, want)
					}
					if g.Policy.Name != "bailiwick-remove-peer" || g.Role.Name != authz.RemovePeerRole || g.Role.Subject != serversSubject || g.Additional ||
						g.Role.BoundToAccount || !slices.Equal(g.Role.Policies, []string{g.Policy.Name}) ||
						g.Role.NoDefaultPolicy != (profile == openbaov1alpha1.ProfileMinimal) || g.Role.TTL != time.Hour || g.Role.Audiences[0] != audience {
						t.Errorf("%s: the grant is %+v", name, g)
					}
					if got := authz.RightsOf(g.Policy.Text).On("sys/storage/raft/remove-peer"); !slices.Equal(got, []string{"update"}) {
						t.Errorf("%s: the rights are %q", name, got)
					}
				}
			}
		}
	}
}

// TestRemovePeerTexts checks that policies for two servers never count as the same, and
// that another spelling of one does.
func TestRemovePeerTexts(t *testing.T) {
	spelled := `path "sys/storage/raft/remove-peer" { capabilities = ["update"] allowed_parameters = { "server_id" = ["prod-3"] } required_parameters = ["server_id"] }`
	if !authz.EqualPolicies(removePeerText("prod-3"), spelled) {
		t.Error("another spelling counts as another policy")
	}
	for _, other := range []string{
		removePeerText("prod-2"), removePeerText("prod-3*"),
		strings.Replace(removePeerText("prod-3"), `["prod-3"]`, `["prod-3", "prod-2"]`, 1),
		strings.Replace(removePeerText("prod-3"), `["prod-3"]`, `[]`, 1),
		strings.Replace(removePeerText("prod-3"), "  required_parameters = [\"server_id\"]\n", "", 1),
		`path "sys/storage/raft/remove-peer" { capabilities = ["update"] }`,
	} {
		if authz.EqualPolicies(removePeerText("prod-3"), other) {
			t.Errorf("it counts as the same: %s", other)
		}
	}
}

// TestStandingIdentityPinsTheRemoval checks that the policy of the standing identity
// foresees the removal of every server, lets it write and withdraw that without an admin
// token, and nothing else under the name.
func TestStandingIdentityPinsTheRemoval(t *testing.T) {
	for _, profile := range profiles {
		shape := func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Authorization.Profile = profile }
		standing := mustDesire(t, whileRemoving("", shape), whoseServers(true))
		own, _ := standing.Bootstrapper()
		recorded := authz.Recorded{Mount: "jwt-operator", Config: true, Policies: standing.PolicyNames(), Roles: standing.RoleNames()}
		for ordinal := range 9 {
			contract := mustDesire(t, whileRemoving(fmt.Sprintf("prod-%d", ordinal), shape), whoseServers(true))
			if g, _ := contract.Bootstrapper(); g.Policy.Text != own.Policy.Text {
				t.Errorf("%s: the removal of server %d changes the policy of the standing identity", profile, ordinal)
			}
			plan := authz.Diff(contract, served(t, standing), recorded)
			if got := summary(plan); !slices.Equal(got, []string{"create policy bailiwick-remove-peer", "create role bailiwick-remove-peer"}) || len(plan.Repairable()) != 2 {
				t.Errorf("%s: server %d takes %q, of which %q can be made", profile, ordinal, got, summary(plan.Repairable()))
			}
			with := authz.Recorded{Mount: "jwt-operator", Config: true, Policies: contract.PolicyNames(), Roles: contract.RoleNames()}
			plan = authz.Diff(standing, served(t, contract), with)
			if got := summary(plan); !slices.Equal(got, []string{"delete role bailiwick-remove-peer", "delete policy bailiwick-remove-peer"}) || len(plan.Repairable()) != 2 {
				t.Errorf("%s: after server %d there are %q, of which %q can be made", profile, ordinal, got, summary(plan.Repairable()))
			}
			// The next server leaves before that of the last was withdrawn.
			next := mustDesire(t, whileRemoving(fmt.Sprintf("prod-%d", (ordinal+1)%9), shape), whoseServers(true))
			plan = authz.Diff(next, served(t, contract), with)
			if got := summary(plan); !slices.Equal(got, []string{"update policy bailiwick-remove-peer (policy)"}) || len(plan.Repairable()) != 1 {
				t.Errorf("%s: the server after %d takes %q", profile, ordinal, got)
			}
		}
		for name, edit := range map[string]func(*authz.Grant){
			"a server that cannot be":     func(g *authz.Grant) { g.Policy.Text = strings.ReplaceAll(g.Policy.Text, "prod-3", "prod-9") },
			"a server of another cluster": func(g *authz.Grant) { g.Policy.Text = strings.ReplaceAll(g.Policy.Text, "prod-3", "other-3") },
			"any server":                  func(g *authz.Grant) { g.Policy.Text = strings.ReplaceAll(g.Policy.Text, "prod-3", "*") },
			"two servers": func(g *authz.Grant) {
				g.Policy.Text = strings.ReplaceAll(g.Policy.Text, `["prod-3"]`, `["prod-3", "prod-2"]`)
			},
			"more rights":     func(g *authz.Grant) { g.Policy.Text += "\npath \"sys/raw/*\" { capabilities = [\"read\"] }" },
			"another subject": func(g *authz.Grant) { g.Role.Subject = subject },
			"another policy":  func(g *authz.Grant) { g.Role.Policies = []string{"openbao-operator"} },
			"a longer life":   func(g *authz.Grant) { g.Role.TTL, g.Role.MaxTTL = 2*time.Hour, 2*time.Hour },
		} {
			contract := mustDesire(t, whileRemoving("prod-3", shape), whoseServers(true))
			i := slices.IndexFunc(contract.Grants, func(g authz.Grant) bool { return g.Identity == authz.RemovePeer })
			edit(&contract.Grants[i])
			plan := authz.Diff(contract, served(t, standing), recorded)
			if len(plan) != 2 || len(plan.NeedAdmin()) != 1 {
				t.Errorf("%s: %s: the plan is %q, of which %q need an admin token", profile, name, summary(plan), summary(plan.NeedAdmin()))
			}
		}
	}
	// Whose servers are somebody else's have no such pin, and in mode Observe none can be
	// written.
	if g, _ := mustDesire(t, whileRemoving("prod-3"), whoseServers(false)).Bootstrapper(); strings.Contains(g.Policy.Text, authz.RemovePeerRole) {
		t.Error("the standing identity knows of it on the servers of somebody else")
	}
	g, _ := mustDesire(t, whileRemoving("prod-3", mode(openbaov1alpha1.AuthorizationObserve)), whoseServers(true)).Bootstrapper()
	if !strings.Contains(g.Policy.Text, authz.RemovePeerRole) || strings.Contains(g.Policy.Text, "server_id") {
		t.Errorf("in mode Observe the standing identity has\n%s", g.Policy.Text)
	}
}

// TestNoStandingRightToRemove checks that nothing of a contract without upgrades can
// remove a server unless one is to be removed.
func TestNoStandingRightToRemove(t *testing.T) {
	for _, m := range modes {
		for _, g := range mustDesire(t, whileRemoving("", all, mode(m)), whoseServers(true)).Grants {
			if got := authz.RightsOf(g.Policy.Text).On("sys/storage/raft/remove-peer"); got != nil {
				t.Errorf("%s: the identity %s has %q", m, g.Identity, got)
			}
		}
	}
}

// TestFirstStartRemovesNothing checks that the requests of a first start have the pins,
// and not the identity.
func TestFirstStartRemovesNothing(t *testing.T) {
	c := whileRemoving("prod-3")
	c.Status.Initialized = nil
	text := string(authz.RenderInitialize(mustDesire(t, c, whoseServers(true))))
	if strings.Contains(text, "create-remove-peer") {
		t.Error("the first start writes the identity")
	}
	for ordinal := range 9 {
		if !strings.Contains(text, fmt.Sprintf("prod-%d", ordinal)) {
			t.Errorf("the first start does not pin the removal of server %d", ordinal)
		}
	}
}

func TestNobodyElseMayRemovePeers(t *testing.T) {
	for _, identity := range []string{"remove-peer", "membership"} {
		_, err := authz.Desired(whileRemoving("prod-3", additional("second", identity)), whoseServers(true))
		var spec *authz.SpecError
		if !errors.As(err, &spec) || spec.Field != "spec.authorization.additionalSubjects[second].identity" {
			t.Errorf("%s: got %v", identity, err)
		}
	}
	_, err := authz.Desired(whileRemoving("", additional(authz.RemovePeerRole, "backup")), whoseServers(true))
	var spec *authz.SpecError
	if !errors.As(err, &spec) || spec.Field != "spec.authorization.additionalSubjects[bailiwick-remove-peer].role" {
		t.Errorf("the role's name: got %v", err)
	}
}

// TestConfirmOfTheRemoval checks that what a server holds for a removal is recognized.
func TestConfirmOfTheRemoval(t *testing.T) {
	standing := whileRemoving("")
	contract := mustDesire(t, whileRemoving("prod-3"), whoseServers(true))
	claim := authz.Recorded{Mount: "jwt-operator", Policies: []string{authz.RemovePeerRole}, Roles: []string{authz.RemovePeerRole}}
	for text, want := range map[string]bool{
		removePeerText("prod-3"): true, removePeerText("prod-8"): true, removePeerText("prod-9"): false, removePeerText("other-3"): false,
	} {
		observed := served(t, contract)
		observed.Policies[authz.RemovePeerRole] = text
		got, err := authz.Confirm(standing, whoseServers(true), claim, observed)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(got.Policies, authz.RemovePeerRole) != want || !slices.Contains(got.Roles, authz.RemovePeerRole) {
			t.Errorf("confirmed is %+v, want the policy: %t, for\n%s", got, want, text)
		}
	}
}

func TestMayRemove(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	proved := openbaov1alpha1.IdentityStatus{
		Role: authz.RemovePeerRole, Identity: "remove-peer", Server: "prod-3", State: openbaov1alpha1.Proved, Digest: "d",
		ProvedAt: new(metav1.NewTime(now)),
	}
	for name, tc := range map[string]struct {
		mutate func(*openbaov1alpha1.OpenBaoCluster, *openbaov1alpha1.IdentityStatus)
		says   string
	}{
		"proved": {func(*openbaov1alpha1.OpenBaoCluster, *openbaov1alpha1.IdentityStatus) {}, ""},
		"not recorded": {func(c *openbaov1alpha1.OpenBaoCluster, _ *openbaov1alpha1.IdentityStatus) {
			c.Status.Authorization = nil
		}, "not proved yet"},
		"not listed": {func(c *openbaov1alpha1.OpenBaoCluster, _ *openbaov1alpha1.IdentityStatus) {
			c.Status.Authorization.Identities = nil
		}, "not proved yet"},
		"for the server before": {func(_ *openbaov1alpha1.OpenBaoCluster, i *openbaov1alpha1.IdentityStatus) { i.Server = "prod-4" }, "prod-3, is not proved yet"},
		"another identity":      {func(_ *openbaov1alpha1.OpenBaoCluster, i *openbaov1alpha1.IdentityStatus) { i.Identity = "upgrade" }, "not proved yet"},
		"wrong": {func(_ *openbaov1alpha1.OpenBaoCluster, i *openbaov1alpha1.IdentityStatus) {
			i.State, i.Message = openbaov1alpha1.ProofMismatch, "It lacks rights."
		}, "It lacks rights."},
		"not proved": {func(_ *openbaov1alpha1.OpenBaoCluster, i *openbaov1alpha1.IdentityStatus) {
			i.State, i.Message = openbaov1alpha1.NotProved, "Set the mode."
		}, "Set the mode."},
		"long ago": {func(_ *openbaov1alpha1.OpenBaoCluster, i *openbaov1alpha1.IdentityStatus) {
			i.ProvedAt = new(metav1.NewTime(now.Add(-time.Hour)))
		}, "last proved at"},
		"gone": {func(c *openbaov1alpha1.OpenBaoCluster, _ *openbaov1alpha1.IdentityStatus) {
			c.Status.Membership.Removing.RemovedAt = new(metav1.NewTime(now))
		}, "No server is to be removed."},
	} {
		t.Run(name, func(t *testing.T) {
			c := whileRemoving("prod-3")
			c.Status.Authorization = &openbaov1alpha1.AuthorizationStatus{Identities: []openbaov1alpha1.IdentityStatus{proved}}
			tc.mutate(c, &c.Status.Authorization.Identities[:1:1][0])
			ok, why := authz.MayRemove(c, now.Add(time.Minute), 10*time.Minute)
			if ok != (tc.says == "") || !strings.Contains(why, tc.says) || ok != (why == "") {
				t.Errorf("got %t, %q, want %q", ok, why, tc.says)
			}
		})
	}
}
