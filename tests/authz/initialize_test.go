// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
	"github.com/openbao/openbao/api/v2"
	"k8s.io/apimachinery/pkg/runtime"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// TestInitializeGivesTheSameState replays the rendered initialize stanza, parsed as
// a server parses it, and compares the outcome with that of the API requests.
func TestInitializeGivesTheSameState(t *testing.T) {
	signer := newSigner(t, "a")
	for name, contract := range map[string]authz.Contract{
		"document, enforced":           desired(t, cluster(), signer.key),
		"minimal, blue/green, observe": desired(t, cluster(minimal, blueGreen, observe), signer.key),
	} {
		t.Run(name, func(t *testing.T) {
			byAPI, byStanza := rootClient(t, fresh(t)), rootClient(t, fresh(t))
			send(t, byAPI, authz.Requests(contract))
			for _, r := range parseInitialize(t, authz.RenderInitialize(contract)) {
				// What the stanza's requests are carried out with sends no types of its own.
				if _, err := byStanza.Logical().WriteWithContext(t.Context(), r.Path, r.Data); err != nil {
					t.Fatalf("Request %s: %v", r.ID, err)
				}
			}
			want, got := stateOf(t, byAPI), stateOf(t, byStanza)
			if len(want.policies) < len(contract.PolicyNames()) || len(want.roles) != len(contract.RoleNames()) {
				t.Fatalf("the API requests left the policies %v and the roles %v", maps.Keys(want.policies), maps.Keys(want.roles))
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("the stanza leaves\n%v\nthe API requests leave\n%v", got, want)
			}
			// And both are what the contract wants.
			for _, client := range []*api.Client{byAPI, byStanza} {
				if plan := authz.Diff(contract, observed(t, client), authz.Recorded{}); len(plan) > 0 {
					t.Errorf("the server differs: %+v", plan)
				}
			}
		})
	}
}

// TestDiffFindsEveryField changes one field of a role after the other, and repairs
// it with the request of the plan.
func TestDiffFindsEveryField(t *testing.T) {
	server := fresh(t)
	root := rootClient(t, server)
	contract := desired(t, cluster(), newSigner(t, "a").key)
	send(t, root, authz.Requests(contract))
	recorded := authz.Recorded{Mount: authz.MountPath, Config: true, Policies: contract.PolicyNames(), Roles: contract.RoleNames()}
	const role = "openbao-operator-backup"
	path := authz.RolePath(authz.MountPath, role)
	for field, value := range map[string]any{
		"user_claim": "iss", "user_claim_json_pointer": true, "groups_claim": "groups",
		"bound_subject": "x", "bound_audiences": []string{"a", "b"}, "bound_claims_type": "glob",
		"bound_claims": map[string]any{"a": "b"}, "claim_mappings": map[string]any{"sub": "who"},
		"expiration_leeway": 1, "not_before_leeway": "2s", "clock_skew_leeway": 3,
		"token_policies": []string{"openbao-operator"}, "token_ttl": 60, "token_max_ttl": "2h",
		"token_explicit_max_ttl": 60, "token_period": 60, "token_num_uses": 7,
		"token_bound_cidrs": []string{"127.0.0.0/8"}, "token_type": "batch", "token_no_default_policy": true,
	} {
		// A write of one field makes a role of type oidc unless it says otherwise.
		write(t, root, path, map[string]any{"role_type": "jwt", "bound_claims_type": "string", field: value})
		plan := authz.Diff(contract, observed(t, root), recorded)
		if len(plan) != 1 || plan[0].Name != role || !slices.Equal(plan[0].Fields, []string{field}) {
			t.Errorf("%s: got the plan %+v", field, plan)
			continue
		}
		// The bootstrapper's whole write undoes it.
		write(t, root, plan[0].Request.Path, plan[0].Request.Data)
		if plan := authz.Diff(contract, observed(t, root), recorded); len(plan) > 0 {
			t.Fatalf("%s: after the repair there is still %+v", field, plan)
		}
	}
}

func write(t *testing.T, client *api.Client, path string, data map[string]any) {
	t.Helper()
	if _, err := client.Logical().WriteWithContext(t.Context(), path, data); err != nil {
		t.Fatalf("Writing %s: %v", path, err)
	}
}

// state is all that the requests of a contract leave on a server.
type state struct {
	mounts   map[string]string
	config   map[string]any
	policies map[string]string
	roles    map[string]map[string]any
}

func stateOf(t *testing.T, client *api.Client) state {
	t.Helper()
	s := state{mounts: map[string]string{}, policies: map[string]string{}, roles: map[string]map[string]any{}}
	mounts, err := client.Sys().ListAuthWithContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for path, mount := range mounts {
		s.mounts[path] = mount.Type + " " + mount.Description
	}
	s.config = read(t, client, authz.ConfigPath(authz.MountPath))
	names, err := client.Sys().ListPoliciesWithContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if s.policies[name], err = client.Sys().GetPolicyWithContext(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range roleNames(t, client) {
		s.roles[name] = read(t, client, authz.RolePath(authz.MountPath, name))
	}
	return s
}

// observed returns what the operator would read.
func observed(t *testing.T, client *api.Client) authz.Observed {
	t.Helper()
	s := stateOf(t, client)
	mountType, description, _ := strings.Cut(s.mounts[authz.MountPath+"/"], " ")
	return authz.Observed{
		Mount:  &authz.Mount{Path: authz.MountPath, Type: mountType, Description: description},
		Config: s.config, Policies: s.policies, Roles: s.roles,
	}
}

func read(t *testing.T, client *api.Client, path string) map[string]any {
	t.Helper()
	secret, err := client.Logical().ReadWithContext(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if secret == nil {
		t.Fatalf("there is nothing at %s", path)
	}
	return secret.Data
}

func roleNames(t *testing.T, client *api.Client) []string {
	t.Helper()
	secret, err := client.Logical().ListWithContext(t.Context(), "auth/"+authz.MountPath+"/role")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	if secret != nil {
		for _, key := range secret.Data["keys"].([]any) {
			names = append(names, key.(string))
		}
	}
	return names
}

// parseInitialize reads an initialize stanza as a server does
// (helper/profiles/config.go of OpenBao).
func parseInitialize(t *testing.T, text []byte) []authz.Request {
	t.Helper()
	file, err := hcl.ParseBytes(text)
	if err != nil {
		t.Fatal(err)
	}
	var requests []authz.Request
	for _, stanza := range file.Node.(*ast.ObjectList).Filter("initialize").Items {
		for _, item := range stanza.Val.(*ast.ObjectType).List.Filter("request").Items {
			var body struct {
				Operation string         `hcl:"operation"`
				Path      string         `hcl:"path"`
				Data      map[string]any `hcl:"data"`
			}
			if err := hcl.DecodeObject(&body, item.Val); err != nil {
				t.Fatal(err)
			}
			requests = append(requests, authz.Request{
				ID: item.Keys[0].Token.Value().(string), Operation: body.Operation, Path: body.Path, Data: body.Data,
			})
		}
	}
	return requests
}

func minimal(s *openbaov1alpha1.OpenBaoClusterSpec) {
	s.Authorization.Profile = openbaov1alpha1.ProfileMinimal
}

func blueGreen(s *openbaov1alpha1.OpenBaoClusterSpec) {
	s.Upgrade.Strategy = openbaov1alpha1.UpgradeBlueGreen
}

func observe(s *openbaov1alpha1.OpenBaoClusterSpec) {
	s.Authorization.Mode = openbaov1alpha1.AuthorizationObserve
}

// TestSelfInitRequestsAreCarriedOut replays requests of a user, parsed as a server
// parses them.
func TestSelfInitRequestsAreCarriedOut(t *testing.T) {
	root := rootClient(t, fresh(t))
	const policy = "path \"secret/*\" {\n  capabilities = [\"read\"] # ${x}\n}"
	text, err := authz.RenderSelfInit([]openbaov1alpha1.SelfInitRequest{
		{
			Name: "policy", Operation: openbaov1alpha1.RequestUpdate, Path: "sys/policies/acl/people",
			Policy: &openbaov1alpha1.PolicyRequest{Policy: policy},
		},
		{
			Name: "mount", Operation: openbaov1alpha1.RequestUpdate, Path: "sys/auth/people",
			AuthMethod: &openbaov1alpha1.AuthMethodRequest{Type: "jwt", Description: "d", Config: map[string]string{"default_lease_ttl": "2h"}},
		},
		{
			Name: "role", Operation: openbaov1alpha1.RequestUpdate, Path: "auth/people/role/people",
			Data: &runtime.RawExtension{Raw: []byte(`{"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["a"], "token_ttl": 60,
				"bound_claims": {"team": ["x", "${y}"], "level": 3}, "token_policies": ["people"], "groups_claim": null}`)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range parseInitialize(t, text) {
		write(t, root, r.Path, merged(r.Data))
	}
	if got, err := root.Sys().GetPolicyWithContext(t.Context(), "people"); err != nil || got != policy {
		t.Errorf("the policy is %q, %v", got, err)
	}
	mounts, err := root.Sys().ListAuthWithContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m := mounts["people/"]; m == nil || m.Type != "jwt" || m.Description != "d" || m.Config.DefaultLeaseTTL != 7200 {
		t.Errorf("the mount is %+v", m)
	}
	role := read(t, root, "auth/people/role/people")
	if got := fmt.Sprintf("%v %v %v", role["token_ttl"], role["token_policies"], role["bound_claims"]); got != "60 [people] map[level:3 team:[x ${y}]]" {
		t.Errorf("the role has %s", got)
	}
}

// merged makes one object again of each list of objects that the parser makes of a
// member, as a server does (maybeEvaluateTypedField in helper/profiles of OpenBao).
func merged(object map[string]any) map[string]any {
	for name, value := range object {
		if parts, ok := value.([]map[string]any); ok {
			one := map[string]any{}
			for _, part := range parts {
				maps.Copy(one, merged(part))
			}
			object[name] = one
		}
	}
	return object
}
