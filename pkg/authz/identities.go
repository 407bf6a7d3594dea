// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"slices"

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
	// Membership reads who is part of the cluster, where Bailiwick runs the servers.
	Membership Identity = "membership"
	// RemovePeer removes one server from a cluster whose servers Bailiwick runs, and is
	// there only while that is under way.
	RemovePeer Identity = "remove-peer"
	// Bootstrapper keeps the contract in the modes Observe and Enforce.
	Bootstrapper Identity = "bootstrapper"
)

// identity is what makes one identity differ from another.
type identity struct {
	name Identity
	// defaultName is the name of the policy, and of the role unless the spec
	// names another.
	defaultName string
	// ownServers means that it exists only where Bailiwick runs the servers.
	ownServers bool
	// enforced means that it exists only in mode Enforce: it comes and goes too often to
	// ask for an admin token.
	enforced bool
	wanted   func(*openbaov1alpha1.OpenBaoCluster) bool
	// roleName returns the role's name in the spec, or ""; nil if it has none.
	roleName func(*openbaov1alpha1.OpenBaoCluster) string
	subject  func(*openbaov1alpha1.OpenBaoCluster) string
	policy   func(openbaov1alpha1.AuthorizationProfile, variant) string
}

// variant is what the texts of policies depend on besides the profile.
type variant struct {
	strategy openbaov1alpha1.UpgradeStrategy
	// server is the one that leaves the cluster, empty if none does.
	server string
}

// variantOf returns the variant of a cluster as it is now.
func variantOf(c *openbaov1alpha1.OpenBaoCluster) variant {
	return variant{strategyOf(c), ServerToRemove(c)}
}

// variantsOf returns all variants of a cluster in which every policy can be wanted.
func variantsOf(c *openbaov1alpha1.OpenBaoCluster) []variant {
	var variants []variant
	for _, strategy := range []openbaov1alpha1.UpgradeStrategy{openbaov1alpha1.UpgradeRollingUpdate, openbaov1alpha1.UpgradeBlueGreen} {
		for ordinal := range maxServers {
			variants = append(variants, variant{strategy, serverName(c, ordinal)})
		}
	}
	return variants
}

// identities is the one table of the parties, in the order of the requests.
var identities = [...]identity{
	{
		name:        Operator,
		defaultName: "openbao-operator",
		wanted:      func(*openbaov1alpha1.OpenBaoCluster) bool { return true },
		subject:     func(*openbaov1alpha1.OpenBaoCluster) string { return "" },
		policy:      always(operatorPolicy, minimalOperatorPolicy),
	},
	{
		name:        Backup,
		defaultName: "openbao-operator-backup",
		wanted:      func(c *openbaov1alpha1.OpenBaoCluster) bool { return c.Spec.Backup != nil },
		roleName: func(c *openbaov1alpha1.OpenBaoCluster) string {
			if c.Spec.Backup == nil {
				return ""
			}
			return c.Spec.Backup.JWTAuthRole
		},
		subject: jobSubject(backupAccountSuffix),
		policy:  always(backupPolicy, minimalBackupPolicy),
	},
	{
		name:        Restore,
		defaultName: "openbao-operator-restore",
		wanted:      func(c *openbaov1alpha1.OpenBaoCluster) bool { return c.Spec.Restore != nil },
		roleName: func(c *openbaov1alpha1.OpenBaoCluster) string {
			if c.Spec.Restore == nil {
				return ""
			}
			return c.Spec.Restore.JWTAuthRole
		},
		subject: jobSubject(restoreAccountSuffix),
		policy:  always(restorePolicy, minimalRestorePolicy),
	},
	{
		name:        Upgrade,
		defaultName: "openbao-operator-upgrade",
		wanted:      func(c *openbaov1alpha1.OpenBaoCluster) bool { return c.Spec.Upgrade != nil },
		roleName: func(c *openbaov1alpha1.OpenBaoCluster) string {
			if c.Spec.Upgrade == nil {
				return ""
			}
			return c.Spec.Upgrade.JWTAuthRole
		},
		subject: jobSubject(upgradeAccountSuffix),
		policy: func(profile openbaov1alpha1.AuthorizationProfile, s variant) string {
			if s.strategy == openbaov1alpha1.UpgradeBlueGreen {
				return always(upgradeBlueGreenPolicy, minimalUpgradeBlueGreenPolicy)(profile, s)
			}
			return always(upgradeRollingPolicy, minimalUpgradeRollingPolicy)(profile, s)
		},
	},
	{
		name:        Membership,
		defaultName: "bailiwick-membership",
		ownServers:  true,
		wanted:      func(*openbaov1alpha1.OpenBaoCluster) bool { return true },
		subject:     func(*openbaov1alpha1.OpenBaoCluster) string { return "" },
		policy:      always(membershipPolicy, minimalMembershipPolicy),
	},
	{
		name:        RemovePeer,
		defaultName: RemovePeerRole,
		ownServers:  true,
		enforced:    true,
		wanted:      func(c *openbaov1alpha1.OpenBaoCluster) bool { return ServerToRemove(c) != "" },
		subject:     func(*openbaov1alpha1.OpenBaoCluster) string { return "" },
		policy: func(profile openbaov1alpha1.AuthorizationProfile, s variant) string {
			text := removePeerPolicy(s.server)
			return always(text, lines(text, selfServicePolicy))(profile, s)
		},
	},
}

// always returns the text of a profile, whatever the strategy is.
func always(document, minimal string) func(openbaov1alpha1.AuthorizationProfile, variant) string {
	return func(profile openbaov1alpha1.AuthorizationProfile, _ variant) string {
		if profile == openbaov1alpha1.ProfileMinimal {
			return minimal
		}
		return document
	}
}

// texts returns all texts that the policy of an identity can have for a cluster, each
// once.
func (id identity) texts(c *openbaov1alpha1.OpenBaoCluster, profile openbaov1alpha1.AuthorizationProfile) []string {
	var texts []string
	for _, s := range variantsOf(c) {
		if text := id.policy(profile, s); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}

// strategyOf returns the strategy of a cluster's upgrades.
func strategyOf(c *openbaov1alpha1.OpenBaoCluster) openbaov1alpha1.UpgradeStrategy {
	if c.Spec.Upgrade != nil && c.Spec.Upgrade.Strategy != "" {
		return c.Spec.Upgrade.Strategy
	}
	return openbaov1alpha1.UpgradeRollingUpdate
}

// identityNamed returns a row of the table, or an empty one.
func identityNamed(name Identity) identity {
	for _, id := range identities {
		if id.name == name {
			return id
		}
	}
	return identity{}
}

// RestoreAccount returns the name of the ServiceAccount of the restore identity, which
// is in the namespace of the cluster.
func RestoreAccount(c *openbaov1alpha1.OpenBaoCluster) string { return c.Name + restoreAccountSuffix }

const restoreAccountSuffix = "-restore-serviceaccount"

// jobSubject returns the sub claim of a job's ServiceAccount, which is named
// after the cluster and lives alongside it.
func jobSubject(suffix string) func(*openbaov1alpha1.OpenBaoCluster) string {
	return func(c *openbaov1alpha1.OpenBaoCluster) string {
		return ServiceAccountSubject(c.Namespace, c.Name+suffix)
	}
}
