// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/backoff"
	"github.com/bailiwick-operator/bailiwick/pkg/jobs"
	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

const (
	// inspectDeadline and recoverDeadline are how long a Job may take, with the time that its
	// volume takes to be mounted.
	inspectDeadline = 15 * time.Minute
	recoverDeadline = 15 * time.Minute
)

// betweenTries is the wait before a Job is run again.
func betweenTries() backoff.Rising {
	return backoff.Rising{First: 5 * time.Second, Max: 5 * time.Minute, Factor: 2}
}

// recovery is what a sync knows of the recovery from a lost quorum.
type recovery struct {
	facts machine.Recovery
	step  machine.RecoveryStep
	// leaderlessFor is for how long no server has been seen to lead.
	leaderlessFor time.Duration
	// jobs are those of recoveries of the cluster, and pods theirs.
	jobs []batchv1.Job
	pods []corev1.Pod
	// outcomes are those of the Jobs of the phase, by ordinal.
	outcomes map[int]jobs.Outcome
}

func (t *task) asksRecovery() string {
	if m := t.obj.Spec.Maintenance; m != nil {
		return m.RecoverQuorum
	}
	return ""
}

func (t *task) recoveryPhase() machine.RecoveryPhase {
	if r := t.obj.Status.Recovery; r != nil {
		return machine.RecoveryPhase(r.Phase)
	}
	return ""
}

// planRecovery decides what is next for a cluster that has lost its quorum, or is asked to
// be treated as one.
func (t *task) planRecovery(ctx context.Context) error {
	r := &t.recovery
	facts := machine.Recovery{
		Asked: t.asksRecovery(), Phase: t.recoveryPhase(), Want: t.want(), Led: t.leader() != nil,
	}
	if !facts.Phase.Active() {
		facts.Led = t.someoneLeads()
	}
	r.leaderlessFor = t.memory.lasts("leaderless", "", t.initialized() && !facts.Led && !t.unseen() && facts.Phase != machine.Returning, t.now)
	facts.LeaderlessFor = r.leaderlessFor
	if status := t.obj.Status.Recovery; status != nil {
		facts.Hash, facts.Committed = status.Hash, status.ApprovedAt != nil && facts.Phase.Active()
		if status.Replicas != nil {
			facts.Before = *status.Replicas
		}
		for _, s := range status.Servers {
			ordinal, ok := workload.ParseOrdinal(t.obj, s.Name)
			if !ok || ordinal >= workload.MaxServers {
				return fmt.Errorf("status.recovery names the server %q, which is none of this cluster", s.Name)
			}
			facts.Plan = append(facts.Plan, machine.PlannedServer{
				Ordinal: ordinal, Volume: s.VolumeUID, Verdict: machine.RecoveryVerdict(s.Verdict),
				Last: machine.Position{Index: unsigned(s.Index), Term: unsigned(s.Term)},
			})
		}
	}
	if set := t.statefulSet; set != nil {
		facts.First, facts.Replicas = layoutOf(set)
		facts.Settled = set.Status.ObservedGeneration == set.Generation && set.Status.Replicas == facts.Replicas
	}
	if facts.Phase.Active() {
		if err := t.recoveryServers(ctx, &facts); err != nil {
			return err
		}
		if survivor, ok := facts.Survivor(); ok {
			facts.Verified = t.leadsAlone(workload.PodName(t.obj, survivor.Ordinal))
		}
	} else {
		t.memory.jobTries = nil
	}
	r.facts, r.step = facts, facts.Next()
	if note := t.recoveryNote(); note != "" {
		t.notes = append(t.notes, note)
	}
	return nil
}

// someoneLeads reports whether a server says that it leads, whatever cluster that is.
func (t *task) someoneLeads() bool {
	return slices.ContainsFunc(t.servers, func(s seen) bool {
		return s.node != nil && s.node.Initialized && !s.node.Sealed && !s.node.Standby
	})
}

// unseen reports whether a server is unsealed, as the kubelet finds, and does not answer this
// process. It may lead.
func (t *task) unseen() bool {
	return slices.ContainsFunc(t.servers, func(s seen) bool { return s.node == nil && s.pod.DeletionTimestamp == nil && isReady(s.pod) })
}

// leadsAlone reports whether a server leads the recorded cluster and lists itself as its
// only member. It was asked with a login, which the cluster's own roles let in.
func (t *task) leadsAlone(name string) bool {
	leader, m := t.leader(), t.membership
	return leader != nil && leader.pod.Name == name && t.obj.Status.ClusterID != "" && leader.node.ClusterID == t.obj.Status.ClusterID &&
		m.known && len(m.peers) == 1 && m.peers[0].ID == name && m.peers[0].Voter
}

// recoveryServers reads from the API server which pods, volumes and Jobs there are: what a
// cache has not seen yet must not count as gone.
func (t *task) recoveryServers(ctx context.Context, facts *machine.Recovery) error {
	r, ns := &t.recovery, t.obj.Namespace
	found := map[int]*machine.RecoveryServer{}
	server := func(ordinal int) *machine.RecoveryServer {
		if found[ordinal] == nil {
			found[ordinal] = &machine.RecoveryServer{Ordinal: ordinal}
		}
		return found[ordinal]
	}
	of := labels.SelectorFromSet(labels.Set{workload.LabelCluster: t.obj.Name}).String()
	pods, err := t.opts.Kube.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{LabelSelector: of})
	if err != nil {
		return t.objectProblem(fmt.Errorf("list the pods of the cluster: %w", err))
	}
	for _, pod := range pods.Items {
		ordinal, ok := workload.ParseOrdinal(t.obj, pod.Name)
		switch {
		case pod.Labels[workload.LabelComponent] == workload.ComponentRecovery:
			r.pods = append(r.pods, pod)
		case ok && pod.Labels[workload.LabelComponent] == workload.ComponentServer:
			server(ordinal).Pod = true
		}
	}
	claims, err := t.opts.Kube.CoreV1().PersistentVolumeClaims(ns).List(ctx, metav1.ListOptions{})
	if err != nil {
		return t.objectProblem(fmt.Errorf("list the volumes of the cluster: %w", err))
	}
	for _, claim := range claims.Items {
		for ordinal := range workload.MaxServers {
			if claim.Name == workload.VolumeClaimName(t.obj, ordinal) {
				s := server(ordinal)
				s.Volume, s.VolumeEnding = string(claim.UID), claim.DeletionTimestamp != nil
				s.VolumeLost = claim.Status.Phase == corev1.ClaimLost
				t.volumes[ordinal] = s.Volume
			}
		}
	}
	list, err := t.opts.Kube.BatchV1().Jobs(ns).List(ctx, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(workload.RecoveryLabels(t.obj)).String()})
	if err != nil {
		return t.objectProblem(fmt.Errorf("list the Jobs of the cluster: %w", err))
	}
	for _, job := range list.Items {
		if metav1.IsControlledBy(&job, t.obj) {
			r.jobs = append(r.jobs, job)
		}
	}
	facts.Jobs = len(r.jobs) > 0 || len(r.pods) > 0
	for ordinal := range workload.MaxServers {
		if s := found[ordinal]; s != nil {
			t.jobOf(facts.Phase, s)
			facts.Servers = append(facts.Servers, *s)
		}
	}
	return nil
}

// jobOf finds out what came of the Job of the phase for the volume of a server.
func (t *task) jobOf(phase machine.RecoveryPhase, s *machine.RecoveryServer) {
	r := &t.recovery
	task := t.jobTask(phase, s.Ordinal, s.Volume)
	i := slices.IndexFunc(r.jobs, func(j batchv1.Job) bool { return task.Is(&j) })
	if i < 0 {
		return
	}
	out := jobs.Read(&r.jobs[i], r.pods, t.now)
	if r.outcomes == nil {
		r.outcomes = map[int]jobs.Outcome{}
	}
	switch {
	case r.jobs[i].DeletionTimestamp != nil:
		s.Job, out.Why = machine.JobRuns, "it is being deleted"
	case out.Unreachable && phase == machine.Inspecting:
		s.Inspection = &machine.Inspection{Unreachable: true}
	case out.State == jobs.Running:
		s.Job = machine.JobRuns
	case out.State == jobs.Again:
		s.Job = machine.JobAgain
	case out.State == jobs.Failed:
		s.Job = machine.JobFailed
	case phase != machine.Inspecting:
		s.Job = machine.JobDone
	case out.Result.Raft == nil:
		s.Job, out.Why = machine.JobFailed, "its report lacks what it found"
	default:
		raft := out.Result.Raft
		out.Why = raft.Problem
		s.Job = machine.JobDone
		s.Inspection = &machine.Inspection{Empty: raft.Empty, Unreadable: raft.Problem != "", Last: machine.Position(raft.Last)}
	}
	r.outcomes[s.Ordinal] = out
}

// jobTask is what the Job of a phase does with the volume of a server.
func (t *task) jobTask(phase machine.RecoveryPhase, ordinal int, volume string) jobs.Task {
	name := workload.PodName(t.obj, ordinal)
	out := jobs.Task{
		Owner: t.owner.Reference, Namespace: t.obj.Namespace, Labels: workload.RecoveryLabels(t.obj), Server: name, VolumeUID: volume,
		Claim: workload.VolumeClaimName(t.obj, ordinal), Step: jobstep.InspectRaft, ReadOnly: true, Args: jobstep.InspectArgs(), Deadline: inspectDeadline,
	}
	if status := t.obj.Status.Recovery; status != nil {
		out.Operation = status.Operation
	}
	if phase == machine.Preparing {
		survivor := jobstep.Voter{ID: name, Address: workload.RaftAddress(t.obj, ordinal)}
		for _, s := range t.obj.Status.Recovery.Servers {
			if s.Name == name {
				survivor.Last = jobstep.Position{Index: unsigned(s.Index), Term: unsigned(s.Term)}
			}
		}
		out.Step, out.ReadOnly, out.Args, out.Deadline = jobstep.RecoverRaft, false, jobstep.RecoverArgs(survivor), recoverDeadline
	}
	return out
}

// recover does what planRecovery has decided.
func (t *task) recover(ctx context.Context) error {
	r := &t.recovery
	logger := klog.FromContext(ctx).WithValues("phase", r.facts.Phase, "why", r.step.Cause)
	switch r.step.Action {
	case machine.BeginRecovery:
		return t.beginRecovery(ctx)
	case machine.NotePhase:
		logger.Info("The recovery from a lost quorum goes on", "next", r.step.Phase)
		return t.notePhase(ctx, r.step.Phase)
	case machine.NoteSettled:
		switch status := t.obj.Status.Recovery; {
		case status.CompletedAt == nil:
			t.obj.Status.Recovery = nil
		case status.ApprovedAt == nil:
			// What it has besides is of a plan that was not carried out.
			t.obj.Status.Recovery = &openbaov1alpha1.RecoveryStatus{Phase: openbaov1alpha1.RecoveryPhase(machine.Completed), CompletedAt: status.CompletedAt}
		default:
			status.Phase = openbaov1alpha1.RecoveryPhase(machine.Completed)
		}
		return t.persistRecord(ctx)
	case machine.NotePlan:
		return t.notePlan(ctx)
	case machine.RunJob:
		return t.runJob(ctx, r.step.Ordinal)
	case machine.RunJobAgain:
		return t.runJobAgain(ctx, r.step.Ordinal)
	case machine.DropJobs:
		return t.dropJobs(ctx, r.jobs)
	case machine.DeleteVolume:
		logger.Info("Deleting the volume of a server", "server", workload.PodName(t.obj, r.step.Ordinal))
		return t.deleteVolume(ctx, r.step.Ordinal)
	case machine.Leave, machine.AwaitRecovery, machine.HoldRecovery:
	}
	return nil
}

// beginRecovery records a new operation. What the one before it has approved stays known:
// after that, the servers are never started again as they were.
func (t *task) beginRecovery(ctx context.Context) error {
	before := t.obj.Status.Recovery
	now := &openbaov1alpha1.RecoveryStatus{
		Phase: openbaov1alpha1.RecoveryPhase(machine.Stopping), Operation: string(uuid.NewUUID()), StartedAt: t.stamp(),
		Replicas: new(t.recovery.facts.Replicas),
	}
	if before != nil {
		now.CompletedAt = before.CompletedAt
		if t.recovery.facts.Phase.Active() {
			now.Replicas, now.ApprovedAt, now.Reported = before.Replicas, before.ApprovedAt, before.Reported
		}
	}
	// What a survivor has written alone says nothing of what the cluster had before.
	if seen := t.memory.lastEntry; seen.index > 0 && now.ApprovedAt == nil {
		now.Reported = &openbaov1alpha1.ReportedEntry{Index: seen.index, At: metav1.NewTime(seen.at).Rfc3339Copy()}
	}
	t.obj.Status.Recovery = now
	return t.persistRecord(ctx)
}

func (t *task) notePhase(ctx context.Context, phase machine.RecoveryPhase) error {
	if t.obj.Status.Recovery == nil {
		t.obj.Status.Recovery = &openbaov1alpha1.RecoveryStatus{}
	}
	status := t.obj.Status.Recovery
	status.Phase = openbaov1alpha1.RecoveryPhase(phase)
	switch phase {
	case machine.Preparing:
		status.ApprovedAt = t.stamp()
	case machine.Completed:
		status.CompletedAt = t.stamp()
	}
	if err := t.persistRecord(ctx); err != nil {
		return err
	}
	if phase == machine.Completed {
		survivor, _ := t.recovery.facts.Survivor()
		t.announce(corev1.EventTypeNormal, ReasonRecovered, fmt.Sprintf(
			"The cluster goes on with the data of %s. The other servers join it without data.", workload.PodName(t.obj, survivor.Ordinal)))
	}
	return nil
}

// notePlan records what was found on the volumes, and what is to be done.
func (t *task) notePlan(ctx context.Context) error {
	status := t.obj.Status.Recovery
	plan := t.recovery.facts.MakePlan()
	hash, err := machine.PlanHash(string(t.obj.UID), t.obj.Status.ClusterID, status.Operation, plan)
	if err != nil {
		return err
	}
	status.Phase, status.Hash, status.Servers = openbaov1alpha1.RecoveryPhase(machine.Planned), hash, nil
	for _, p := range plan {
		status.Servers = append(status.Servers, openbaov1alpha1.RecoveredServer{
			Name: workload.PodName(t.obj, p.Ordinal), VolumeUID: p.Volume, Verdict: string(p.Verdict),
			Index: signed(p.Last.Index), Term: signed(p.Last.Term), Message: t.recovery.outcomes[p.Ordinal].Why,
		})
	}
	return t.persistRecord(ctx)
}

// runJob creates the Job of the phase for the volume of a server.
func (t *task) runJob(ctx context.Context, ordinal int) error {
	image, err := t.opts.JobImage(ctx)
	if err != nil {
		return waiting(ReasonFailed, fmt.Sprintf("The image of Bailiwick, which Jobs run, cannot be found: %v. The flag --job-image of the process %s names it.",
			err, FieldManager), 10*startInterval)
	}
	phase := t.recovery.facts.Phase
	one := t.jobTask(phase, ordinal, t.volumes[ordinal])
	one.Image = image
	if one.Pod, err = workload.JobPod(t.obj); err != nil {
		return invalidSpec(err)
	}
	one.Attempt = t.memory.jobTries[one.Step+one.Server].attempt
	if err := t.mayWrite(); err != nil {
		return err
	}
	job := one.Job()
	_, err = t.opts.Kube.BatchV1().Jobs(job.Namespace).Create(ctx, job, createOptions())
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return t.objectProblem(fmt.Errorf("create the Job %s: %w", job.Name, err))
	}
	if err != nil {
		// One of the name that is nobody's, or is another's.
		t.memory.countTry(one.Step+one.Server, 0)
	}
	t.changed = true
	return nil
}

// runJobAgain deletes a Job that may succeed if it is run again, after a wait that rises.
func (t *task) runJobAgain(ctx context.Context, ordinal int) error {
	r := &t.recovery
	one := t.jobTask(r.facts.Phase, ordinal, t.volumes[ordinal])
	key := one.Step + one.Server
	wait := betweenTries().Next(t.memory.jobTries[key].wait)
	if since := t.now.Sub(r.outcomes[ordinal].Ended); since < wait {
		return nil
	}
	for _, job := range r.jobs {
		if one.Is(&job) && job.DeletionTimestamp == nil {
			t.memory.countTry(key, wait)
			return t.dropJobs(ctx, []batchv1.Job{job})
		}
	}
	return nil
}

// dropJobs deletes Jobs after their pods.
func (t *task) dropJobs(ctx context.Context, list []batchv1.Job) error {
	for _, job := range list {
		if job.DeletionTimestamp != nil {
			continue
		}
		if err := t.mayWrite(); err != nil {
			return err
		}
		options := deleteOptions(string(job.UID))
		options.PropagationPolicy = new(metav1.DeletePropagationForeground)
		err := t.opts.Kube.BatchV1().Jobs(job.Namespace).Delete(ctx, job.Name, options)
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return t.objectProblem(fmt.Errorf("delete the Job %s: %w", job.Name, err))
		}
	}
	return nil
}

// deleteVolume deletes the volume of a server that the approved plan names.
func (t *task) deleteVolume(ctx context.Context, ordinal int) error {
	i := slices.IndexFunc(t.recovery.facts.Plan, func(p machine.PlannedServer) bool { return p.Ordinal == ordinal })
	if i < 0 || !t.recovery.facts.Plan[i].Deletes() {
		return nil
	}
	if err := t.mayWrite(); err != nil {
		return err
	}
	name := workload.VolumeClaimName(t.obj, ordinal)
	err := t.opts.Kube.CoreV1().PersistentVolumeClaims(t.obj.Namespace).Delete(ctx, name, deleteOptions(t.recovery.facts.Plan[i].Volume))
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return t.objectProblem(fmt.Errorf("delete the volume %s: %w", name, err))
	}
	t.changed = true
	return nil
}

// signed and unsigned convert what a raft log counts, which never gets near the limit.
func signed(n uint64) int64 { return int64(min(n, math.MaxInt64)) } //nolint:gosec // It is bounded.

func unsigned(n int64) uint64 { return uint64(max(n, 0)) } //nolint:gosec // The same.
