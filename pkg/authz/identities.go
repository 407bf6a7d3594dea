// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"strings"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// Identity is one of the parties that work on a cluster.
type Identity string

const (
	// Operator maintains a running cluster.
	Operator Identity = "operator"
	// Backup streams snapshots to external storage.
	Backup Identity = "backup"
	// Restore overwrites the cluster from a snapshot.
	Restore Identity = "restore"
	// Upgrade moves the cluster to another version.
	Upgrade Identity = "upgrade"
)

// identity is what makes one identity differ from another.
type identity struct {
	name Identity
	// defaultName is the name of the policy, and of the role unless the spec
	// names another.
	defaultName string
	wanted      func(*openbaov1alpha1.OpenBaoCluster) bool
	// roleName returns the role's name in the spec, or ""; nil if it has none.
	roleName func(*openbaov1alpha1.OpenBaoCluster) string
	subject  func(*openbaov1alpha1.OpenBaoCluster) string
	policy   func(*openbaov1alpha1.OpenBaoCluster) string
}

// identities is the one table of the parties, in the order of the requests.
var identities = [...]identity{
	{
		name:        Operator,
		defaultName: "openbao-operator",
		wanted:      func(*openbaov1alpha1.OpenBaoCluster) bool { return true },
		subject:     func(*openbaov1alpha1.OpenBaoCluster) string { return "" },
		policy:      func(*openbaov1alpha1.OpenBaoCluster) string { return operatorPolicy },
	},
	{
		name:        Backup,
		defaultName: "openbao-operator-backup",
		wanted:      func(c *openbaov1alpha1.OpenBaoCluster) bool { return c.Spec.Backup != nil },
		roleName:    func(c *openbaov1alpha1.OpenBaoCluster) string { return c.Spec.Backup.JWTAuthRole },
		subject:     jobSubject("-backup-serviceaccount"),
		policy:      func(*openbaov1alpha1.OpenBaoCluster) string { return backupPolicy },
	},
	{
		name:        Restore,
		defaultName: "openbao-operator-restore",
		wanted:      func(c *openbaov1alpha1.OpenBaoCluster) bool { return c.Spec.Restore != nil },
		roleName:    func(c *openbaov1alpha1.OpenBaoCluster) string { return c.Spec.Restore.JWTAuthRole },
		subject:     jobSubject("-restore-serviceaccount"),
		policy:      func(*openbaov1alpha1.OpenBaoCluster) string { return restorePolicy },
	},
	{
		name:        Upgrade,
		defaultName: "openbao-operator-upgrade",
		wanted:      func(c *openbaov1alpha1.OpenBaoCluster) bool { return c.Spec.Upgrade != nil },
		roleName:    func(c *openbaov1alpha1.OpenBaoCluster) string { return c.Spec.Upgrade.JWTAuthRole },
		subject:     jobSubject("-upgrade-serviceaccount"),
		policy: func(c *openbaov1alpha1.OpenBaoCluster) string {
			if c.Spec.Upgrade.Strategy == openbaov1alpha1.UpgradeBlueGreen {
				return upgradeBlueGreenPolicy
			}
			return upgradeRollingPolicy
		},
	},
}

// reservedFor returns the identity whose default name it is.
func reservedFor(name string) (Identity, bool) {
	for _, id := range identities {
		if id.defaultName == name {
			return id.name, true
		}
	}
	return "", false
}

// jobSubject returns the sub claim of a job's ServiceAccount, which is named
// after the cluster and lives beside it.
func jobSubject(suffix string) func(*openbaov1alpha1.OpenBaoCluster) string {
	return func(c *openbaov1alpha1.OpenBaoCluster) string {
		return ServiceAccountSubject(c.Namespace, c.Name+suffix)
	}
}

// The texts of the policies are published word by word in the operator's
// authorization document; line order and spacing are part of it.
var (
	operatorPolicy = lines(
		`path "sys/health" { capabilities = ["read"] }`,
		`path "sys/step-down" { capabilities = ["sudo", "update"] }`,
		`path "sys/storage/raft/autopilot/configuration" { capabilities = ["read", "update"] }`,
	)
	backupPolicy = lines(
		`path "sys/storage/raft/snapshot" { capabilities = ["read"] }`,
	)
	restorePolicy = lines(
		`path "sys/storage/raft/snapshot-force" { capabilities = ["update"] }`,
	)
	upgradeRollingPolicy = lines(
		`path "sys/health" { capabilities = ["read"] }`,
		`path "sys/step-down" { capabilities = ["sudo", "update"] }`,
		`path "sys/storage/raft/snapshot" { capabilities = ["read"] }`,
		`path "sys/storage/raft/autopilot/state" { capabilities = ["read"] }`,
	)
	upgradeBlueGreenPolicy = lines(
		upgradeRollingPolicy,
		`path "sys/storage/raft/join" { capabilities = ["update"] }`,
		`path "sys/storage/raft/configuration" { capabilities = ["read", "update"] }`,
		`path "sys/storage/raft/remove-peer" { capabilities = ["update"] }`,
		`path "sys/storage/raft/promote" { capabilities = ["update"] }`,
		`path "sys/storage/raft/demote" { capabilities = ["update"] }`,
	)
)

func lines(l ...string) string { return strings.Join(l, "\n") }
