// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// MayBackUp returns the backup identity of a cluster if it is known to be able to take
// snapshots and nothing else, for the contract that the spec asks for now. interval is that
// of the proofs. Where it is not, why is for people and says what is missing.
func MayBackUp(c *openbaov1alpha1.OpenBaoCluster, now time.Time, interval time.Duration) (identity openbaov1alpha1.IdentityStatus, ok bool, why string) {
	ready := meta.FindStatusCondition(c.Status.Conditions, openbaov1alpha1.ConditionAuthorizationReady)
	record := c.Status.Authorization
	switch {
	case ready == nil || ready.ObservedGeneration != c.Generation || record == nil:
		return identity, false, "What the backup identity may do is not proved yet."
	case ready.Status != metav1.ConditionTrue:
		return identity, false, "The servers do not hold the whole authorization: " + ready.Message
	}
	// Additional subjects may have the policy, too.
	subject := ServiceAccountSubject(c.Namespace, BackupAccount(c))
	i := slices.IndexFunc(record.Identities, func(i openbaov1alpha1.IdentityStatus) bool {
		return i.Identity == string(Backup) && i.Subject == subject
	})
	if i < 0 {
		return identity, false, "What the backup identity may do is not proved yet."
	}
	identity = record.Identities[i]
	if identity.State != openbaov1alpha1.Proved {
		return identity, false, fmt.Sprintf("The identity of role %s is not proved: %s", identity.Role, identity.Message)
	}
	if stale := StaleProof(identity, "", now, interval); stale != "" {
		return identity, false, stale
	}
	return identity, true, ""
}
