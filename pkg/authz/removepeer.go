// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"fmt"
	"slices"
	"time"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// RemovePeerRole is the name of the role and of the policy of the identity RemovePeer.
const RemovePeerRole = "bailiwick-remove-peer"

// maxServers is the greatest number of servers, as package workload has it.
const maxServers = 9

// serverName returns the name of a server, which is that of its pod.
func serverName(c *openbaov1alpha1.OpenBaoCluster, ordinal int) string {
	return fmt.Sprintf("%s-%d", c.Name, ordinal)
}

// ServerToRemove returns the server that is about to be removed from its cluster, empty
// if there is none. A name that no server of the cluster has counts as none: it would
// become part of a policy.
func ServerToRemove(c *openbaov1alpha1.OpenBaoCluster) string {
	initialized, m := c.Status.Initialized, c.Status.Membership
	if initialized == nil || !*initialized || m == nil || m.Removing == nil || m.Removing.RemovedAt != nil {
		// Before the first start there is nothing that a server could be removed from.
		return ""
	}
	for ordinal := range maxServers {
		if name := serverName(c, ordinal); name == m.Removing.Server {
			return name
		}
	}
	return ""
}

// MayRemove reports whether a login as RemovePeerRole is known to be able to remove the
// ServerToRemove, and no other. interval is that of the proofs. Where it is not, why is
// for people and says what is missing, as far as that is known.
func MayRemove(c *openbaov1alpha1.OpenBaoCluster, now time.Time, interval time.Duration) (ok bool, why string) {
	server := ServerToRemove(c)
	if server == "" {
		return false, "No server is to be removed."
	}
	notYet := fmt.Sprintf("The role %s, which removes the server %s, is not proved yet.", RemovePeerRole, server)
	record := c.Status.Authorization
	if record == nil {
		return false, notYet
	}
	i := slices.IndexFunc(record.Identities, func(i openbaov1alpha1.IdentityStatus) bool {
		return i.Identity == string(RemovePeer) && i.Role == RemovePeerRole && i.Server == server
	})
	if i < 0 {
		return false, notYet
	}
	identity := record.Identities[i]
	if identity.State != openbaov1alpha1.Proved {
		return false, identity.Message
	}
	if stale := StaleProof(identity, "", now, interval); stale != "" {
		return false, stale
	}
	return true, ""
}
