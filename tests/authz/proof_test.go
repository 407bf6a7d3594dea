// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao/openbaotest"
	"github.com/bailiwick-operator/bailiwick/tests/catalogue"
)

// answerOf is what the server says about a login as a grant's account.
func (s signer) answerOf(t *testing.T, client *openbao.Client, g authz.Grant) authz.Login {
	t.Helper()
	l, err := client.LoginJWT(t.Context(), authz.MountPath, g.Role.Name, s.jwt(t, g.Role.Subject, g.Role.Audiences[0]))
	if err != nil {
		t.Fatal(err)
	}
	return authz.Login{
		Policies: l.Policies, TokenPolicies: l.TokenPolicies, IdentityPolicies: l.IdentityPolicies,
		Type: l.Type, TTL: l.TTL, Renewable: l.Renewable, Orphan: l.Orphan, NumUses: l.NumUses,
	}
}

// TestLoginAnswers checks that a server answers the logins of a contract as it is
// expected, and shows in the answer what was changed.
func TestLoginAnswers(t *testing.T) {
	server := fresh(t)
	root := rootClient(t, server)
	signer := newSigner(t, "a")
	contract := desired(t, cluster(), signer.key)
	send(t, root, authz.Requests(contract))
	client := ourClient(t, server, "")
	for _, g := range contract.Grants {
		if differs := authz.CompareLogin(g, signer.answerOf(t, client, g)); len(differs) > 0 {
			t.Errorf("role %s: %q", g.Role.Name, differs)
		}
	}

	g := contract.Grants[1]
	role := authz.RolePath(authz.MountPath, g.Role.Name)
	tune := "sys/auth/" + authz.MountPath + "/tune"
	write(t, root, authz.PolicyPath("kv-admin"), map[string]any{"policy": `path "kv/*" { capabilities = ["sudo", "read", "update"] }`})
	entities, err := root.Logical().ListWithContext(t.Context(), "identity/entity/id")
	if err != nil || entities == nil {
		t.Fatalf("the entities: %v, %v", entities, err)
	}
	// policies gives a policy to every entity, or takes it away.
	policies := func(names ...string) {
		t.Helper()
		for _, id := range entities.Data["keys"].([]any) {
			write(t, root, "identity/entity/id/"+id.(string), map[string]any{"policies": names})
		}
	}
	for _, tc := range []struct {
		name       string
		change     func()
		changeBack func()
		says       []string
	}{
		{"a policy of the entity", func() { policies("kv-admin") }, func() { policies() }, []string{"adds the policies kv-admin"}},
		{"a policy of the role", func() {
			write(t, root, role, map[string]any{"role_type": "jwt", "token_policies": []string{g.Policy.Name, "kv-admin"}})
		}, func() {
			write(t, root, role, map[string]any{"role_type": "jwt", "token_policies": []string{g.Policy.Name}})
		}, []string{"gives its tokens the policies default, kv-admin, " + g.Policy.Name}},
		{"no default", func() {
			write(t, root, role, map[string]any{"role_type": "jwt", "token_no_default_policy": true})
		}, func() {
			write(t, root, role, map[string]any{"role_type": "jwt", "token_no_default_policy": false})
		}, []string{"gives its tokens the policies " + g.Policy.Name}},
		{"a lease of a second", func() { write(t, root, tune, map[string]any{"max_lease_ttl": "1s", "default_lease_ttl": "1s"}) },
			func() { write(t, root, tune, map[string]any{"max_lease_ttl": "0s", "default_lease_ttl": "0s"}) }, []string{"is 1s, which is too short"}},
		{"a period", func() {
			write(t, root, role, map[string]any{"role_type": "jwt", "token_period": "3h", "token_max_ttl": "0s"})
		},
			func() {
				write(t, root, role, map[string]any{"role_type": "jwt", "token_period": "0s", "token_max_ttl": "3600s"})
			},
			[]string{"The lease of the token is 3h0m0s"}},
		{"one use", func() { write(t, root, role, map[string]any{"role_type": "jwt", "token_num_uses": 5}) },
			func() { write(t, root, role, map[string]any{"role_type": "jwt", "token_num_uses": 0}) }, []string{"good for 5 requests"}},
		{"batch tokens of the mount", func() { write(t, root, tune, map[string]any{"token_type": "batch"}) },
			func() { write(t, root, tune, map[string]any{"token_type": "default-service"}) }, []string{`of the type "batch"`}},
		{"batch tokens of the role", func() { write(t, root, role, map[string]any{"role_type": "jwt", "token_type": "batch"}) },
			func() { write(t, root, role, map[string]any{"role_type": "jwt", "token_type": "default"}) }, []string{`of the type "batch"`}},
	} {
		tc.change()
		got := authz.CompareLogin(g, signer.answerOf(t, client, g))
		if !slices.EqualFunc(got, tc.says, strings.Contains) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.says)
		}
		tc.changeBack()
		if differs := authz.CompareLogin(g, signer.answerOf(t, client, g)); len(differs) > 0 {
			t.Fatalf("after %s: %q", tc.name, differs)
		}
	}
}

// TestCatalogueIsWhole compares the catalogue with the paths that the server has: a
// version with further ones needs a file of its own (hack/catalogue.sh).
func TestCatalogueIsWhole(t *testing.T) {
	server := fresh(t)
	paths, err := catalogue.Read(t.Context(), rootClient(t, server))
	if err != nil {
		t.Fatal(err)
	}
	asked := authz.Catalogue(desired(t, cluster(), newSigner(t, "a").key))
	for _, path := range paths {
		path = strings.ReplaceAll(strings.ReplaceAll(path, "{mount}", authz.MountPath), "{name}", "any")
		if !slices.Contains(asked, path) {
			t.Errorf("%s is not in the catalogue", path)
		}
	}
}

// TestPoliciesOfFakes compares how openbaotest evaluates policies with what the server
// answers: what is wrong there would let through what tests are to find.
func TestPoliciesOfFakes(t *testing.T) {
	server := fresh(t)
	root := rootClient(t, server)
	contract := desired(t, cluster(), newSigner(t, "a").key)
	policies := map[string]string{
		"exact-prefix": `path "a/b" { capabilities = ["read"] }
			path "a/*" { capabilities = ["list"] }`,
		"prefixes": `path "a/*" { capabilities = ["read"] }
			path "a/b*" { capabilities = ["list"] }`,
		"segment": `path "a/+/c" { capabilities = ["read"] }
			path "a/+/c*" { capabilities = ["update"] }`,
		"segments": `path "+/b/+" { capabilities = ["read"] }
			path "a/b/+" { capabilities = ["list"] }
			path "a/+/+" { capabilities = ["update"] }`,
		"deny": `path "a/b" { capabilities = ["read"] }
			path "a/b" { capabilities = ["deny"] }
			path "a/*" { capabilities = ["read", "sudo"] }`,
		"slash":   `path "/a/b" { capabilities = ["read"] }`,
		"all":     `path "*" { capabilities = ["read", "update"] }`,
		"default": openbaotest.DefaultPolicy,
	}
	paths := []string{"a", "a/", "a/b", "a/b/", "a/bc", "a/b/c", "a/x/c", "a/x/cd/e", "b/b/c", "a/b/c/d", "x", "sys/auth", "cubbyhole/x/y", "identity/oidc/provider/x/authorize"}
	for _, g := range contract.Grants {
		policies["their-"+g.Role.Name] = g.Policy.Text
	}
	paths = append(paths, authz.Catalogue(contract)...)
	var sets [][]string
	for name, text := range policies {
		write(t, root, authz.PolicyPath("fake-"+name), map[string]any{"policy": text})
		sets = append(sets, []string{name}, []string{name, "default"})
	}
	sets = append(sets, []string{"exact-prefix", "segment"}, []string{"deny", "all"}, []string{"prefixes", "exact-prefix"}, slices.Sorted(maps.Keys(policies)))
	for _, set := range sets {
		var names, texts []string
		for _, name := range set {
			texts, names = append(texts, policies[name]), append(names, "fake-"+name)
		}
		secret, err := root.Logical().WriteWithContext(t.Context(), "auth/token/create", map[string]any{"policies": names, "no_default_policy": true, "ttl": "1h"})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := root.Logical().WriteWithContext(t.Context(), "sys/capabilities", map[string]any{"token": secret.Auth.ClientToken, "paths": paths})
		if err != nil {
			t.Fatal(err)
		}
		acl := openbaotest.NewACL(texts...)
		for _, path := range paths {
			var want []string
			for _, capability := range answer.Data[path].([]any) {
				want = append(want, capability.(string))
			}
			slices.Sort(want)
			if got := acl.On(path); !slices.Equal(got, want) {
				t.Errorf("%q on %s: the fakes say %q, and the server %q", set, path, got, want)
			}
		}
	}
}
