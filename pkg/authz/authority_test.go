// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"slices"
	"strings"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// needs renders a plan with who may make each change.
func needs(p authz.Plan) []string {
	var lines []string
	for _, c := range p {
		line := string(c.Action) + " " + string(c.Kind) + " " + c.Name
		switch {
		case c.Conflict:
			line += " conflict"
		case c.NeedsAdmin:
			line += " admin"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestDiffTellsWhoMayChange(t *testing.T) {
	const own, backup, upgrade = "openbao-operator-bootstrapper", "openbao-operator-backup", "openbao-operator-upgrade"
	enforced := mustDesire(t, cluster(all, mode(openbaov1alpha1.AuthorizationEnforce), additional("Second", "backup")), inputs())
	changed := func(mutate ...func(*openbaov1alpha1.OpenBaoClusterSpec)) authz.Contract {
		base := []func(*openbaov1alpha1.OpenBaoClusterSpec){all, mode(openbaov1alpha1.AuthorizationEnforce), additional("Second", "backup")}
		return mustDesire(t, cluster(append(base, mutate...)...), inputs())
	}
	rotated := inputs()
	rotated.Keys = []authz.Key{{ID: "b", Algorithm: "ES256", PEM: "-----BEGIN PUBLIC KEY-----\nQg==\n-----END PUBLIC KEY-----"}}
	otherIssuer := inputs()
	otherIssuer.Issuer = "https://elsewhere"

	for name, tc := range map[string]struct {
		desired authz.Contract
		mutate  func(*authz.Observed)
		want    []string
	}{
		"all of it edited": {
			enforced, func(o *authz.Observed) {
				for _, name := range []string{backup, upgrade} {
					o.Policies[name] = `path "secret/*" { capabilities = ["read"] }`
					o.Roles[name]["bound_subject"] = "system:serviceaccount:a:b"
				}
				o.Config["jwt_supported_algs"] = nil
				o.Roles["second"]["token_period"] = "60s"
			},
			[]string{
				"update config jwt-operator", "update policy " + backup, "update role " + backup,
				"update policy " + upgrade, "update role " + upgrade, "update role second",
			},
		},
		"deleted": {
			enforced, func(o *authz.Observed) {
				delete(o.Policies, backup)
				delete(o.Roles, backup)
			},
			[]string{"create policy " + backup, "create role " + backup},
		},
		"its own role": {
			enforced, func(o *authz.Observed) { o.Roles[own]["token_ttl"] = "7200s" }, []string{"update role " + own + " admin"},
		},
		"its own policy, which then permits nothing": {
			enforced, func(o *authz.Observed) {
				o.Policies[own] = `path "sys/health" { capabilities = ["read"] }`
				delete(o.Roles, backup)
			},
			[]string{"create role " + backup + " admin", "update policy " + own + " admin"},
		},
		"its own policy, which then permits more": {
			enforced, func(o *authz.Observed) {
				o.Policies[own] = `path "*" { capabilities = ["create", "update"] }`
				delete(o.Roles, backup)
			},
			[]string{"create role " + backup, "update policy " + own},
		},
		"the mount": {
			enforced, func(o *authz.Observed) { o.Mount, o.Config, o.Roles = nil, nil, nil },
			[]string{
				"create mount jwt-operator admin", "create config jwt-operator", "create role openbao-operator", "create role " + backup,
				"create role openbao-operator-restore admin", "create role " + upgrade, "create role second", "create role " + own + " admin",
			},
		},
		"other strategy": {changed(blueGreen), nil, []string{"update policy " + upgrade}},
		"a block goes": {
			changed(func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Upgrade = nil }), nil,
			[]string{"delete role " + upgrade, "delete policy " + upgrade},
		},
		"the restore goes": {
			changed(func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Restore = nil }), nil,
			[]string{"update policy " + own + " admin", "delete role openbao-operator-restore", "delete policy openbao-operator-restore"},
		},
		"a block with an additional subject goes": {
			changed(func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Backup = nil }), nil,
			[]string{"delete role " + backup, "delete role second", "delete policy " + backup},
		},
		"other keys": {
			mustDesire(t, cluster(all, mode(openbaov1alpha1.AuthorizationEnforce), additional("Second", "backup")), rotated), nil,
			[]string{"update config jwt-operator"},
		},
		"other issuer": {
			mustDesire(t, cluster(all, mode(openbaov1alpha1.AuthorizationEnforce), additional("Second", "backup")), otherIssuer), nil,
			[]string{"update config jwt-operator admin", "update policy " + own + " admin"},
		},
		"a role gets another name": {
			changed(func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Restore.JWTAuthRole = "back" }), nil,
			[]string{"create role back admin", "update policy " + own + " admin", "delete role openbao-operator-restore"},
		},
		"other profile": {
			changed(minimal), nil,
			[]string{
				"update policy openbao-operator admin", "update role openbao-operator admin", "update policy " + backup + " admin",
				"update role " + backup + " admin", "update policy openbao-operator-restore admin", "update role openbao-operator-restore admin",
				"update policy " + upgrade + " admin", "update role " + upgrade + " admin", "update role second admin", "update policy " + own + " admin",
			},
		},
		"mode Observe": {
			changed(mode(openbaov1alpha1.AuthorizationObserve)), nil, []string{"update policy " + own + " admin"},
		},
		"mode Once": {
			changed(mode(openbaov1alpha1.AuthorizationOnce)), nil, []string{"delete role " + own + " admin", "delete policy " + own + " admin"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			observed := served(t, enforced)
			if tc.mutate != nil {
				tc.mutate(&observed)
			}
			recorded := authz.Recorded{Mount: "jwt-operator", Config: true, Policies: enforced.PolicyNames(), Roles: enforced.RoleNames()}
			plan := authz.Diff(tc.desired, observed, recorded)
			if got := needs(plan); !slices.Equal(got, tc.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
			if got := len(plan.Repairable()) + len(plan.NeedAdmin()) + len(plan.Conflicts()); got != len(plan) {
				t.Errorf("the parts of the plan have %d changes of %d", got, len(plan))
			}
		})
	}
}

func TestDiffInOtherModes(t *testing.T) {
	for _, m := range []openbaov1alpha1.AuthorizationMode{openbaov1alpha1.AuthorizationOnce, openbaov1alpha1.AuthorizationObserve} {
		contract := mustDesire(t, cluster(all, mode(m)), inputs())
		observed := served(t, contract)
		delete(observed.Roles, "openbao-operator")
		observed.Config["jwt_supported_algs"] = nil
		plan := authz.Diff(contract, observed, authz.Recorded{Mount: "jwt-operator", Config: true})
		if len(plan) != 2 || len(plan.NeedAdmin()) != 2 {
			t.Errorf("%s: got %q, want two changes that need an admin token", m, needs(plan))
		}
	}
}

// TestDiffOfPinnedPolicies checks that the bootstrapper's policy is compared by
// meaning like any other.
func TestDiffOfPinnedPolicies(t *testing.T) {
	const own = "openbao-operator-bootstrapper"
	contract := mustDesire(t, cluster(mode(openbaov1alpha1.AuthorizationEnforce)), inputs())
	replace := func(old, with string) string {
		g, _ := contract.Bootstrapper()
		if !strings.Contains(g.Policy.Text, old) {
			t.Fatalf("the policy has no %q", old)
		}
		return strings.ReplaceAll(g.Policy.Text, old, with)
	}
	for name, tc := range map[string]struct {
		text string
		same bool
	}{
		"white space":                {replace("\n", "\n\n\t"), true},
		"order of capabilities":      {replace(`["read", "update", "delete"]`, `["delete", "update", "read"]`), true},
		"names of parameters":        {replace(`"cas" = []`, `"CAS" = []`), true},
		"order of required":          {replace(`"bound_audiences", "bound_claims"`, `"bound_claims", "bound_audiences"`), true},
		"a permitted value more":     {replace(`"token_ttl" = ["3600s"]`, `"token_ttl" = ["3600s", "7200s"]`), false},
		"a permitted value for all":  {replace(`"token_ttl" = ["3600s"]`, `"token_ttl" = []`), false},
		"another type":               {replace(`"token_no_default_policy" = [false]`, `"token_no_default_policy" = ["false"]`), false},
		"a parameter more":           {replace(`"cas" = []`, `"cas" = [] "ttl" = []`), false},
		"not required":               {replace(`required_parameters = ["bound_audiences", `, `required_parameters = [`), false},
		"a list for a text":          {replace(`"bound_subject" = ["`, `"bound_subject" = [["x"], "`), false},
		"any parameters":             {replace("allowed_parameters", "denied_parameters"), false},
		"a capability more":          {replace(`["create", "update"]`, `["create", "update", "patch"]`), false},
		"a limit in time":            {replace(`path "sys/auth" {`, `path "sys/auth" { max_wrapping_ttl = "1h"`), false},
		"an additional rule":         {replace(`path "sys/auth" {`, `path "sys/seal" { capabilities = ["update"] } path "sys/auth" {`), false},
		"an empty rule":              {replace(`path "sys/auth" {`, `path "sys/seal" { capabilities = [] } path "sys/auth" {`), false},
		"a path in other letters":    {replace("OPENBAO-OPERATOR-BACKUP", "openbao-operator-BACKUP"), false},
		"a list in another order":    {replace(`"policy" = ["`, `"policy" = [["a", "b"], "`), false},
		"a comment":                  {"# kept by Bailiwick\n" + replace("{\n", "{ // rule\n"), true},
		"the same once more":         {replace(`path "sys/auth" {`, `path "sys/auth" { capabilities = ["read"] } path "sys/auth" {`), true},
		"an equal permitted value":   {replace(`"token_ttl" = ["3600s"]`, `"token_ttl" = ["3600s", "3600s"]`), true},
		"the texts in another order": {replaceTexts(t, contract), true},
	} {
		t.Run(name, func(t *testing.T) {
			observed := served(t, contract)
			if observed.Policies[own] == tc.text {
				t.Fatal("the text is the same")
			}
			observed.Policies[own] = tc.text
			plan := authz.Diff(contract, observed, authz.Recorded{Policies: []string{own}})
			var want []string
			if !tc.same {
				want = []string{"update policy " + own + " (policy)"}
			}
			if got := summary(plan); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// replaceTexts swaps the two texts that the upgrade policy may have.
func replaceTexts(t *testing.T, contract authz.Contract) string {
	t.Helper()
	g, _ := contract.Bootstrapper()
	before, line, _ := strings.Cut(g.Policy.Text, `path "sys/policies/acl/openbao-operator-upgrade"`)
	_, list, _ := strings.Cut(line, `"policy" = [`)
	list, _, _ = strings.Cut(list, "]\n  }")
	first, second, ok := strings.Cut(list, `", "path`)
	if !ok {
		t.Fatalf("there are no two texts in %q", list)
	}
	return before + `path "sys/policies/acl/openbao-operator-upgrade"` + strings.Replace(line, list, `"path`+second+", "+first+`"`, 1)
}

func TestRemoval(t *testing.T) {
	contract := mustDesire(t, cluster(all, mode(openbaov1alpha1.AuthorizationEnforce), additional("Second", "backup")), inputs())
	roles := []string{
		"delete role openbao-operator", "delete role openbao-operator-backup", "delete role openbao-operator-restore",
		"delete role openbao-operator-upgrade", "delete role second",
	}
	policies := []string{
		"delete policy openbao-operator", "delete policy openbao-operator-backup", "delete policy openbao-operator-restore",
		"delete policy openbao-operator-upgrade",
	}
	own := []string{"delete role openbao-operator-bootstrapper admin", "delete policy openbao-operator-bootstrapper admin"}
	const mount = "delete mount jwt-operator admin"
	for name, tc := range map[string]struct {
		mutate func(*authz.Observed, *authz.Recorded)
		want   []string
	}{
		"all of it": {
			func(*authz.Observed, *authz.Recorded) {}, slices.Concat(roles, policies, own, []string{mount}),
		},
		"the mount was there before": {
			func(_ *authz.Observed, r *authz.Recorded) { r.MountCreated = false }, slices.Concat(roles, policies, own),
		},
		"the mount is used by others": {
			func(o *authz.Observed, _ *authz.Recorded) { o.MountRoles = append(o.MountRoles, "theirs") }, slices.Concat(roles, policies, own),
		},
		"the roles of the mount are not known": {
			func(o *authz.Observed, _ *authz.Recorded) { o.MountRoles = nil }, slices.Concat(roles, policies, own),
		},
		"an empty mount": {
			func(o *authz.Observed, _ *authz.Recorded) {
				o.MountRoles, o.Roles = []string{}, nil
				o.Policies = nil
			}, []string{mount},
		},
		"the mount is another by now": {
			func(o *authz.Observed, _ *authz.Recorded) { o.Mount.Type = "userpass" }, slices.Concat(roles, policies, own),
		},
		"nothing is left": {
			func(o *authz.Observed, _ *authz.Recorded) { *o = authz.Observed{} }, nil,
		},
		"what is not recorded stays": {
			func(_ *authz.Observed, r *authz.Recorded) {
				r.Roles, r.Policies, r.MountCreated = r.Roles[:1], nil, false
			},
			[]string{"delete role openbao-operator"},
		},
		"a foreign policy in the record stays": {
			func(o *authz.Observed, r *authz.Recorded) {
				o.Policies["default"], r.Roles, r.MountCreated = "x", nil, false
				r.Policies = []string{"default"}
			}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			observed := served(t, contract)
			observed.MountRoles = contract.RoleNames()
			recorded := authz.Recorded{
				Config: true, Mount: "jwt-operator", MountCreated: true, Policies: contract.PolicyNames(), Roles: contract.RoleNames(),
			}
			tc.mutate(&observed, &recorded)
			if got := needs(authz.Removal(observed, recorded)); !slices.Equal(got, tc.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}
