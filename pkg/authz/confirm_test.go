// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"reflect"
	"slices"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// TestConfirm checks what a server confirms of a record that anybody could have
// written: what an earlier version wrote for the object, and nothing that differs.
func TestConfirm(t *testing.T) {
	c := cluster(all, mode(openbaov1alpha1.AuthorizationEnforce))
	contract := mustDesire(t, c, inputs())
	everything := authz.Recorded{
		Mount: authz.MountPath, MountCreated: true, Config: true, Policies: contract.PolicyNames(), Roles: contract.RoleNames(),
	}
	earlier := func(t *testing.T) authz.Observed {
		observed := served(t, contract)
		observed.Mount.Description = "Auth method for OpenBao Operator"
		for _, role := range observed.Roles {
			role["bound_audiences"], role["bound_claims"] = []any{"openbao-internal"}, nil
		}
		grant, _ := contract.Bootstrapper()
		observed.Policies[grant.Policy.Name] = authz.BootstrapperPolicy(authz.Pins{
			Mode: openbaov1alpha1.AuthorizationEnforce, Mount: authz.MountPath, Issuer: issuer,
			Policies: []authz.PinnedPolicy{{Name: "openbao-operator", Texts: []string{"x"}}}, Roles: []authz.Role{contract.Grants[1].Role},
		})
		return observed
	}
	without := func(list []string, name string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(n string) bool { return n == name })
	}
	const backup, bootstrapper = "openbao-operator-backup", "openbao-operator-bootstrapper"

	for name, tc := range map[string]struct {
		observe func(*authz.Observed)
		claim   func(*authz.Recorded)
		want    func(*authz.Recorded)
	}{
		"as it was written": {},
		"the other profile": {observe: func(o *authz.Observed) {
			o.Policies[backup] = "path \"sys/storage/raft/snapshot\" { capabilities = [\"read\"] }\npath \"sys/capabilities-self\" { capabilities = [\"update\"] }\npath \"auth/token/revoke-self\" { capabilities = [\"update\"] }"
		}},
		"less is claimed": {
			claim: func(r *authz.Recorded) { r.Policies, r.MountCreated = nil, false },
			want:  func(r *authz.Recorded) { r.Policies, r.MountCreated = nil, false },
		},
		"another policy": {
			observe: func(o *authz.Observed) { o.Policies[backup] = `path "secret/*" { capabilities = ["read"] }` },
			want:    func(r *authz.Recorded) { r.Policies = without(r.Policies, backup) },
		},
		"a policy that expires": {
			observe: func(o *authz.Observed) { o.Expiring = []string{backup} },
			want:    func(r *authz.Recorded) { r.Policies = without(r.Policies, backup) },
		},
		"names of nobody": {
			observe: func(o *authz.Observed) {
				o.Policies["theirs"], o.Roles["theirs"] = `path "x" {}`, o.Roles[backup]
			},
			claim: func(r *authz.Recorded) { r.Policies, r.Roles = append(r.Policies, "theirs"), append(r.Roles, "theirs") },
		},
		"a bootstrapper that may do more": {
			observe: func(o *authz.Observed) {
				o.Policies[bootstrapper] += "\npath \"secret/*\" { capabilities = [\"read\"] }"
			},
			want: func(r *authz.Recorded) { r.Policies = without(r.Policies, bootstrapper) },
		},
		"a bootstrapper that may change itself": {
			observe: func(o *authz.Observed) {
				o.Policies[bootstrapper] += "\npath \"sys/policies/acl/openbao-operator-bootstrapper\" { capabilities = [\"update\"] }"
			},
			want: func(r *authz.Recorded) { r.Policies = without(r.Policies, bootstrapper) },
		},
		"a bootstrapper of patterns": {
			observe: func(o *authz.Observed) {
				o.Policies[bootstrapper] += "\npath \"auth/jwt-operator/role/*\" { capabilities = [\"update\"] }"
			},
			want: func(r *authz.Recorded) { r.Policies = without(r.Policies, bootstrapper) },
		},
		"a role of somebody else": {
			observe: func(o *authz.Observed) { o.Roles[backup]["bound_subject"] = "system:serviceaccount:theirs:x" },
			want:    func(r *authz.Recorded) { r.Roles = without(r.Roles, backup) },
		},
		"a role with other policies": {
			observe: func(o *authz.Observed) { o.Roles[backup]["token_policies"] = []any{"root"} },
			want:    func(r *authz.Recorded) { r.Roles = without(r.Roles, backup) },
		},
		"a config of another issuer": {
			observe: func(o *authz.Observed) { o.Config["bound_issuer"] = "https://theirs" },
			want:    func(r *authz.Recorded) { r.Config = false },
		},
		"a config with a key of theirs": {
			observe: func(o *authz.Observed) {
				o.Config["jwt_validation_pubkeys"] = []any{keyA.PEM, "-----BEGIN PUBLIC KEY-----\nQg==\n-----END PUBLIC KEY-----"}
			},
			want: func(r *authz.Recorded) { r.Config = false },
		},
		"a config that reads keys elsewhere": {
			observe: func(o *authz.Observed) { o.Config["jwks_url"] = "https://theirs/keys" },
			want:    func(r *authz.Recorded) { r.Config = false },
		},
		"no config":       {observe: func(o *authz.Observed) { o.Config = nil }, want: func(r *authz.Recorded) { r.Config = false }},
		"a mount of them": {observe: func(o *authz.Observed) { o.Mount.Description = "ours" }, want: func(r *authz.Recorded) { r.MountCreated = false }},
		"another type of mount": {
			observe: func(o *authz.Observed) { o.Mount.Type, o.Config, o.Roles = "oidc", nil, nil },
			want:    func(r *authz.Recorded) { *r = authz.Recorded{Policies: r.Policies} },
		},
		"nothing there": {
			observe: func(o *authz.Observed) { *o = authz.Observed{} },
			want:    func(r *authz.Recorded) { *r = authz.Recorded{} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			observed, claim, want := earlier(t), everything, everything
			if tc.observe != nil {
				tc.observe(&observed)
			}
			if tc.claim != nil {
				tc.claim(&claim)
			}
			if tc.want != nil {
				tc.want(&want)
			}
			got, err := authz.Confirm(c, inputs(), claim, observed)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(got.Roles)
			want.Roles = slices.Sorted(slices.Values(want.Roles))
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}
