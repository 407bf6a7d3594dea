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

const restoreRole = "openbao-operator-restore"

func restoreOnly(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Restore = &openbaov1alpha1.RestoreSpec{} }

// TestRestoreIsBoundToItsAccount checks that the restore role lets in one account and
// no later one of its name, and that no other role has such a claim.
func TestRestoreIsBoundToItsAccount(t *testing.T) {
	for _, r := range authz.Requests(mustDesire(t, cluster(all, additional("second", "backup")), inputs())) {
		if r.Kind != authz.KindRole {
			continue
		}
		want := any([]string{})
		if r.Name == restoreRole {
			want = map[string]any{"/kubernetes.io/serviceaccount/uid": restoreUID}
		}
		if got := r.Data["bound_claims"]; !reflect.DeepEqual(got, want) {
			t.Errorf("role %s has the claims %v, want %v", r.Name, got, want)
		}
	}
}

// TestRestoreAwaitsItsAccount checks that the role is left out while the UID is not
// known, by every renderer, and everything else is there.
func TestRestoreAwaitsItsAccount(t *testing.T) {
	in := inputs()
	in.RestoreAccountUID = ""
	contract := mustDesire(t, cluster(all), in)
	names := func(requests []authz.Request) (names []string) {
		for _, r := range requests {
			if r.Kind == authz.KindRole || r.Kind == authz.KindPolicy {
				names = append(names, string(r.Kind)+" "+r.Name)
			}
		}
		return names
	}
	got := names(authz.Requests(contract))
	if slices.Contains(got, "role "+restoreRole) || !slices.Contains(got, "policy "+restoreRole) || len(got) != 7 {
		t.Errorf("the requests are %q", got)
	}
	if hcl := string(authz.RenderInitialize(contract)); strings.Contains(hcl, "auth/jwt-operator/role/"+restoreRole) {
		t.Errorf("initialize has the role:\n%s", hcl)
	}
	if got := contract.WritableRoleNames(); slices.Contains(got, restoreRole) || !slices.Contains(contract.RoleNames(), restoreRole) {
		t.Errorf("writable are %q of %q", got, contract.RoleNames())
	}
	if authz.Digest(contract) == authz.Digest(mustDesire(t, cluster(all), inputs())) {
		t.Error("the UID leaves the digest as it is")
	}

	// A role that an earlier version wrote stays, and is repaired but for its claims.
	whole := mustDesire(t, cluster(all), inputs())
	recorded := authz.Recorded{Mount: "jwt-operator", Config: true, Policies: whole.PolicyNames(), Roles: whole.RoleNames()}
	observed := served(t, whole)
	observed.Roles[restoreRole]["bound_claims"] = map[string]any{}
	if plan := authz.Diff(contract, observed, recorded); len(plan) > 0 {
		t.Errorf("found %q", summary(plan))
	}
	observed.Roles[restoreRole]["bound_subject"] = "system:serviceaccount:else:where"
	plan := authz.Diff(contract, observed, recorded)
	if got, want := summary(plan), []string{"update role " + restoreRole + " (bound_subject)"}; !slices.Equal(got, want) {
		t.Fatalf("found %q, want %q", got, want)
	}
	if _, sent := plan[0].Request.Data["bound_claims"]; sent {
		t.Error("the repair sends claims")
	}
	// What it ends in is recognized later, with the claims that it leaves.
	whole = mustDesire(t, cluster(all), inputs())
	observed = served(t, whole)
	observed.Roles[restoreRole]["bound_subject"] = "system:serviceaccount:else:where"
	plan = authz.Diff(contract, observed, recorded)
	if got := authz.StateOf(served(t, whole), authz.KindRole, restoreRole); len(plan) != 1 || plan[0].After != got {
		t.Errorf("the repair ends in another state than %s: %+v", got, plan)
	}
}

// TestRestoreIsRenewedByAnAdminTokenOnly checks what the standing identity may do
// about the restore: repair everything but the account that the role is bound to.
func TestRestoreIsRenewedByAnAdminTokenOnly(t *testing.T) {
	enforce := mode(openbaov1alpha1.AuthorizationEnforce)
	contract := mustDesire(t, cluster(all, enforce), inputs())
	recorded := authz.Recorded{Mount: "jwt-operator", Config: true, Policies: contract.PolicyNames(), Roles: contract.RoleNames()}
	for name, tc := range map[string]struct {
		change func(o *authz.Observed)
		// want are the changes, with "admin" where only an admin token may make them.
		want []string
	}{
		"nothing": {func(*authz.Observed) {}, nil},
		"another account": {func(o *authz.Observed) {
			o.Roles[restoreRole]["bound_claims"] = map[string]any{"/kubernetes.io/serviceaccount/uid": "else"}
		}, []string{"(bound_claims) admin"}},
		"any account of the name": {func(o *authz.Observed) { delete(o.Roles[restoreRole], "bound_claims") }, []string{"(bound_claims) admin"}},
		"a further claim": {func(o *authz.Observed) {
			o.Roles[restoreRole]["bound_claims"] = map[string]any{"/kubernetes.io/serviceaccount/uid": restoreUID, "x": "y"}
		}, []string{"(bound_claims) admin"}},
		"another subject": {func(o *authz.Observed) { o.Roles[restoreRole]["bound_subject"] = "else" }, []string{"(bound_subject)"}},
		// Taking the claim away must not keep the rest from being repaired.
		"both": {func(o *authz.Observed) {
			o.Roles[restoreRole]["bound_subject"], o.Roles[restoreRole]["bound_claims"] = "else", nil
		}, []string{"(bound_subject)", "(bound_claims) admin"}},
	} {
		t.Run(name, func(t *testing.T) {
			observed := served(t, contract)
			tc.change(&observed)
			var got []string
			for _, c := range authz.Diff(contract, observed, recorded) {
				line := "(" + strings.Join(c.Fields, ",") + ")"
				if c.NeedsAdmin {
					line += " admin"
				}
				if c.Name != restoreRole || c.Conflict {
					line += " of " + c.Name
				}
				got = append(got, line)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("found %q, want %q", got, tc.want)
			}
		})
	}
	observed := served(t, contract)
	delete(observed.Roles, restoreRole)
	if plan := authz.Diff(contract, observed, recorded); len(plan) != 1 || !plan[0].NeedsAdmin || plan[0].Action != authz.Create {
		t.Errorf("a role that is gone: %+v", plan)
	}
}

// TestRestoreIsPinnedOnlyWhereRequested checks that the standing identity has no
// right on the restore's policy and role unless the spec asks for the restore.
func TestRestoreIsPinnedOnlyWhereRequested(t *testing.T) {
	for _, m := range []openbaov1alpha1.AuthorizationMode{openbaov1alpha1.AuthorizationObserve, openbaov1alpha1.AuthorizationEnforce} {
		with, _ := mustDesire(t, cluster(restoreOnly, mode(m)), inputs()).Bootstrapper()
		without, _ := mustDesire(t, cluster(mode(m)), inputs()).Bootstrapper()
		for _, path := range []string{"sys/policies/acl/" + restoreRole, "auth/jwt-operator/role/" + restoreRole} {
			if got := authz.RightsOf(without.Policy.Text).On(path); len(got) > 0 {
				t.Errorf("%s: may %q on %s without a restore", m, got, path)
			}
			if got := authz.RightsOf(with.Policy.Text).On(path); len(got) == 0 {
				t.Errorf("%s: may nothing on %s with a restore", m, path)
			}
		}
		pinned := authz.RightsOf(with.Policy.Text).On("auth/jwt-operator/role/" + authz.PinnedRoleName(restoreRole))
		if want := map[openbaov1alpha1.AuthorizationMode][]string{openbaov1alpha1.AuthorizationEnforce: {"update"}}[m]; !slices.Equal(pinned, want) {
			t.Errorf("%s: may %q on the pinned role, want %q", m, pinned, want)
		}
		for _, path := range []string{"auth/jwt-operator/role", "auth/jwt-operator/cel/role"} {
			if got := authz.RightsOf(without.Policy.Text).On(path); !slices.Equal(got, []string{"list"}) {
				t.Errorf("%s: may %q on %s", m, got, path)
			}
		}
	}
}
