// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// served returns what a server answers after the requests were made, in the
// types that decoded JSON has.
func served(t *testing.T, contract authz.Contract) authz.Observed {
	t.Helper()
	observed := authz.Observed{Policies: map[string]string{}, Roles: map[string]map[string]any{}}
	for _, r := range authz.Requests(contract) {
		raw, err := json.Marshal(r.Data)
		if err != nil {
			t.Fatal(err)
		}
		data := map[string]any{}
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		if err := decoder.Decode(&data); err != nil {
			t.Fatal(err)
		}
		switch r.Kind {
		case authz.KindMount:
			observed.Mount = &authz.Mount{Path: r.Name, Type: data["type"].(string), Description: "by someone"}
		case authz.KindConfig:
			data["status"] = "valid"
			data["jwks_url"] = ""
			data["provider_config"] = map[string]any{}
			data["namespace_in_state"] = true
			observed.Config = data
		case authz.KindPolicy:
			observed.Policies[r.Name] = data["policy"].(string)
		case authz.KindRole:
			data["callback_mode"] = "client"
			data["allowed_redirect_uris"] = nil
			observed.Roles[r.Name] = data
		}
	}
	return observed
}

// summary renders a plan for comparison.
func summary(p authz.Plan) []string {
	var lines []string
	for _, c := range p {
		line := fmt.Sprintf("%s %s %s", c.Action, c.Kind, c.Name)
		if len(c.Fields) > 0 {
			line += " (" + strings.Join(c.Fields, ",") + ")"
		}
		if c.Conflict {
			line += " conflict"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestDiff(t *testing.T) {
	contract := mustDesire(t, cluster(all), inputs())
	everything := authz.Recorded{Mount: "jwt-operator", Config: true, Policies: contract.PolicyNames(), Roles: contract.RoleNames()}
	role := func(name, field string, value any) func(*authz.Observed) {
		return func(o *authz.Observed) { o.Roles[name][field] = value }
	}
	config := func(field string, value any) func(*authz.Observed) {
		return func(o *authz.Observed) { o.Config[field] = value }
	}
	policy := func(name, text string) func(*authz.Observed) {
		return func(o *authz.Observed) { o.Policies[name] = text }
	}
	const backup, upgrade = "openbao-operator-backup", "openbao-operator-upgrade"

	for name, tc := range map[string]struct {
		mutate   func(*authz.Observed)
		recorded authz.Recorded
		want     []string
	}{
		"same": {func(*authz.Observed) {}, authz.Recorded{}, nil},
		"empty server": {func(o *authz.Observed) { *o = authz.Observed{} }, authz.Recorded{}, []string{
			"create mount jwt-operator", "create config jwt-operator",
			"create policy openbao-operator", "create role openbao-operator",
			"create policy openbao-operator-backup", "create role openbao-operator-backup",
			"create policy openbao-operator-restore", "create role openbao-operator-restore",
			"create policy openbao-operator-upgrade", "create role openbao-operator-upgrade",
		}},
		"other mount type": {
			func(o *authz.Observed) { o.Mount.Type = "oidc" }, everything,
			[]string{"update mount jwt-operator (type) conflict"},
		},

		"policy spelled otherwise": {
			policy(backup, "# nightly\npath \"/sys/storage/raft/snapshot\" {\n  capabilities = [\"read\", \"read\"]\n}\n"), authz.Recorded{}, nil,
		},
		"policy in two blocks": {
			policy("openbao-operator", `path "sys/step-down" { capabilities = ["update"] }
				path "sys/storage/raft/autopilot/configuration" { capabilities = ["update", "read"] }
				path "sys/health" { capabilities = ["read"] }
				path "sys/step-down" { capabilities = ["sudo"] }`), authz.Recorded{}, nil,
		},
		"policy grants more": {
			policy(backup, `path "sys/storage/raft/snapshot" { capabilities = ["read", "update"] }`), everything,
			[]string{"update policy openbao-operator-backup (policy)"},
		},
		"policy that expires": {
			func(o *authz.Observed) { o.Expiring = []string{"foreign", backup} }, everything,
			[]string{"update policy openbao-operator-backup (expiration)"},
		},
		"policy denies": {
			policy(backup, `path "sys/storage/raft/snapshot" { capabilities = ["read", "deny"] }`), everything,
			[]string{"update policy openbao-operator-backup (policy)"},
		},
		"policy with a parameter": {
			policy(backup, `path "sys/storage/raft/snapshot" { capabilities = ["read"]  allowed_parameters = { "a" = [] } }`), everything,
			[]string{"update policy openbao-operator-backup (policy)"},
		},
		"policy of someone else": {
			policy(backup, `path "secret/*" { capabilities = ["read"] }`), authz.Recorded{Roles: contract.RoleNames()},
			[]string{"update policy openbao-operator-backup (policy) conflict"},
		},
		"policy that does not parse": {
			policy(backup, `path "x" {`), everything, []string{"update policy openbao-operator-backup (policy)"},
		},

		"role with server defaults": {
			func(o *authz.Observed) {
				r := o.Roles[backup]
				r["expiration_leeway"], r["not_before_leeway"], r["clock_skew_leeway"] = json.Number("0"), nil, json.Number("0")
				r["bound_claims"], r["claim_mappings"], r["token_bound_cidrs"] = nil, nil, []any{}
				r["bound_claims_type"], r["token_type"] = "", ""
				delete(r, "token_strictly_bind_ip")
				delete(r, "token_policies_template_claims")
			}, authz.Recorded{}, nil,
		},
		"role with a duration in words": {role(backup, "token_ttl", "1h"), authz.Recorded{}, nil},
		"role of another subject": {
			role(backup, "bound_subject", "system:serviceaccount:other:x"), everything,
			[]string{"update role openbao-operator-backup (bound_subject)"},
		},
		"role without audience": {
			role(backup, "bound_audiences", nil), everything,
			[]string{"update role openbao-operator-backup (bound_audiences)"},
		},
		"role with one more policy": {
			role(upgrade, "token_policies", []any{"root-like", upgrade}), everything,
			[]string{"update role openbao-operator-upgrade (token_policies)"},
		},
		"role of type oidc with a period": {
			func(o *authz.Observed) {
				role(backup, "role_type", "oidc")(o)
				role(backup, "token_period", json.Number("60"))(o)
			}, everything,
			[]string{"update role openbao-operator-backup (role_type,token_period)"},
		},
		"role without the default policy": {
			role(backup, "token_no_default_policy", true), everything,
			[]string{"update role openbao-operator-backup (token_no_default_policy)"},
		},
		"role of someone else": {
			role(backup, "token_ttl", json.Number("60")), authz.Recorded{Policies: contract.PolicyNames()},
			[]string{"update role openbao-operator-backup (token_ttl) conflict"},
		},

		"key with other line breaks": {
			config("jwt_validation_pubkeys", []any{"\n-----BEGIN PUBLIC KEY-----\nQQ\n==\n-----END PUBLIC KEY-----\n\n"}), authz.Recorded{}, nil,
		},
		"other key": {
			config("jwt_validation_pubkeys", []any{"-----BEGIN PUBLIC KEY-----\nQg==\n-----END PUBLIC KEY-----"}), everything,
			[]string{"update config jwt-operator (jwt_validation_pubkeys)"},
		},
		"config of someone else": {
			func(o *authz.Observed) {
				config("jwks_url", "https://elsewhere/jwks")(o)
				config("jwt_validation_pubkeys", nil)(o)
			}, authz.Recorded{},
			[]string{"update config jwt-operator (jwks_url,jwt_validation_pubkeys) conflict"},
		},
		"any algorithm": {
			config("jwt_supported_algs", nil), everything, []string{"update config jwt-operator (jwt_supported_algs)"},
		},

		"recorded and no longer wanted": {
			func(o *authz.Observed) {
				o.Policies["old"], o.Policies["foreign"], o.Policies["openbao-operator-bootstrapper"] = "x", "x", "x"
				o.Roles["old-role"], o.Roles["foreign"] = map[string]any{}, map[string]any{}
			},
			// Only our own policies are ever deleted, whatever the record says.
			authz.Recorded{Policies: []string{"old", "gone", "openbao-operator-bootstrapper"}, Roles: []string{"old-role", "gone"}},
			[]string{"delete role old-role", "delete policy openbao-operator-bootstrapper"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			observed := served(t, contract)
			tc.mutate(&observed)
			got := summary(authz.Diff(contract, observed, tc.recorded))
			if !slices.Equal(got, tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

// TestDiffCarriesRequests checks that a plan for an empty server is the request list.
func TestDiffCarriesRequests(t *testing.T) {
	contract := mustDesire(t, cluster(all), inputs())
	plan := authz.Diff(contract, authz.Observed{}, authz.Recorded{})
	requests := authz.Requests(contract)
	if len(plan) != len(requests) {
		t.Fatalf("the plan has %d changes, the list %d requests", len(plan), len(requests))
	}
	for i, change := range plan {
		want := requests[i]
		if change.Request.ID != want.ID || change.Request.Path != want.Path || change.Kind != want.Kind || change.Name != want.Name {
			t.Errorf("change %d is %s %s, the request is %s %s", i, change.Kind, change.Request.Path, want.Kind, want.Path)
		}
		got := slices.Sorted(maps.Keys(change.Request.Data))
		if wantKeys := slices.Sorted(maps.Keys(want.Data)); !slices.Equal(got, wantKeys) {
			t.Errorf("change %d has the fields %v, the request %v", i, got, wantKeys)
		}
	}
}
