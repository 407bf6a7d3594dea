// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"strings"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

const (
	backupAccountSuffix  = "-backup-serviceaccount"
	upgradeAccountSuffix = "-upgrade-serviceaccount"
)

// BackupAccount returns the name of the ServiceAccount of the backup identity, which
// is in the namespace of the cluster.
func BackupAccount(c *openbaov1alpha1.OpenBaoCluster) string { return c.Name + backupAccountSuffix }

// UpgradeAccount returns the name of the ServiceAccount of the upgrade identity, which
// is in the namespace of the cluster.
func UpgradeAccount(c *openbaov1alpha1.OpenBaoCluster) string { return c.Name + upgradeAccountSuffix }

// ParseJobAccount returns the cluster and the identity whose ServiceAccount has the
// name. A cluster of that name need not exist.
func ParseJobAccount(name string) (cluster string, identity Identity, ok bool) {
	for _, account := range []struct {
		suffix   string
		identity Identity
	}{
		{backupAccountSuffix, Backup},
		{restoreAccountSuffix, Restore},
		{upgradeAccountSuffix, Upgrade},
	} {
		if cluster, found := strings.CutSuffix(name, account.suffix); found && cluster != "" {
			return cluster, account.identity, true
		}
	}
	return "", "", false
}
