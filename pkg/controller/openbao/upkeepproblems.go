// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"fmt"
	"strings"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// Reasons of what follows the first start.
const (
	// ReasonRolling: pods are replaced, one after the other.
	ReasonRolling = "Rolling"
	// ReasonRollStuck: a pod that was replaced does not come to work.
	ReasonRollStuck = "RollStuck"
	// ReasonGuarded: the next step would take the quorum away.
	ReasonGuarded = "QuorumGuard"
	// ReasonHealing: a server begins again without its data.
	ReasonHealing = "Healing"
	// ReasonStranded: a server holds data and is not part of the cluster.
	ReasonStranded = "ServerStranded"
	// ReasonForeignFinalizer: the object is deleted, and another program's finalizer keeps it.
	ReasonForeignFinalizer = "ForeignFinalizer"
	// ReasonDeleting: the servers and their data are deleted with the object.
	ReasonDeleting = "Deleting"
)

// reasonOfCause is what a condition, or an event, calls the cause of a step.
func reasonOfCause(cause machine.Cause) string {
	switch cause {
	case machine.Unseen:
		return ReasonUnknown
	case machine.AnotherCluster:
		return ReasonOtherCluster
	case machine.Guarded:
		return ReasonGuarded
	case machine.VolumeGone, machine.Stranded:
		return ReasonHealing
	case machine.StrandedUnknown:
		return ReasonStranded
	case machine.Growing, machine.Joining, machine.Shrinking, machine.LeaderLeaves, machine.RightMissing, machine.Reverted:
		return ReasonScaling
	case machine.RollStuck:
		return ReasonRollStuck
	case machine.NotProved:
		return ReasonNotProved
	}
	return ReasonRolling
}

// dutyProblem says what keeps the cluster from being what the spec asks for, nil if
// nothing does.
func (t *task) dutyProblem() *reconcile.Problem {
	if t.duty.Duty == "" || t.duty.Duty == machine.Rest {
		return nil
	}
	look := 2 * startInterval
	if t.duty.Duty == machine.Hold {
		look = 10 * startInterval
	}
	reason := reasonOfCause(t.duty.Cause)
	if removing := t.removing(); reason == ReasonScaling && removing != nil && removing.Reason == openbaov1alpha1.RemovalReplaced {
		// The server leaves only to join again.
		reason = ReasonHealing
	}
	return waiting(reason, t.dutyMessage(), look)
}

// dutyMessage is for people: what is going on, and what they can do.
func (t *task) dutyMessage() string {
	ns, name := t.obj.Namespace, workload.PodName(t.obj, max(t.duty.Ordinal, 0))
	claim := workload.VolumeClaimName(t.obj, max(t.duty.Ordinal, 0))
	begin := fmt.Sprintf("kubectl -n %s delete pvc %s --wait=false && kubectl -n %s delete pod %s", ns, claim, ns, name)
	switch t.duty.Cause {
	case machine.Unseen:
		why := "it was not asked yet"
		switch {
		case t.leader() == nil:
			why = "no server says that it is the leader"
		case t.membership.problem != nil:
			why = strings.TrimRight(t.membership.problem.Error(), ".")
		case t.membership.known:
			why = "it has just been elected, and does not know yet who has caught up"
		}
		return text.Sentence(fmt.Sprintf("Who votes could not be read from the leader: %s. Nothing that could cost the quorum is done until it is known", why))
	case machine.AnotherCluster:
		return fmt.Sprintf("The server %s reports another cluster than the recorded %s: its volume was exchanged, or somebody initialized it again. Nothing is done until that is resolved. "+
			"If nothing on its volume is needed, run: %s", name, t.obj.Status.ClusterID, begin)
	case machine.NotServing:
		return fmt.Sprintf("The pod %s is of an earlier revision and runs no server that could be disturbed, so it is replaced.", name)
	case machine.Guarded:
		v := t.duty.Verdict
		return fmt.Sprintf("The next step would disturb the server %s. Of %d voters, %d would work then, and it takes %d. It is done once the others work. What they say: %s",
			name, v.Voters, v.Working, v.Quorum, t.logCommand())
	case machine.VolumeGone:
		return fmt.Sprintf("The volume %s is gone or is being deleted. The server %s leaves the cluster, and joins it again without data, which it gets from the others.", claim, name)
	case machine.CertificateRefused:
		return fmt.Sprintf("The server %s shows a certificate that cannot be verified with the CA in the Secret %s. It is started again, to show the one in there.", name, workload.TLSSecretName(t.obj))
	case machine.Stranded:
		return fmt.Sprintf("The server %s has data of this cluster, and the leader does not list it any more: it would never join again. It begins again on an empty volume.", name)
	case machine.StrandedUnknown:
		return fmt.Sprintf("The server %s has data, and is sealed or names no cluster, and the leader does not list it. Whose data that is cannot be told. If nothing on its volume is needed, run: %s",
			name, begin)
	case machine.Growing:
		return fmt.Sprintf("The servers become %d.", t.duty.Replicas)
	case machine.Joining:
		return fmt.Sprintf("The server %s is to become a voter before the next one is added. %s", name, t.seenMessage(name))
	case machine.Shrinking:
		return fmt.Sprintf("The server %s leaves the cluster, and its volume is deleted.", name)
	case machine.LeaderLeaves:
		return fmt.Sprintf("The server %s is to leave the cluster and leads it. It hands over first.", name)
	case machine.RightMissing:
		_, why := authz.MayRemove(t.obj, t.now, t.opts.ProofInterval)
		return fmt.Sprintf("The server %s is to leave the cluster, for which a right exists only while that lasts. %s", name, why)
	case machine.Reverted:
		return fmt.Sprintf("The server %s stays.", name)
	case machine.RollWaits:
		return t.rollMessage(fmt.Sprintf("The next pod is replaced when %s works as it should. %s", name, t.seenMessage(name)))
	case machine.RollEnds:
		return t.rollMessage(fmt.Sprintf("All pods are replaced. That is over when %s works as it should. %s", name, t.seenMessage(name)))
	case machine.RollStuck:
		return t.rollMessage(fmt.Sprintf("The server %s does not work as it should, so no other is touched. %s It goes on by itself once the server works. "+
			"A change of the spec replaces the pod, and so does another value of spec.maintenance.restartAt. Its log: kubectl -n %s logs %s ; what Kubernetes says: kubectl -n %s describe pod %s",
			name, t.seenMessage(name), ns, name, ns, name))
	case machine.NotProved:
		return t.rollMessage("Pods are to be replaced. That waits until all identities of the authorization are proved (status.authorization.identities).")
	}
	return t.rollMessage(fmt.Sprintf("The pod %s is replaced.", name))
}

// rollMessage puts what is rolled before a message.
func (t *task) rollMessage(message string) string {
	if upgrade := t.upgradeMessage(); upgrade != "" {
		return upgrade + " " + message
	}
	return message
}

// seenMessage says what is wrong with a server, as far as it was seen.
func (t *task) seenMessage(name string) string {
	found := t.seenOf(name)
	if found == nil {
		return "It has no pod yet."
	}
	votes, known := t.votes(name)
	switch {
	case found.err != nil:
		return text.Sentence(text.Capital("it does not answer: " + strings.TrimRight(found.err.Error(), ".")))
	case found.node == nil:
		return "It was not asked yet."
	case !found.node.Initialized:
		return "It has not joined yet."
	case found.node.Sealed:
		return "It is sealed."
	case t.mistakeOf(*found) != "":
		return text.Sentence(text.Capital(t.mistakeOf(*found)))
	case known && !votes:
		return "It does not vote yet."
	case known && t.membership.lag[name] >= lagThreshold:
		return fmt.Sprintf("It is %d entries behind.", t.membership.lag[name])
	case !isReady(found.pod):
		return "The kubelet does not count it as ready yet."
	}
	return "It has not caught up yet, as far as the leader knows."
}
