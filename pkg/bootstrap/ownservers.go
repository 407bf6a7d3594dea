// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import "github.com/bailiwick-operator/bailiwick/pkg/reconcile"

// Reasons about servers that Bailiwick runs.
const (
	// ReasonServersNotRun: the object describes servers, and nobody has begun to run
	// them.
	ReasonServersNotRun = "ServersNotRun"
	// ReasonServersStarting: the servers have not been initialized yet. Their first start
	// writes the contract.
	ReasonServersStarting = "ServersStarting"
)

// initialized reports whether the servers of the object are known to have been
// initialized. That somebody wrote so can only make a sync ask them.
func (t *task) initialized() bool { return serversOf(t.obj).initialized }

// waitForServers says that there is nothing to be done before the first start, which
// wakes the object.
func waitForServers() error {
	return reconcile.Waiting(ReasonServersStarting,
		"The servers have not been initialized yet. The mount, the policies and the roles are written at their first start.")
}
