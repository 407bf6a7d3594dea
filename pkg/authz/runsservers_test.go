// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// described are the fields by which an object describes servers, whoever runs them.
func described(s *openbaov1alpha1.OpenBaoClusterSpec) {
	s.Version, s.Replicas = "2.6.2", new(int32(3))
	s.Storage, s.TLS = &openbaov1alpha1.StorageSpec{Size: "1Gi"}, &openbaov1alpha1.TLSSpec{Enabled: true}
}

// goldenDigests are of contracts as they were before Bailiwick ran any servers. A digest
// that changes has every server of somebody else written to again, and every identity
// proved again.
var goldenDigests = map[string]struct {
	mutate []func(*openbaov1alpha1.OpenBaoClusterSpec)
	want   string
}{
	"operator alone":    {nil, "sha256:0f3886a865ac9fe7941cfc692f5d69ef7e0a6dd3d8dd2d4f607034adfad3b00a"},
	"all, Once":         {[]func(*openbaov1alpha1.OpenBaoClusterSpec){all}, "sha256:c13d1a7fa6c40944c9bc04585a8cf47faaa7c01ba3f49916255aa301362e758e"},
	"all, Observe":      {[]func(*openbaov1alpha1.OpenBaoClusterSpec){all, mode(openbaov1alpha1.AuthorizationObserve)}, "sha256:4999ffec272f0dbeeb04880b1797dd444d81f7ac1c88ae19c659a39267cdb16a"},
	"all, Enforce":      {[]func(*openbaov1alpha1.OpenBaoClusterSpec){all, mode(openbaov1alpha1.AuthorizationEnforce)}, "sha256:f5d8454c7a9b2ca0fba4a97d69e2059a55866264cde19e42731f4e34340f1146"},
	"Minimal":           {[]func(*openbaov1alpha1.OpenBaoClusterSpec){all, minimal}, "sha256:233fbd4b81c789b964f94f764d9c4a2545ef8b776a12cb18e884b2054655353c"},
	"Minimal, Enforce":  {[]func(*openbaov1alpha1.OpenBaoClusterSpec){all, minimal, mode(openbaov1alpha1.AuthorizationEnforce)}, "sha256:c521aa2fd21e5c3cc5b6cf1e60202eff702a8ff8b0d06fa120e3099cbcd111ac"},
	"named by the spec": {[]func(*openbaov1alpha1.OpenBaoClusterSpec){all, named, mode(openbaov1alpha1.AuthorizationEnforce)}, "sha256:e90cf41175c4433687346347ea9a8a1658c4cd13685365d1fe94e7d84a49caf2"},
}

func named(s *openbaov1alpha1.OpenBaoClusterSpec) {
	s.Backup.JWTAuthRole = "snapshots"
	s.Upgrade.Strategy = openbaov1alpha1.UpgradeBlueGreen
	s.Authorization.Audience = "own"
	s.Authorization.OperatorServiceAccount = &openbaov1alpha1.ServiceAccountReference{Name: "op"}
	s.Authorization.AdditionalSubjects = []openbaov1alpha1.AdditionalSubject{
		{Role: "alpha", Identity: "backup", ServiceAccount: openbaov1alpha1.ServiceAccountReference{Name: "a", Namespace: "jobs"}},
	}
}

// TestContractsOfOtherServersStay holds the contracts of servers that somebody else runs
// to what they were, whether or not the object describes the servers, and whoever would
// run them here.
func TestContractsOfOtherServersStay(t *testing.T) {
	for name, tc := range goldenDigests {
		t.Run(name, func(t *testing.T) {
			in := inputs()
			for what, c := range map[string]*openbaov1alpha1.OpenBaoCluster{
				"plain":     cluster(tc.mutate...),
				"described": cluster(append(slices.Clone(tc.mutate), described)...),
			} {
				for _, in.ServersSubject = range []string{"", serversSubject} {
					contract := mustDesire(t, c, in)
					if got := authz.Digest(contract); got != tc.want {
						t.Errorf("%s, servers of %q: the digest is %s, want %s", what, in.ServersSubject, got, tc.want)
					}
					if said := spell(t, contract); strings.Contains(said, "membership") || strings.Contains(said, serversSubject) {
						t.Errorf("%s, servers of %q: the contract names what is of servers that Bailiwick runs", what, in.ServersSubject)
					}
				}
			}
		})
	}
}

// spell returns the requests of a contract as text, policies included.
func spell(t *testing.T, contract authz.Contract) string {
	t.Helper()
	text, err := json.Marshal(authz.Requests(contract))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func own() authz.Inputs {
	in := inputs()
	in.RunsServers, in.ServersSubject = true, serversSubject
	return in
}

func TestSettingsOfOwnServers(t *testing.T) {
	ca := &openbaov1alpha1.CASecretReference{Name: "prod-tls-server", Key: "ca.crt"}
	for name, tc := range map[string]struct {
		mutate []func(*openbaov1alpha1.OpenBaoClusterSpec)
		want   func(*authz.Settings)
	}{
		"nothing said": {nil, func(*authz.Settings) {}},
		"no authorization": {
			[]func(*openbaov1alpha1.OpenBaoClusterSpec){func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Authorization = nil }}, func(*authz.Settings) {},
		},
		"a mode": {
			[]func(*openbaov1alpha1.OpenBaoClusterSpec){mode(openbaov1alpha1.AuthorizationObserve)},
			func(s *authz.Settings) { s.Mode = openbaov1alpha1.AuthorizationObserve },
		},
		"mode Once": {
			[]func(*openbaov1alpha1.OpenBaoClusterSpec){mode(openbaov1alpha1.AuthorizationOnce)},
			func(s *authz.Settings) { s.Mode = openbaov1alpha1.AuthorizationOnce },
		},
		"a profile": {
			[]func(*openbaov1alpha1.OpenBaoClusterSpec){minimal}, func(s *authz.Settings) { s.Profile = openbaov1alpha1.ProfileMinimal },
		},
		"a CA": {
			[]func(*openbaov1alpha1.OpenBaoClusterSpec){func(s *openbaov1alpha1.OpenBaoClusterSpec) {
				s.Authorization.CASecretRef = &openbaov1alpha1.CASecretReference{Name: "own-ca"}
			}},
			func(s *authz.Settings) {
				s.CASecretRef = &openbaov1alpha1.CASecretReference{Name: "own-ca", Key: "ca.crt"}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := authz.Settings{
				Mode: openbaov1alpha1.AuthorizationEnforce, Profile: openbaov1alpha1.ProfileDocument, RunsServers: true,
				Address: "https://prod-active.vaults.svc:8200", CASecretRef: ca, SigningKeyOverlap: authz.DefaultSigningKeyOverlap,
			}
			tc.want(&want)
			c := cluster(append(slices.Clone(tc.mutate), described)...)
			got, err := authz.SettingsOf(c, true)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			// Who runs the servers is the caller's to know, and not in the object.
			other, err := authz.SettingsOf(c, false)
			if err != nil {
				t.Fatal(err)
			}
			if other.RunsServers || other.Address == got.Address || other.CASecretRef.Name == ca.Name {
				t.Errorf("servers of somebody else: got %+v", other)
			}
		})
	}
}

// TestMembershipOnlyOnOwnServers: the identity that reads who is part of a cluster is
// that of who runs the servers, and exists nowhere else.
func TestMembershipOnlyOnOwnServers(t *testing.T) {
	for _, m := range modes {
		for _, profile := range profiles {
			t.Run(string(m)+" "+string(profile), func(t *testing.T) {
				c := cluster(all, described, mode(m), func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Authorization.Profile = profile })
				contract := mustDesire(t, c, own())
				var membership []authz.Grant
				for _, g := range contract.Grants {
					switch g.Identity {
					case authz.Membership:
						membership = append(membership, g)
					case authz.Operator:
						if g.Role.Subject != serversSubject {
							t.Errorf("the operator is %s, want who runs the servers", g.Role.Subject)
						}
					case authz.Bootstrapper:
						// It keeps this role too.
						if !strings.Contains(g.Policy.Text, "bailiwick-membership") {
							t.Error("the bootstrapper may not keep the membership identity")
						}
					}
				}
				if len(membership) != 1 {
					t.Fatalf("there are %d membership identities, want one", len(membership))
				}
				g := membership[0]
				if g.Additional || g.Policy.Name != "bailiwick-membership" || g.Role.Name != "bailiwick-membership" ||
					g.Role.Subject != serversSubject || !slices.Equal(g.Role.Policies, []string{"bailiwick-membership"}) || g.Role.BoundToAccount {
					t.Errorf("the membership identity is %+v", g)
				}
				if !slices.Equal(g.Role.Audiences, []string{audience}) {
					t.Errorf("its tokens are for %v, want the derived audience alone", g.Role.Audiences)
				}
				for _, line := range strings.Split(g.Policy.Text, "\n") {
					self := strings.Contains(line, `"sys/capabilities-self"`) || strings.Contains(line, `"auth/token/revoke-self"`)
					if !self && !strings.HasSuffix(line, `{ capabilities = ["read"] }`) {
						t.Errorf("the identity that only reads has %s", line)
					}
				}
			})
		}
	}
}

// TestMembershipNeedsItsSubject: a role that any ServiceAccount could take is never made.
func TestMembershipNeedsItsSubject(t *testing.T) {
	in := own()
	in.ServersSubject = ""
	named := cluster(described, func(s *openbaov1alpha1.OpenBaoClusterSpec) {
		s.Authorization.OperatorServiceAccount = &openbaov1alpha1.ServiceAccountReference{Name: "op"}
	})
	if contract, err := authz.Desired(named, in); err == nil {
		t.Errorf("got the roles %v", contract.RoleNames())
	}
}

// TestOperatorOfOwnServersCanBeNamed: the object's choice counts for the operator, and
// never for the membership identity.
func TestOperatorOfOwnServersCanBeNamed(t *testing.T) {
	contract := mustDesire(t, cluster(described, func(s *openbaov1alpha1.OpenBaoClusterSpec) {
		s.Authorization.OperatorServiceAccount = &openbaov1alpha1.ServiceAccountReference{Name: "op"}
	}), own())
	subjects := map[authz.Identity]string{}
	for _, g := range contract.Grants {
		subjects[g.Identity] = g.Role.Subject
	}
	if subjects[authz.Operator] != "system:serviceaccount:vaults:op" || subjects[authz.Membership] != serversSubject {
		t.Errorf("got %v", subjects)
	}
}

// TestOwnServersAlwaysAskForTheContract: nothing of the object has to name it.
func TestOwnServersAlwaysAskForTheContract(t *testing.T) {
	c := cluster(described, func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Authorization = nil })
	if !authz.Requested(c, true) || authz.Requested(c, false) {
		t.Errorf("own servers ask for it: %t, those of somebody else: %t", authz.Requested(c, true), authz.Requested(c, false))
	}
}
