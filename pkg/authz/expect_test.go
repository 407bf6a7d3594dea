// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

func granting(text string) authz.Grant {
	return authz.Grant{Policy: authz.Policy{Name: "p", Text: text}}
}

// TestExpectMatchesPaths checks which rule counts for a path, as the server's
// documentation of policies has it.
func TestExpectMatchesPaths(t *testing.T) {
	// Every rule has a capability of its own that tells which it was.
	for name, tc := range map[string]struct {
		policy string
		want   map[string]string
	}{
		"exact before prefix": {
			`path "a/b" { capabilities = ["read"] }
			 path "a/*" { capabilities = ["list"] }`,
			map[string]string{"a/b": "read", "a/c": "list", "a/": "list", "a": "", "a/b/c": "list"},
		},
		"longest prefix": {
			`path "a/*" { capabilities = ["read"] }
			 path "a/b*" { capabilities = ["list"] }`,
			map[string]string{"a/x": "read", "a/b": "list", "a/bc": "list", "a/b/c": "list"},
		},
		"one segment": {
			`path "a/+/c" { capabilities = ["read"] }`,
			map[string]string{"a/b/c": "read", "a/b/d": "", "a/b/c/d": "", "a/c": "", "a//c": "read"},
		},
		"segments at both ends": {
			`path "+/b/+" { capabilities = ["read"] }`,
			map[string]string{"a/b/c": "read", "a/b": "", "a/x/c": ""},
		},
		"a single segment": {
			`path "+" { capabilities = ["read"] }`,
			map[string]string{"a": "read", "a/b": ""},
		},
		"segment and prefix": {
			`path "a/+/c*" { capabilities = ["read"] }`,
			map[string]string{"a/b/c": "read", "a/b/cd/e": "read", "a/b/x": ""},
		},
		"wildcard later": {
			`path "a/+/c" { capabilities = ["read"] }
			 path "a/b/*" { capabilities = ["list"] }`,
			map[string]string{"a/b/c": "list", "a/x/c": "read"},
		},
		"fewer wildcards": {
			`path "a/+/+" { capabilities = ["read"] }
			 path "a/+/c" { capabilities = ["list"] }`,
			map[string]string{"a/b/c": "list", "a/b/d": "read"},
		},
		"segment before prefix at the same place": {
			`path "a/*" { capabilities = ["read"] }
			 path "a/+" { capabilities = ["list"] }`,
			map[string]string{"a/b": "list", "a/b/c": "read"},
		},
		"longer before shorter": {
			`path "a/+/b*" { capabilities = ["read"] }
			 path "a/+/bc*" { capabilities = ["list"] }`,
			map[string]string{"a/x/bcd": "list", "a/x/bd": "read"},
		},
		"everything": {
			`path "*" { capabilities = ["read"] }`, map[string]string{"a": "read", "a/b": "read"},
		},
		"a slash at the end": {
			`path "a/b" { capabilities = ["read"] }`, map[string]string{"a/b/": "read", "a/b//": ""},
		},
		"a slash at the beginning": {
			`path "/a/b" { capabilities = ["read"] }`, map[string]string{"a/b": "read"},
		},
		"case": {
			`path "a/B" { capabilities = ["read"] }`, map[string]string{"a/b": "", "a/B": "read"},
		},
		"blocks add up": {
			`path "a" { capabilities = ["read"] }
			 path "a" { capabilities = ["update", "read"] }`,
			map[string]string{"a": "read update"},
		},
		"deny beats all": {
			`path "a" { capabilities = ["read"] }
			 path "a" { capabilities = ["deny"] }
			 path "b/*" { capabilities = ["read"] }
			 path "b/c" { capabilities = ["deny"] }`,
			map[string]string{"a": "", "b/c": "", "b/d": "read"},
		},
		"not a policy": {`path "a" {`, map[string]string{"a": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			for path, want := range tc.want {
				if got := strings.Join(authz.RightsOf(tc.policy).On(path), " "); got != want {
					t.Errorf("%s: got %q, want %q", path, got, want)
				}
			}
		})
	}
}

func TestDefaultRights(t *testing.T) {
	for path, want := range map[string]string{
		"sys/capabilities-self":       "update",
		"auth/token/lookup-self":      "read",
		"cubbyhole/mine/too":          "create delete list read update",
		"cubbyhole":                   "",
		"sys/tools/hash/sha2-256":     "update",
		"sys/tools/random":            "",
		"identity/entity/id/any":      "",
		"sys/storage/raft/snapshot":   "",
		"auth/token/create":           "",
		"sys/policies/acl/default":    "",
		"sys/internal/ui/mounts":      "",
		"sys/leases/revoke":           "",
		"auth/jwt-operator/role/any":  "",
		"sys/internal/counters/x":     "",
		"sys/wrapping/unwrap":         "update",
		"sys/leases/lookup/some/path": "",

		"identity/oidc/provider/x/authorize": "read update",
	} {
		if got := strings.Join(authz.DefaultRights().On(path), " "); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestCompareCapabilities(t *testing.T) {
	grant := granting(`path "sys/step-down" { capabilities = ["sudo", "update"] }
		path "sys/capabilities-self" { capabilities = ["update"] }`)
	withoutDefault := grant
	withoutDefault.Role.NoDefaultPolicy = true
	for name, tc := range map[string]struct {
		grant    authz.Grant
		observed map[string][]string
		want     authz.Proof
	}{
		"exact": {
			grant, map[string][]string{
				"sys/step-down": {"update", "sudo"}, "sys/capabilities-self": {"update"}, "sys/seal": {"deny"},
			}, authz.Proof{},
		},
		"missing": {
			grant, map[string][]string{"sys/step-down": {"update"}, "sys/capabilities-self": {"deny"}},
			authz.Proof{Missing: []string{"sys/capabilities-self: update", "sys/step-down: sudo"}},
		},
		"by default": {
			grant, map[string][]string{
				"sys/step-down": {"sudo", "update"}, "cubbyhole/any": {"create", "delete", "list", "read", "update"},
				"auth/token/lookup-self": {"read"},
			},
			authz.Proof{ViaDefault: []string{
				"auth/token/lookup-self: read", "cubbyhole/any: create", "cubbyhole/any: delete", "cubbyhole/any: list",
				"cubbyhole/any: read", "cubbyhole/any: update",
			}},
		},
		"excess": {
			grant, map[string][]string{"sys/step-down": {"sudo", "update", "read"}, "sys/seal": {"root"}, "auth/token/lookup-self": {"read", "update"}},
			authz.Proof{
				Excess:     []string{"auth/token/lookup-self: update", "sys/seal: root", "sys/step-down: read"},
				ViaDefault: []string{"auth/token/lookup-self: read"},
			},
		},
		"the default policy where it should not be": {
			withoutDefault, map[string][]string{"sys/step-down": {"sudo", "update"}, "auth/token/lookup-self": {"read"}},
			authz.Proof{Excess: []string{"auth/token/lookup-self: read"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := authz.CompareCapabilities(tc.grant, tc.observed); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestCatalogue(t *testing.T) {
	contract := mustDesire(t, cluster(all, blueGreen, mode(openbaov1alpha1.AuthorizationEnforce), additional("Second", "backup")), inputs())
	catalogue := authz.Catalogue(contract)
	if !slices.IsSorted(catalogue) || len(slices.Compact(slices.Clone(catalogue))) != len(catalogue) {
		t.Error("the catalogue is not a sorted set")
	}
	for _, path := range []string{
		// What is dangerous.
		"sys/raw/any", "sys/seal", "sys/generate-root/attempt", "sys/mounts/any", "sys/remount", "auth/token/create", "secret/data/any",
		"sys/storage/raft/snapshot-force", "sys/policies/acl/any", "auth/jwt-operator/role/any", "identity/entity", "cubbyhole/any",
		// What only some versions have, and what only some servers mount.
		"auth/jwt-operator/cel/role/any", "auth/jwt-operator/cel/role/", "sys/rotate/root/init", "sys/generate-root-token/update",
		"sys/workflows/manage/any", "sys/namespaces/any", "sys/replication/primary/enable", "identity/mfa/method/any", "kv/data/any",
		"auth/kubernetes/role/any", "sys/plugins/catalog/auth/any", "sys/policies/detailed/acl/any",
		// What the contract grants and what it is made of.
		"sys/storage/raft/demote", "auth/jwt-operator/config", "sys/auth/jwt-operator", "auth/jwt-operator/role/SECOND",
		"sys/policies/acl/openbao-operator-bootstrapper", "auth/jwt-operator/role/openbao-operator-bootstrapper",
	} {
		if !slices.Contains(catalogue, path) {
			t.Errorf("%s is not in the catalogue", path)
		}
	}
	// What is not wanted at the moment is still ours.
	alone := authz.Catalogue(mustDesire(t, cluster(), inputs()))
	for _, path := range []string{"sys/policies/acl/openbao-operator-restore", "sys/policies/acl/openbao-operator-bootstrapper"} {
		if !slices.Contains(alone, path) {
			t.Errorf("%s is not in the catalogue of a cluster with the operator alone", path)
		}
	}
	for _, g := range contract.Grants {
		nothing := map[string][]string{}
		for _, path := range catalogue {
			nothing[path] = []string{"deny"}
		}
		rights := strings.Count("\n"+g.Policy.Text, "\npath ")
		if missing := authz.CompareCapabilities(g, nothing).Missing; len(missing) < rights {
			t.Errorf("role %s: the catalogue has only the rights %q of %d rules", g.Role.Name, missing, rights)
		}
	}
}
