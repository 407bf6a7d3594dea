// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

func mode(m openbaov1alpha1.AuthorizationMode) func(*openbaov1alpha1.OpenBaoClusterSpec) {
	return func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Authorization.Mode = m }
}

func minimal(s *openbaov1alpha1.OpenBaoClusterSpec) {
	s.Authorization.Profile = openbaov1alpha1.ProfileMinimal
}

func blueGreen(s *openbaov1alpha1.OpenBaoClusterSpec) {
	s.Upgrade.Strategy = openbaov1alpha1.UpgradeBlueGreen
}

func additional(role, identity string) func(*openbaov1alpha1.OpenBaoClusterSpec) {
	return func(s *openbaov1alpha1.OpenBaoClusterSpec) {
		s.Authorization.AdditionalSubjects = append(s.Authorization.AdditionalSubjects, openbaov1alpha1.AdditionalSubject{
			Role: role, Identity: identity, ServiceAccount: openbaov1alpha1.ServiceAccountReference{Name: "extra", Namespace: "jobs"},
		})
	}
}

var (
	profiles   = []openbaov1alpha1.AuthorizationProfile{openbaov1alpha1.ProfileDocument, openbaov1alpha1.ProfileMinimal}
	strategies = []openbaov1alpha1.UpgradeStrategy{openbaov1alpha1.UpgradeRollingUpdate, openbaov1alpha1.UpgradeBlueGreen}
	modes      = []openbaov1alpha1.AuthorizationMode{
		openbaov1alpha1.AuthorizationOnce, openbaov1alpha1.AuthorizationObserve, openbaov1alpha1.AuthorizationEnforce,
	}
)

// TestDesiredOverEverything checks every combination of what a contract depends on.
func TestDesiredOverEverything(t *testing.T) {
	// The policy texts in testdata by identity, but for the prefix of the profile.
	texts := map[authz.Identity]string{authz.Operator: "operator", authz.Backup: "backup", authz.Restore: "restore"}
	for _, profile := range profiles {
		for _, strategy := range strategies {
			for _, m := range modes {
				for wanted := range 8 {
					name := fmt.Sprintf("%s %s %s %03b", profile, strategy, m, wanted)
					c := cluster(mode(m), additional("Second", "backup"), func(s *openbaov1alpha1.OpenBaoClusterSpec) {
						s.Authorization.Profile = profile
						if wanted&1 != 0 {
							s.Backup = &openbaov1alpha1.BackupSpec{}
						}
						if wanted&2 != 0 {
							s.Restore = &openbaov1alpha1.RestoreSpec{}
						}
						if wanted&4 != 0 {
							s.Upgrade = &openbaov1alpha1.UpgradeSpec{Strategy: strategy}
						}
					})
					want := []string{"operator openbao-operator"}
					if wanted&1 != 0 {
						want = append(want, "backup openbao-operator-backup")
					}
					if wanted&2 != 0 {
						want = append(want, "restore openbao-operator-restore")
					}
					if wanted&4 != 0 {
						want = append(want, "upgrade openbao-operator-upgrade")
					}
					if wanted&1 != 0 {
						want = append(want, "backup second")
					}
					if m != openbaov1alpha1.AuthorizationOnce {
						want = append(want, "bootstrapper openbao-operator-bootstrapper")
					}
					texts[authz.Upgrade] = map[openbaov1alpha1.UpgradeStrategy]string{
						openbaov1alpha1.UpgradeRollingUpdate: "upgrade-rolling", openbaov1alpha1.UpgradeBlueGreen: "upgrade-blue-green",
					}[strategy]

					var got []string
					for _, g := range mustDesire(t, c, inputs()).Grants {
						got = append(got, string(g.Identity)+" "+g.Role.Name)
						if g.Role.NoDefaultPolicy != (profile == openbaov1alpha1.ProfileMinimal || g.Identity == authz.Bootstrapper) {
							t.Errorf("%s: role %s has NoDefaultPolicy %t", name, g.Role.Name, g.Role.NoDefaultPolicy)
						}
						if g.Additional != (g.Role.Name == "second") {
							t.Errorf("%s: role %s is additional: %t", name, g.Role.Name, g.Additional)
						}
						if g.Identity == authz.Bootstrapper {
							continue
						}
						file := texts[g.Identity]
						if profile == openbaov1alpha1.ProfileMinimal {
							file = "minimal-" + file
						}
						if g.Policy.Text != published(t, file) {
							t.Errorf("%s: policy %s does not have the text of %s", name, g.Policy.Name, file)
						}
					}
					if !slices.Equal(got, want) {
						t.Errorf("%s: got %q, want %q", name, got, want)
					}
				}
			}
		}
	}
}

// TestBootstrapperPolicyForesees checks that nothing which is only added to or taken
// from the spec later changes the bootstrapper's policy, which would require an admin
// token. The restore is the exception.
func TestBootstrapperPolicyForesees(t *testing.T) {
	enforce := mode(openbaov1alpha1.AuthorizationEnforce)
	text := func(mutate ...func(*openbaov1alpha1.OpenBaoClusterSpec)) string {
		g, ok := mustDesire(t, cluster(append(mutate, enforce)...), inputs()).Bootstrapper()
		if !ok {
			t.Fatal("there is no bootstrapper")
		}
		return g.Policy.Text
	}
	base := text()
	allButRestore := func(s *openbaov1alpha1.OpenBaoClusterSpec) {
		all(s)
		s.Restore = nil
	}
	for name, other := range map[string]string{"all blocks": text(allButRestore), "blue/green": text(allButRestore, blueGreen)} {
		if other != base {
			t.Errorf("%s changes the policy", name)
		}
	}
	rotated := inputs()
	rotated.Keys = append(rotated.Keys, authz.Key{ID: "b", Algorithm: "ES256", PEM: "x"})
	if g, _ := mustDesire(t, cluster(enforce), rotated).Bootstrapper(); g.Policy.Text != base {
		t.Error("a new signing key changes the policy")
	}
	for name, other := range map[string]string{
		"renamed role": text(func(s *openbaov1alpha1.OpenBaoClusterSpec) {
			s.Backup = &openbaov1alpha1.BackupSpec{JWTAuthRole: "nightly"}
		}),
		"restore":            text(all),
		"audience":           text(func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Authorization.Audience = "own" }),
		"profile":            text(minimal),
		"additional subject": text(additional("second", "backup")),
	} {
		if other == base {
			t.Errorf("another %s leaves the policy as it is", name)
		}
	}
}

func TestRootEquivalent(t *testing.T) {
	for m, want := range map[openbaov1alpha1.AuthorizationMode]int{
		openbaov1alpha1.AuthorizationOnce: 0, openbaov1alpha1.AuthorizationObserve: 0, openbaov1alpha1.AuthorizationEnforce: 1,
	} {
		got := authz.RootEquivalent(mustDesire(t, cluster(all, mode(m)), inputs()))
		if len(got) != want {
			t.Errorf("%s: got %q", m, got)
		}
		for _, line := range got {
			if !strings.HasPrefix(line, "auth/jwt-operator/config update: ") {
				t.Errorf("%s: got %q", m, line)
			}
		}
	}
	renamed := func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Restore.JWTAuthRole = "Comeback" }
	for says, mutate := range map[string][]func(*openbaov1alpha1.OpenBaoClusterSpec){
		"does not ask for the restore identity":      {},
		"One of these is openbao-operator-restore, ": {all},
		"One of these is comeback, ":                 {all, renamed},
	} {
		contract := mustDesire(t, cluster(append(mutate, mode(openbaov1alpha1.AuthorizationEnforce))...), inputs())
		if got := strings.Join(authz.RootEquivalent(contract), "\n"); !strings.Contains(got, says) {
			t.Errorf("got %q, want %q", got, says)
		}
	}
}
