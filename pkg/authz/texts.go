// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import "strings"

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

// membershipPolicy is an addition to the document, for servers that Bailiwick runs.
var membershipPolicy = lines(
	`path "sys/storage/raft/configuration" { capabilities = ["read"] }`,
	`path "sys/storage/raft/autopilot/state" { capabilities = ["read"] }`,
)

// removePeerPolicy is an addition to the document, too. It pins the server: the right to
// remove any peer is the right to end the cluster.
func removePeerPolicy(server string) string {
	var b strings.Builder
	writeRule(&b, "sys/storage/raft/remove-peer", []string{"update"}, parameters{"server_id": {server}}, []string{"server_id"})
	return strings.TrimSuffix(b.String(), "\n")
}

// The texts of profile Minimal. They grant what a server evaluates when the
// identity does its work: sys/health and sys/storage/raft/join need no token, and
// sys/storage/raft/configuration cannot be written. The two paths at the end are
// otherwise in policy "default", which this profile leaves out of the tokens: one
// tells what a token may do, the other ends it.
var (
	minimalOperatorPolicy = lines(
		`path "sys/storage/raft/autopilot/configuration" { capabilities = ["read", "update"] }`,
		selfServicePolicy,
	)
	minimalBackupPolicy = lines(
		`path "sys/storage/raft/snapshot" { capabilities = ["read"] }`,
		selfServicePolicy,
	)
	minimalRestorePolicy = lines(
		`path "sys/storage/raft/snapshot-force" { capabilities = ["update"] }`,
		selfServicePolicy,
	)
	minimalUpgradeRollingPolicy = lines(
		`path "sys/step-down" { capabilities = ["sudo", "update"] }`,
		selfServicePolicy,
	)
	minimalUpgradeBlueGreenPolicy = lines(
		`path "sys/step-down" { capabilities = ["sudo", "update"] }`,
		`path "sys/storage/raft/autopilot/state" { capabilities = ["read"] }`,
		`path "sys/storage/raft/configuration" { capabilities = ["read"] }`,
		`path "sys/storage/raft/remove-peer" { capabilities = ["update"] }`,
		`path "sys/storage/raft/promote" { capabilities = ["update"] }`,
		`path "sys/storage/raft/demote" { capabilities = ["update"] }`,
		selfServicePolicy,
	)
	minimalMembershipPolicy = lines(membershipPolicy, selfServicePolicy)
	selfServicePolicy       = lines(
		`path "sys/capabilities-self" { capabilities = ["update"] }`,
		`path "auth/token/revoke-self" { capabilities = ["update"] }`,
	)
)

func lines(l ...string) string { return strings.Join(l, "\n") }
