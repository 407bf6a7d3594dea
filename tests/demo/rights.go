// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// account is a ServiceAccount.
type account struct{ namespace, name string }

// String returns the name as people write it.
func (a account) String() string { return a.namespace + "/" + a.name }

// subject returns the sub claim of the account's tokens.
func (a account) subject() string { return "system:serviceaccount:" + a.namespace + ":" + a.name }

// expectation is what one identity of a cluster must get.
type expectation struct {
	policy, role string
	account      account
	// capabilities are sorted; paths that are not listed are denied.
	capabilities map[string][]string
}

// The rights of the identities, as the documentation of the authorization has
// them. They are spelled out here once more, so that the operator's idea of them
// is checked and not repeated.
var (
	operatorRights = map[string][]string{
		"sys/health":    {"read"},
		"sys/step-down": {"sudo", "update"},
		autopilotConfig: {"read", "update"},
	}
	backupRights         = map[string][]string{snapshot: {"read"}}
	restoreRights        = map[string][]string{"sys/storage/raft/snapshot-force": {"update"}}
	rollingUpgradeRights = map[string][]string{
		"sys/health":    {"read"},
		"sys/step-down": {"sudo", "update"},
		snapshot:        {"read"},
		autopilotState:  {"read"},
	}
	// blueGreenRights come on top of those of a rolling upgrade.
	blueGreenRights = map[string][]string{
		"sys/storage/raft/join":          {"update"},
		"sys/storage/raft/configuration": {"read", "update"},
		"sys/storage/raft/remove-peer":   {"update"},
		"sys/storage/raft/promote":       {"update"},
		"sys/storage/raft/demote":        {"update"},
	}
)

const (
	autopilotConfig = "sys/storage/raft/autopilot/configuration"
	autopilotState  = "sys/storage/raft/autopilot/state"
	snapshot        = "sys/storage/raft/snapshot"
)

// readable are the paths of the catalogue that anyone with the right can read at
// any time, and that need a token.
var readable = []string{autopilotConfig, autopilotState, snapshot, "sys/policies/acl/openbao-operator", "auth/jwt-operator/config"}

// catalogue returns the paths on which rights are compared: all that any
// identity may use, and what none may.
func catalogue() []string {
	paths := map[string]bool{}
	for _, rights := range []map[string][]string{operatorRights, backupRights, restoreRights, rollingUpgradeRights, blueGreenRights} {
		for path := range rights {
			paths[path] = true
		}
	}
	for _, path := range []string{
		"auth/jwt-operator/config", "auth/jwt-operator/role/openbao-operator", "auth/jwt-operator/role/new",
		"auth/token/create", "auth/token/create-orphan", "auth/token/root",
		"identity/entity", "secret/data/anything", "cubbyhole-of-someone/x",
		"sys/audit/file", "sys/auth", "sys/auth/jwt-operator", "sys/config/cors", "sys/generate-root/attempt",
		"sys/mounts", "sys/mounts/secret", "sys/policies/acl/openbao-operator", "sys/policies/acl/new", "sys/policy/root",
		"sys/raw/core/keyring", "sys/rekey/init", "sys/rotate", "sys/seal",
		"sys/storage/raft/bootstrap/challenge", "sys/storage/raft/autopilot/anything",
	} {
		paths[path] = true
	}
	return slices.Sorted(maps.Keys(paths))
}

// expectations returns what the identities of a cluster must get.
func expectations(cluster *openbaov1alpha1.OpenBaoCluster) []expectation {
	operator := account{operatorNamespace, operatorAccount}
	if ref := cluster.Spec.Authorization.OperatorServiceAccount; ref != nil {
		operator = account{cmp.Or(ref.Namespace, cluster.Namespace), ref.Name}
	}
	out := []expectation{{"openbao-operator", "openbao-operator", operator, operatorRights}}
	add := func(job, role string, rights ...map[string][]string) {
		policy := "openbao-operator-" + job
		all := map[string][]string{}
		for _, r := range rights {
			maps.Copy(all, r)
		}
		out = append(out, expectation{
			policy: policy, role: strings.ToLower(cmp.Or(role, policy)),
			account:      account{cluster.Namespace, cluster.Name + "-" + job + "-serviceaccount"},
			capabilities: all,
		})
	}
	if s := cluster.Spec.Backup; s != nil {
		add("backup", s.JWTAuthRole, backupRights)
	}
	if s := cluster.Spec.Restore; s != nil {
		add("restore", s.JWTAuthRole, restoreRights)
	}
	if s := cluster.Spec.Upgrade; s != nil && s.Strategy == openbaov1alpha1.UpgradeBlueGreen {
		add("upgrade", s.JWTAuthRole, rollingUpgradeRights, blueGreenRights)
	} else if s != nil {
		add("upgrade", s.JWTAuthRole, rollingUpgradeRights)
	}
	return out
}

func accountsOf(expected []expectation) []account {
	var out []account
	for _, e := range expected {
		out = append(out, e.account)
	}
	return out
}
