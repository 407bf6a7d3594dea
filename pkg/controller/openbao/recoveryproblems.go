// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// Reasons of the recovery from a lost quorum.
const (
	// ReasonRecovering: the recovery goes on by itself.
	ReasonRecovering = "RecoveringQuorum"
	// ReasonRecoveryPlanned: the plan waits for a person.
	ReasonRecoveryPlanned = "RecoveryPlanned"
	// ReasonRecoveryStuck: the recovery cannot go on by itself.
	ReasonRecoveryStuck = "RecoveryStuck"
	// ReasonRecovered: the cluster goes on with the data of one server.
	ReasonRecovered = "QuorumRecovered"
)

// askCommand writes a value to spec.maintenance.recoverQuorum.
func (t *task) askCommand(value string) string {
	return fmt.Sprintf(`kubectl -n %s patch openbaocluster %s --type=merge -p '{"spec":{"maintenance":{"recoverQuorum":"%s"}}}'`, t.obj.Namespace, t.obj.Name, value)
}

func (t *task) withdrawCommand() string {
	return fmt.Sprintf(`kubectl -n %s patch openbaocluster %s --type=merge -p '{"spec":{"maintenance":{"recoverQuorum":null}}}'`, t.obj.Namespace, t.obj.Name)
}

// hopelessAfter is for how long there has been no leader when the recovery is offered,
// whatever else is known.
const hopelessAfter = 5 * time.Minute

// recoveryAdvice says what a person can do where servers cannot come back.
func (t *task) recoveryAdvice() string {
	if !t.initialized() || t.someoneLeads() {
		return ""
	}
	if t.unseen() {
		return " Servers are ready, as their nodes find, and do not answer this process: look for what keeps it from them, such as a NetworkPolicy."
	}
	switch t.recovery.step.Cause {
	case machine.PerhapsElecting:
		return " spec.maintenance.recoverQuorum is acted upon when no server has led for a while."
	case machine.HasLeader:
		return " spec.maintenance.recoverQuorum was set while a server led, or while the servers were started again, and is ignored. To ask for a plan now, take it back: " +
			t.withdrawCommand() + " . Then, once status.recovery.phase is not Refused any more, run: " + t.askCommand(machine.AskPlan)
	case machine.NoPlan:
		return " spec.maintenance.recoverQuorum approves a plan that does not exist. To ask for one, run: " + t.askCommand(machine.AskPlan)
	}
	var without []string
	for ordinal := range int(t.want()) {
		name := workload.PodName(t.obj, ordinal)
		object, ok := t.cached(claimResource, t.obj.Namespace, workload.VolumeClaimName(t.obj, ordinal))
		claim, isClaim := object.(*corev1.PersistentVolumeClaim)
		if !ok || !isClaim || claim.DeletionTimestamp != nil || claim.Status.Phase == corev1.ClaimLost || t.emptyVolumes[name] == string(claim.UID) {
			without = append(without, name)
		}
	}
	if len(without) == 0 && t.recovery.leaderlessFor < hopelessAfter {
		return ""
	}
	what := " If too many servers cannot come back"
	if len(without) > 0 {
		what = fmt.Sprintf(" Without the data that they had: %s. If it cannot be brought back", strings.Join(without, ", "))
	}
	return what + ", the cluster can go on with what is on one of the volumes. This asks for a plan, for which the servers are stopped and nothing is changed: " + t.askCommand(machine.AskPlan)
}

// recoveryNote says why nothing is done of what is asked for while a server leads.
func (t *task) recoveryNote() string {
	r := &t.recovery
	switch {
	case !r.facts.Led || r.facts.Phase.Active() || r.facts.Asked == "" || r.facts.Phase == machine.Completed && r.facts.Asked == r.facts.Hash:
		return ""
	case r.facts.Asked == machine.AskPlan:
		who := "a server"
		if leader := t.leader(); leader != nil {
			who = leader.pod.Name
		}
		return "spec.maintenance.recoverQuorum is refused, since " + who + " leads the cluster: there is a quorum. To take it back, run: " + t.withdrawCommand()
	}
	return "spec.maintenance.recoverQuorum approves a plan that does not exist, and does nothing. To take it back, run: " + t.withdrawCommand()
}

// recoveryProblem says what the recovery does, what it waits for, and what a person can do.
func (t *task) recoveryProblem() *reconcile.Problem {
	r := &t.recovery
	const look = 2 * startInterval
	if r.step.Action == "" {
		// The sync ended before it was decided.
		return waiting(ReasonRecovering, "The recovery from a lost quorum is under way.", look)
	}
	goesOn := func(message string) *reconcile.Problem {
		return waiting(ReasonRecovering, t.recoveryProgress()+" "+message, look)
	}
	name := workload.PodName(t.obj, max(r.step.Ordinal, 0))
	ns := t.obj.Namespace
	switch r.step.Cause {
	case machine.PodsRemain:
		if r.step.Ordinal < 0 {
			return goesOn("It waits until the StatefulSet has stopped its servers.")
		}
		return goesOn(fmt.Sprintf("It waits until the pod %s has ended, since a server that came back could elect another leader. "+
			"If its node is lost: make sure that the machine is off, and run: kubectl -n %s delete pod %s --force", name, ns, name))
	case machine.JobsRemain:
		return goesOn(fmt.Sprintf("It waits until its Jobs and their pods are gone: kubectl -n %s get jobs,pods -l %s=%s,%s=%s",
			ns, workload.LabelCluster, t.obj.Name, workload.LabelComponent, workload.ComponentRecovery))
	case machine.JobRunning:
		return goesOn(fmt.Sprintf("The Job %s for the volume of %s: %s", t.jobName(r.step.Ordinal), name, text.Sentence(r.outcomes[r.step.Ordinal].Why)))
	case machine.JobHolds:
		return waiting(ReasonRecoveryStuck, fmt.Sprintf("%s The Job %s for the volume of %s failed: %s. Once that is corrected, this runs it again: kubectl -n %s delete job %s",
			t.recoveryProgress(), t.jobName(r.step.Ordinal), name, strings.TrimRight(r.outcomes[r.step.Ordinal].Why, "."), ns, t.jobName(r.step.Ordinal)), look)
	case machine.NoSurvivor:
		return waiting(ReasonRecoveryStuck, "No volume has data that can be read, so that there is nothing to go on with. "+t.found()+
			" Bring a volume back, or restore a snapshot into a new cluster. "+t.wayBack(), look)
	case machine.AwaitsApproval:
		return waiting(ReasonRecoveryPlanned, t.planMessage()+" To approve exactly this, run: "+t.askCommand(r.facts.Hash)+" . "+t.wayBack(), 10*startInterval)
	case machine.WrongHash:
		return waiting(ReasonRecoveryPlanned, fmt.Sprintf("spec.maintenance.recoverQuorum is %s, which approves another plan than there is, and is refused. The plan has the hash %s. %s To approve exactly this, run: %s . %s",
			r.facts.Asked, r.facts.Hash, t.planMessage(), t.askCommand(r.facts.Hash), t.wayBack()), 10*startInterval)
	case machine.NoReturn:
		return waiting(ReasonRecoveryStuck, "A plan was approved before, so the servers cannot be started again as they were: two parts of the cluster could each elect a leader. "+
			"To go on, ask for a plan: "+t.askCommand(machine.AskPlan), look)
	case machine.SurvivorLost:
		return waiting(ReasonRecoveryStuck, fmt.Sprintf("The volume of %s, which the cluster was to go on with, is gone or is being deleted. To plan again with what is left, run: %s",
			name, t.askCommand(machine.AskPlan)), look)
	case machine.VolumeUnplanned:
		claim := workload.VolumeClaimName(t.obj, r.step.Ordinal)
		return waiting(ReasonRecoveryStuck, fmt.Sprintf("The volume %s has come up since the plan was approved. A server that is started with it could count on others than the survivor, so no further server is started. "+
			"Delete it: kubectl -n %s delete pvc %s . To keep what is on it, set persistentVolumeReclaimPolicy Retain of its PersistentVolume before.", claim, ns, claim), look)
	case machine.SurvivorStarts:
		return goesOn(fmt.Sprintf("%s is to lead the cluster %s alone before any volume is deleted. %s Its log: kubectl -n %s logs %s . If it cannot come up, plan again, without its volume if that is deleted before: %s",
			name, t.obj.Status.ClusterID, t.seenMessage(name), ns, name, t.askCommand(machine.AskPlan)))
	case machine.VolumeGoes:
		return goesOn(fmt.Sprintf("It waits until the volume %s is gone: kubectl -n %s describe pvc %s",
			workload.VolumeClaimName(t.obj, r.step.Ordinal), ns, workload.VolumeClaimName(t.obj, r.step.Ordinal)))
	}
	return goesOn("")
}

// recoveryProgress says what the phase does.
func (t *task) recoveryProgress() string {
	switch t.recoveryPhase() {
	case machine.Stopping:
		return "For the recovery from a lost quorum, the servers are being stopped."
	case machine.Inspecting:
		return "For the recovery from a lost quorum, Jobs read what is on the volumes."
	case machine.Returning:
		return "The recovery from a lost quorum is given up, and the servers are started again as they were."
	case machine.Preparing, machine.Prepared:
		return "The approved recovery makes one server the only voter."
	case machine.Starting:
		return "The approved recovery starts one server alone."
	case machine.Deleting:
		return "The approved recovery deletes the volumes of the other servers."
	case machine.Rejoining:
		return "The approved recovery starts the other servers without data."
	}
	return "The recovery from a lost quorum has a plan."
}

// wayBack says how the servers are started again as they were.
func (t *task) wayBack() string {
	if t.recovery.facts.Committed {
		return "An earlier plan was approved, so the servers are not started again as they were."
	}
	return "To start the servers again as they were, with nothing changed, run: " + t.withdrawCommand()
}

// found says what is on each volume.
func (t *task) found() string {
	var parts []string
	for _, s := range t.obj.Status.Recovery.Servers {
		part := s.Name + ": " + s.Verdict
		if s.Index > 0 {
			part += fmt.Sprintf(" (ends at index %d of term %d)", s.Index, s.Term)
		}
		if s.Message != "" {
			part += " (" + strings.TrimRight(s.Message, ".") + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ") + "."
}

// planMessage says what the plan means.
func (t *task) planMessage() string {
	status := t.obj.Status.Recovery
	survivor, _ := t.recovery.facts.Survivor()
	name := workload.PodName(t.obj, survivor.Ordinal)
	var deleted []string
	for _, p := range t.recovery.facts.Plan {
		if p.Deletes() {
			deleted = append(deleted, fmt.Sprintf("%s (%s)", workload.VolumeClaimName(t.obj, p.Ordinal), p.Volume))
		}
	}
	out := fmt.Sprintf("The cluster would go on with the data of %s. %s", name, t.found())
	switch reported := status.Reported; {
	case reported == nil:
		out += " How much is lost cannot be known: no last entry of a leader is recorded."
	case signed(survivor.Last.Index) < reported.Index:
		out += fmt.Sprintf(" At least %d entries are lost: at %s, the leader had the index %d. What was written after that is not counted.",
			reported.Index-signed(survivor.Last.Index), reported.At.UTC().Format(time.RFC3339), reported.Index)
	default:
		out += fmt.Sprintf(" Its log is no shorter than that of the leader at %s (index %d). What was written after that may be lost.",
			reported.At.UTC().Format(time.RFC3339), reported.Index)
	}
	if status.ApprovedAt != nil {
		out += " An earlier plan was approved: what other volumes have beyond it is not part of this one, however far its log goes."
	}
	for _, p := range t.recovery.facts.Plan {
		if p.Verdict == machine.Unreachable {
			out += fmt.Sprintf(" The volume of %s could not be read, may have newer entries, and is deleted unread. To look again, take back spec.maintenance.recoverQuorum and ask for a plan again.",
				workload.PodName(t.obj, p.Ordinal))
		}
	}
	out += " Entries of the survivor that were never acknowledged become part of the data."
	if len(deleted) == 0 {
		return out + " No volume is deleted."
	}
	return out + " Once it leads, these volumes are deleted: " + strings.Join(deleted, ", ") + "."
}

// jobName is the name of the Job of the phase for the volume of a server.
func (t *task) jobName(ordinal int) string {
	r := &t.recovery
	one := t.jobTask(r.facts.Phase, ordinal, t.volumes[ordinal])
	for _, job := range r.jobs {
		if one.Is(&job) {
			return job.Name
		}
	}
	return one.Name()
}
