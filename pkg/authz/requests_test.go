// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"slices"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

func TestRequests(t *testing.T) {
	contract := mustDesire(t, cluster(all), inputs())
	requests := authz.Requests(contract)
	var paths []string
	for _, r := range requests {
		paths = append(paths, r.Path)
	}
	want := []string{
		"sys/auth/jwt-operator",
		"auth/jwt-operator/config",
		"sys/policies/acl/openbao-operator", "auth/jwt-operator/role/openbao-operator",
		"sys/policies/acl/openbao-operator-backup", "auth/jwt-operator/role/openbao-operator-backup",
		"sys/policies/acl/openbao-operator-restore", "auth/jwt-operator/role/openbao-operator-restore",
		"sys/policies/acl/openbao-operator-upgrade", "auth/jwt-operator/role/openbao-operator-upgrade",
	}
	if !slices.Equal(paths, want) {
		t.Errorf("got paths %v, want %v", paths, want)
	}
	if got := requests[1].Data["bound_issuer"]; got != issuer {
		t.Errorf("bound_issuer %v", got)
	}
	if got := requests[1].Data["jwt_supported_algs"]; !slices.Equal(got.([]string), []string{"RS256"}) {
		t.Errorf("jwt_supported_algs %v", got)
	}
	role := requests[3].Data
	for field, want := range map[string]any{
		"role_type": "jwt", "user_claim": "sub", "bound_subject": subject, "token_ttl": "3600s", "token_max_ttl": "3600s",
		"token_no_default_policy": false, "token_period": "0s", "bound_claims_type": "string",
	} {
		if role[field] != want {
			t.Errorf("role field %s is %v, want %v", field, role[field], want)
		}
	}
}

func TestDigestFollowsTheContract(t *testing.T) {
	base := authz.Digest(mustDesire(t, cluster(all), inputs()))
	if again := authz.Digest(mustDesire(t, cluster(all), inputs())); again != base {
		t.Errorf("the digest is not stable: %s, %s", base, again)
	}
	rotated := inputs()
	rotated.Keys = append(rotated.Keys, authz.Key{ID: "b", Algorithm: "ES256", PEM: "x"})
	for name, contract := range map[string]authz.Contract{
		"strategy": mustDesire(t, cluster(all, func(s *openbaov1alpha1.OpenBaoClusterSpec) {
			s.Upgrade.Strategy = openbaov1alpha1.UpgradeBlueGreen
		}), inputs()),
		"keys":   mustDesire(t, cluster(all), rotated),
		"backup": mustDesire(t, cluster(all, func(s *openbaov1alpha1.OpenBaoClusterSpec) { s.Backup = nil }), inputs()),
	} {
		if authz.Digest(contract) == base {
			t.Errorf("another %s has the same digest", name)
		}
	}
	// The order in which keys are published says nothing.
	swapped := inputs()
	swapped.Keys = []authz.Key{rotated.Keys[1], rotated.Keys[0]}
	if authz.Digest(mustDesire(t, cluster(all), swapped)) != authz.Digest(mustDesire(t, cluster(all), rotated)) {
		t.Error("the digest depends on the order of the keys")
	}
}
