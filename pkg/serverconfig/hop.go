// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/version"
)

// Hop is a change of the version of a cluster's servers.
type Hop struct {
	From, To Version
	// Disturbs says that requests may fail for as long as the versions are mixed: a person
	// has allowed it (spec.maintenance.enabled).
	Disturbs bool
}

// blockedHops are the changes of the version that a cluster must not go through one server
// after the other.
var blockedHops = [...]struct {
	applies func(Hop) bool
	problem string
}{
	{
		func(h Hop) bool { return h.To.Before(h.From) },
		"the servers run %[1]s, and OpenBao reads no data that a later version has written, so that %[2]s is refused. " +
			"Set spec.version to %[1]s or later. The way back to an earlier version is a snapshot from before the upgrade",
	},
	{
		// From 2.6 on servers forward requests by a service of another name, which those
		// before do not serve (openbao/openbao#3676).
		func(h Hop) bool {
			border := version.MustParseSemantic("2.6.0")
			return !h.Disturbs && h.From.number.LessThan(border) && h.To.number.AtLeast(border)
		},
		"from %[1]s to %[2]s standbys cannot forward requests while the versions are mixed, so that requests fail until the last server is replaced. " +
			"Allow that with spec.maintenance.enabled: true, and set it back afterwards",
	},
}

// Problem says why a change of the version is refused, and what to do; empty if it is not.
func (h Hop) Problem() string {
	if h.From.number == nil || h.To.number == nil {
		return ""
	}
	for _, hop := range blockedHops {
		if hop.applies(h) {
			return fmt.Sprintf(hop.problem, h.From, h.To)
		}
	}
	return ""
}
