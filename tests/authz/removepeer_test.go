// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

const serversSubject = "system:serviceaccount:bailiwick-system:bailiwick-servers"

// removing returns the contract of servers that Bailiwick runs while one leaves, or none
// if the name is empty.
func removing(t *testing.T, server string, key authz.Key, mutate ...func(*openbaov1alpha1.OpenBaoClusterSpec)) authz.Contract {
	t.Helper()
	c := cluster(append([]func(*openbaov1alpha1.OpenBaoClusterSpec){func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Restore = nil }}, mutate...)...)
	c.Status.Initialized = new(true)
	if server != "" {
		c.Status.Membership = &openbaov1alpha1.MembershipStatus{Removing: &openbaov1alpha1.RemovingStatus{
			Server: server, Since: metav1.Now(), Reason: openbaov1alpha1.RemovalScaleDown,
		}}
	}
	contract, err := authz.Desired(c, authz.Inputs{
		Issuer: issuer, Keys: []authz.Key{key}, Audience: audience, OperatorSubject: operatorSubject, BootstrapperSubject: bootstrapperSubject,
		RunsServers: true, ServersSubject: serversSubject,
	})
	if err != nil {
		t.Fatal(err)
	}
	return contract
}

// TestRemovePeer has the standing identity write the identity that removes a server, for
// one server after the other, and checks that this one can ask for nothing but that.
func TestRemovePeer(t *testing.T) {
	for name, mutate := range map[string][]func(*openbaov1alpha1.OpenBaoClusterSpec){"document": nil, "minimal": {minimal}} {
		t.Run(name, func(t *testing.T) {
			server := fresh(t)
			root, signer := rootClient(t, server), newSigner(t, "a")
			standing := removing(t, "", signer.key, mutate...)
			send(t, root, authz.Requests(standing))
			own, _ := standing.Bootstrapper()
			bootstrapper := logIn(t, server, signer, own)
			recorded := authz.Recorded{Mount: authz.MountPath, Config: true, Policies: standing.PolicyNames(), Roles: standing.RoleNames()}

			for ordinal := range 9 {
				leaves := fmt.Sprintf("prod-%d", ordinal)
				contract := removing(t, leaves, signer.key, mutate...)
				plan := authz.Diff(contract, readAll(t, bootstrapper, contract), recorded)
				if len(plan) == 0 || len(plan.Repairable()) != len(plan) {
					t.Fatalf("%s: the plan is %+v", leaves, plan)
				}
				for _, c := range plan {
					if err := apply(t, bootstrapper, c); err != nil {
						t.Fatalf("%s: %s %s %s: %v", leaves, c.Action, c.Kind, c.Name, err)
					}
				}
				recorded.Policies, recorded.Roles = contract.PolicyNames(), contract.RoleNames()
				grant := contract.Grants[slices.IndexFunc(contract.Grants, func(g authz.Grant) bool { return g.Identity == authz.RemovePeer })]
				remover := logIn(t, server, signer, grant)
				answers, err := remover.CapabilitiesSelf(t.Context(), authz.Catalogue(contract)...)
				if err != nil {
					t.Fatal(err)
				}
				if proof := authz.CompareCapabilities(grant, answers); len(proof.Missing)+len(proof.Excess) > 0 {
					t.Errorf("%s: %+v", leaves, proof)
				}
				const path = "sys/storage/raft/remove-peer"
				// What the rule lets through fails for a reason of its own, or removes nobody:
				// the one server that there is has another id.
				if got, body := remover.send(t, server, put(path, map[string]any{"server_id": leaves})); got == http.StatusForbidden {
					t.Errorf("%s cannot be removed: status %d: %s", leaves, got, body)
				}
				other := fmt.Sprintf("prod-%d", (ordinal+1)%9)
				for _, data := range []any{
					nil, map[string]any{}, map[string]any{"server_id": other}, map[string]any{"server_id": "other-3"}, map[string]any{"server_id": leaves + "0"},
					map[string]any{"server_id": ""}, map[string]any{"server_id": "*"}, map[string]any{"server_id": []string{leaves}},
					map[string]any{"server_id": []string{leaves, other}}, map[string]any{"server_id": leaves, "dr_operation_token": "x"},
					map[string]any{"server_id": leaves, "SERVER_ID": other}, map[string]any{"SERVER_ID": leaves}, map[string]any{"Server_ID": other},
				} {
					got, body := remover.send(t, server, put(path, data))
					if got != http.StatusForbidden && (got != http.StatusBadRequest || !strings.Contains(body, "error converting input")) {
						t.Errorf("%s: %v: status %d, want 403: %s", leaves, data, got, body)
					}
				}
				for _, a := range []attempt{
					get(path), remove(path), get("sys/storage/raft/configuration"), put("sys/storage/raft/demote", map[string]any{"server_id": leaves}),
					put("sys/storage/raft/promote", map[string]any{"server_id": leaves}), get("sys/storage/raft/snapshot"),
					put(authz.PolicyPath(authz.RemovePeerRole), map[string]any{"policy": grant.Policy.Text}),
				} {
					if got, body := remover.send(t, server, a); got != http.StatusForbidden {
						t.Errorf("%s: %s %s: status %d, want 403: %s", leaves, a.method, a.path, got, body)
					}
				}
			}

			// Nothing but those texts and that role can be written under the name.
			contract := removing(t, "prod-3", signer.key, mutate...)
			var policy, role map[string]any
			for _, r := range authz.Requests(contract) {
				switch {
				case r.Name == authz.RemovePeerRole && r.Kind == authz.KindPolicy:
					policy = r.Data
				case r.Name == authz.RemovePeerRole && r.Kind == authz.KindRole:
					role = r.Data
				}
			}
			before := stateOf(t, root)
			text := policy["policy"].(string)
			for _, other := range []string{
				strings.ReplaceAll(text, "prod-3", "prod-9"), strings.ReplaceAll(text, "prod-3", "other-3"), strings.ReplaceAll(text, "prod-3", "*"),
				strings.ReplaceAll(text, `"prod-3"`, `"prod-3", "prod-2"`), strings.ReplaceAll(text, `["prod-3"]`, "[]"), text + "\n" + text,
				`path "sys/storage/raft/remove-peer" { capabilities = ["update"] }`,
			} {
				if other == text {
					t.Fatal("the edit changes nothing")
				}
				if got, body := bootstrapper.send(t, server, put(authz.PolicyPath(authz.RemovePeerRole), map[string]any{"policy": other})); got != http.StatusForbidden {
					t.Errorf("the policy %q: status %d, want 403: %s", other, got, body)
				}
			}
			pinned := authz.RolePath(authz.MountPath, authz.PinnedRoleName(authz.RemovePeerRole))
			for field, value := range map[string]any{
				"bound_subject": operatorSubject, "token_policies": []string{"openbao-operator"}, "bound_audiences": []string{"x"}, "token_ttl": "7200s",
			} {
				data := maps.Clone(role)
				data[field] = value
				if got, body := bootstrapper.send(t, server, put(pinned, data)); got != http.StatusForbidden {
					t.Errorf("the role with another %s: status %d, want 403: %s", field, got, body)
				}
			}
			if after := stateOf(t, root); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("the server changed from\n%v\nto\n%v", before, after)
			}

			// And it goes again.
			plan := authz.Diff(standing, readAll(t, bootstrapper, contract), recorded)
			if len(plan) != 2 || len(plan.Repairable()) != 2 {
				t.Fatalf("the end of it takes %+v", plan)
			}
			for _, c := range plan {
				if err := apply(t, bootstrapper, c); err != nil {
					t.Fatal(err)
				}
			}
			if plan := authz.Diff(standing, readAll(t, bootstrapper, contract), recorded); len(plan) > 0 {
				t.Errorf("left is %+v", plan)
			}
		})
	}
}
