// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	bao "github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// planUpkeep decides what is next for a cluster whose first start is over.
func (t *task) planUpkeep(ctx context.Context, replicas int32) error {
	facts, err := t.upkeep(ctx, replicas)
	if err != nil {
		return err
	}
	t.memory.rolls = facts.Rolling()
	t.duty = facts.Next()
	return nil
}

// upkeep reads what machine.Upkeep is to know.
func (t *task) upkeep(ctx context.Context, replicas int32) (machine.Upkeep, error) {
	// The condition is what a process knows of a roll that another one has begun.
	rolls := t.memory.rolls || t.saidToRoll()
	u := machine.Upkeep{Want: t.want(), Replicas: replicas, Removing: -1, Proved: t.contractProved(), Rolls: rolls, Fixed: t.applied != nil}
	u.Known = t.membership.known && t.membership.lag != nil
	if removing := t.removing(); removing != nil {
		ordinal, ok := workload.ParseOrdinal(t.obj, removing.Server)
		if !ok || ordinal >= workload.MaxServers {
			return u, fmt.Errorf("status.membership names the server %q, which is none of this cluster", removing.Server)
		}
		u.Removing, u.Removed = ordinal, removing.RemovedAt != nil
		u.Replacing = removing.Reason == openbaov1alpha1.RemovalReplaced
		u.MayRemove, _ = authz.MayRemove(t.obj, t.now, t.opts.ProofInterval)
	}
	for ordinal := range workload.MaxServers {
		s, err := t.serverFacts(ctx, ordinal)
		if err != nil {
			return u, err
		}
		if s.Pod || s.Peer || s.Volume != "" || s.VolumeEnding {
			u.Servers = append(u.Servers, s)
		}
	}
	t.volumesRead = true
	return u, nil
}

// saidToRoll reports whether the last look found pods that were being replaced.
func (t *task) saidToRoll() bool {
	c := meta.FindStatusCondition(t.before.Status.Conditions, openbaov1alpha1.ConditionReady)
	return c != nil && (c.Reason == ReasonRolling || c.Reason == ReasonRollStuck)
}

// serverFacts is what is known of one server.
func (t *task) serverFacts(ctx context.Context, ordinal int) (machine.Server, error) {
	name := workload.PodName(t.obj, ordinal)
	s := machine.Server{Ordinal: ordinal}
	s.Voter, _ = t.votes(name)
	s.Peer = slices.ContainsFunc(t.membership.peers, func(p bao.Peer) bool { return p.ID == name })
	found := t.seenOf(name)
	s.CaughtUp = t.caughtUp(name, found)
	volume, err := t.claimOf(ctx, ordinal, found != nil || s.Peer || t.emptyVolumes[name] != "")
	if err != nil {
		return s, err
	}
	if volume != nil {
		t.volumes[ordinal] = string(volume.UID)
		s.Volume, s.VolumeEnding = string(volume.UID), volume.DeletionTimestamp != nil
		s.VolumeLost = volume.Status.Phase == corev1.ClaimLost
	}
	if found != nil {
		t.podFacts(&s, *found)
	}
	if s.Answers && !s.Initialized && s.Volume != "" && !s.VolumeEnding {
		t.emptyVolumes[name] = s.Volume
	}
	s.VolumeOurs = s.Volume != "" && t.emptyVolumes[name] == s.Volume
	s.StrandedFor = t.memory.lasts("stranded", name, s.Answers && s.Initialized && !s.Peer && t.membership.known, t.now)
	s.UnwellFor = t.memory.lasts("unwell", name, !s.Verified(), t.now)
	return s, nil
}

// settling is how long a server runs before what the leader says of it counts, on a cluster
// in use: the leader hears from servers, and looks at them, every few seconds.
const settling = 15 * time.Second

// caughtUp reports whether a server keeps up with the log. Its last index is some seconds
// old, so that on a cluster in use it says nothing about one that keeps up.
func (t *task) caughtUp(name string, found *seen) bool {
	lag, known := t.membership.lag[name]
	if !known {
		return false
	}
	if lag < lagThreshold {
		return true
	}
	return t.membership.healthy[name] && found != nil && !containerStarted(found.pod).IsZero() && t.now.Sub(containerStarted(found.pod)) >= settling
}

// podFacts is what is known of a server that has a pod.
func (t *task) podFacts(s *machine.Server, found seen) {
	pod := found.pod
	s.Pod, s.Ending, s.Running, s.Ready = true, pod.DeletionTimestamp != nil, !containerStarted(pod).IsZero(), isReady(pod)
	current := t.isCurrent(pod)
	s.Outdated = current != nil && !*current
	s.Refused = bao.ClassOf(found.err) == bao.Untrusted
	s.Restart = t.showsOldCertificate(found) || t.asksForRestart(pod)
	node := found.node
	if node == nil {
		return
	}
	s.Answers, s.Initialized, s.Sealed = true, node.Initialized, node.Sealed
	s.Leader = node.Initialized && !node.Sealed && !node.Standby
	s.Foreign = !t.ofThisCluster(found)
	s.Ours = !node.Sealed && node.ClusterID != "" && node.ClusterID == t.obj.Status.ClusterID
	if removing := t.removing(); s.Ours && pod.Labels[workload.LabelTraffic] == workload.TrafficNone && (removing == nil || removing.Server != pod.Name) {
		// It was taken for another cluster's, and clients are to reach it again.
		s.Restart = true
	}
	if t.version() != t.obj.Status.CurrentVersion {
		s.Mistake = t.mistakeOf(found)
	}
}

// mistakeOf says what a server runs that its pod was not to run, empty if nothing.
func (t *task) mistakeOf(found seen) string {
	wanted, err := serverconfig.ParseVersion(t.version())
	runs, errRuns := serverconfig.ParseVersion(found.node.Version)
	if err == nil && errRuns == nil && wanted.String() != runs.String() {
		return fmt.Sprintf("it says that it is OpenBao %s, and spec.version is %s", found.node.Version, t.version())
	}
	return ""
}

// certificatePatience is how long a pod may take to find what is in a Secret that was just
// changed. A server that shows another certificate after it is started again.
const certificatePatience = time.Minute

// showsOldCertificate reports whether a server has to be started again to show the
// certificate in the Secret. From OpenBao 2.7 on it notices by itself.
func (t *task) showsOldCertificate(found seen) bool {
	if version, err := serverconfig.ParseVersion(t.version()); err != nil || version.Supports(serverconfig.TLSAutoReload) {
		return false
	}
	started := containerStarted(found.pod)
	if started.IsZero() || t.certificate.Serial == "" || t.now.Sub(started) < certificatePatience {
		return false
	}
	return bao.ClassOf(found.err) == bao.Untrusted || found.node != nil && found.node.CertificateSerial != t.certificate.Serial
}

// claimOf returns the PersistentVolumeClaim of a server. Those that have the labels of the
// cluster are in the cache; others are read where there may be one.
func (t *task) claimOf(ctx context.Context, ordinal int, expected bool) (*corev1.PersistentVolumeClaim, error) {
	if object, ok := t.cached(claimResource, t.obj.Namespace, workload.VolumeClaimName(t.obj, ordinal)); ok {
		if claim, ok := object.(*corev1.PersistentVolumeClaim); ok {
			return claim, nil
		}
	}
	if !expected {
		return nil, nil
	}
	return t.volumeOf(ctx, ordinal)
}

// seenOf returns what was seen of a server, nil if it has no pod.
func (t *task) seenOf(name string) *seen {
	i := slices.IndexFunc(t.servers, func(s seen) bool { return s.pod.Name == name })
	if i < 0 {
		return nil
	}
	return &t.servers[i]
}

func (t *task) removing() *openbaov1alpha1.RemovingStatus {
	if m := t.obj.Status.Membership; m != nil {
		return m.Removing
	}
	return nil
}

// contractProved reports whether every identity is proved for the contract of now. The one
// that removes a server comes and goes, and does not count.
func (t *task) contractProved() bool {
	a := authorizationOf(t.obj)
	record := t.obj.Status.Authorization
	return a.status == "True" && a.generation == t.obj.Generation && record != nil && len(record.Identities) > 0 &&
		!slices.ContainsFunc(record.Identities, func(i openbaov1alpha1.IdentityStatus) bool {
			return i.Role != authz.RemovePeerRole && i.State != openbaov1alpha1.Proved
		})
}

// fulfil does what planUpkeep has decided.
func (t *task) fulfil(ctx context.Context) error {
	name := workload.PodName(t.obj, max(t.duty.Ordinal, 0))
	logger := klog.FromContext(ctx).WithValues("server", name, "why", t.duty.Cause)
	switch t.duty.Duty {
	case machine.Resize:
		t.changed = true
		t.announce(corev1.EventTypeNormal, ReasonScaling, fmt.Sprintf("The StatefulSet has %d servers now.", t.duty.Replicas))
	case machine.Replace:
		if set := t.statefulSet; set != nil && set.Status.ObservedGeneration != set.Generation {
			// The template has just been changed: what is due is not known any more.
			return nil
		}
		logger.Info("Deleting the pod of a server")
		return t.replace(ctx, name)
	case machine.DropVolume:
		logger.Info("Deleting the volume of a server")
		return t.dropVolume(ctx, t.duty.Ordinal)
	case machine.BeginRemoval:
		reason := openbaov1alpha1.RemovalScaleDown
		if t.duty.Cause == machine.VolumeGone {
			reason = openbaov1alpha1.RemovalReplaced
		}
		t.obj.Status.Membership = &openbaov1alpha1.MembershipStatus{Removing: &openbaov1alpha1.RemovingStatus{
			Server: name, Since: *t.stamp(), Reason: reason,
		}}
		return t.persistRecord(ctx)
	case machine.StepDown:
		logger.Info("Asking the leader to step down")
		return t.stepDown(ctx)
	case machine.RemovePeer:
		logger.Info("Removing a server from the cluster")
		return t.removePeer(ctx, name)
	case machine.NoteRemoved:
		t.removing().RemovedAt = t.stamp()
		return t.persistRecord(ctx)
	case machine.EndRemoval:
		t.obj.Status.Membership = nil
		return t.persistRecord(ctx)
	case machine.Rest, machine.Await, machine.Hold:
		if t.applied != nil {
			// What the autopilot is to be is part of what is not carried out.
			return nil
		}
		return t.keepAutopilot(ctx)
	}
	return nil
}

// replace deletes the pod of a server, which comes back by itself. A leader hands over
// when it is told to stop.
func (t *task) replace(ctx context.Context, name string) error {
	found := t.seenOf(name)
	if found == nil || found.pod.DeletionTimestamp != nil {
		return nil
	}
	if err := t.mayWrite(); err != nil {
		return err
	}
	err := t.opts.Kube.CoreV1().Pods(t.obj.Namespace).Delete(ctx, name, deleteOptions(string(found.pod.UID)))
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return t.objectProblem(fmt.Errorf("delete the pod %s: %w", name, err))
	}
	if t.duty.Cause != machine.Rolling {
		t.announce(corev1.EventTypeNormal, reasonOfCause(t.duty.Cause), t.dutyMessage())
	}
	return nil
}

// dropVolume deletes the volume that a server was seen with, and its pod, which keeps the
// volume from going.
func (t *task) dropVolume(ctx context.Context, ordinal int) error {
	claim, err := t.volumeOf(ctx, ordinal)
	if err != nil {
		return err
	}
	if claim != nil && string(claim.UID) != t.volumes[ordinal] {
		// Somebody was faster, and this is another volume.
		return nil
	}
	if claim != nil && claim.DeletionTimestamp == nil {
		if err := t.mayWrite(); err != nil {
			return err
		}
		err := t.opts.Kube.CoreV1().PersistentVolumeClaims(t.obj.Namespace).Delete(ctx, claim.Name, deleteOptions(string(claim.UID)))
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return t.objectProblem(fmt.Errorf("delete the volume %s: %w", claim.Name, err))
		}
		t.announce(corev1.EventTypeNormal, reasonOfCause(t.duty.Cause), t.dutyMessage())
	}
	return t.replace(ctx, workload.PodName(t.obj, ordinal))
}

// removePeer takes the server that is recorded to leave out of the cluster, with a login
// that can do nothing else. The next look tells whether it is out.
func (t *task) removePeer(ctx context.Context, name string) error {
	// From then on it can't answer clients any more.
	if found := t.seenOf(name); found != nil {
		if err := t.withdraw(ctx, found.pod); err != nil {
			return t.objectProblem(err)
		}
	}
	session, err := t.actAs(ctx, authz.RemovePeerRole)
	if err != nil {
		return t.serverProblem(fmt.Sprintf("remove the server %s from the cluster", name), err)
	}
	defer session.Revoke(ctx)
	if err := session.Client.RemovePeer(ctx, name); err != nil {
		return t.serverProblem(fmt.Sprintf("remove the server %s from the cluster", name), err)
	}
	t.changed = true
	return nil
}

// autopilotInterval is how often the settings of the autopilot are compared, in looks.
const autopilotInterval = 6

// keepAutopilot reads the settings of the autopilot, and writes them where they differ.
func (t *task) keepAutopilot(ctx context.Context) error {
	if t.leader() == nil || !t.membership.known {
		return nil
	}
	m := t.memory
	if m.autopilotGeneration == t.obj.Generation && t.now.Before(m.autopilotAt.Add(autopilotInterval*t.opts.RecheckInterval)) {
		return nil
	}
	want, err := serverconfig.Autopilot(t.obj)
	if err != nil {
		return invalidSpec(err)
	}
	session, err := t.actAs(ctx, operatorRole)
	if err != nil {
		return t.serverProblem("read the settings of the autopilot", err)
	}
	defer session.Revoke(ctx)
	have, err := session.Client.AutopilotConfig(ctx)
	if err != nil {
		return t.serverProblem("read the settings of the autopilot", err)
	}
	if differs := serverconfig.DiffAutopilot(want, have); len(differs) > 0 {
		if err := t.mayWrite(); err != nil {
			return err
		}
		if err := session.Client.WriteAutopilot(ctx, want); err != nil {
			return t.serverProblem("set the autopilot", err)
		}
		klog.FromContext(ctx).Info("Set the autopilot", "differed", differs)
	}
	m.autopilotGeneration, m.autopilotAt = t.obj.Generation, t.now
	return nil
}

// operatorRole is the role of the identity that looks after the autopilot (package authz).
const operatorRole = "openbao-operator"

// actAs logs in at the leader as an identity of the contract, for one action after which
// the session is to be revoked.
func (t *task) actAs(ctx context.Context, role string) (*server.Session, error) {
	leader := t.leader()
	if leader == nil {
		return nil, errors.New("no server says that it is the leader")
	}
	if err := t.mayWrite(); err != nil {
		return nil, err
	}
	connections, to, err := t.target(ctx, leader.pod.Name, leader.node.ClusterID, role)
	if err != nil {
		return nil, err
	}
	return connections.LogIn(ctx, "upkeep", to, t.now)
}

// serverProblem is what is wrong with a request to the leader.
func (t *task) serverProblem(what string, err error) error {
	if errors.Is(err, errMayNotWrite) {
		return err
	}
	return retry(ReasonFailed, fmt.Sprintf("It was not possible to %s: %s.", what, strings.TrimRight(err.Error(), ".")), err)
}

// stepDown has the leader hand over. It does not take the leadership back for a while.
func (t *task) stepDown(ctx context.Context) error {
	const what = "have the leader step down"
	session, err := t.actAs(ctx, operatorRole)
	if err != nil {
		return t.serverProblem(what, err)
	}
	defer session.Revoke(ctx)
	err = session.Client.StepDown(ctx)
	if bao.ClassOf(err) == bao.PermissionDenied {
		return waiting(ReasonHealing, fmt.Sprintf("%s The leader is to step down for that, which the identity openbao-operator may not (spec.authorization.profile: Minimal). Run: bao operator step-down",
			t.dutyMessage()), 10*startInterval)
	}
	if err != nil {
		return t.serverProblem(what, err)
	}
	t.changed = true
	return nil
}

// lasts counts for how long something has been seen of a server.
func (m *memory) lasts(what, name string, so bool, now time.Time) time.Duration {
	key := what + " " + name
	if !so {
		delete(m.since, key)
		return 0
	}
	if m.since == nil {
		m.since = map[string]time.Time{}
	}
	since, known := m.since[key]
	if !known {
		since = now
		m.since[key] = since
	}
	return now.Sub(since)
}

// counts reports whether something has been seen of a server for less time than matters,
// so that the cluster is to be looked at again soon.
func (m *memory) counts(now time.Time) bool {
	for _, since := range m.since {
		if now.Sub(since) < 2*time.Minute {
			return true
		}
	}
	return false
}
