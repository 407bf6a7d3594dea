// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	"github.com/bailiwick-operator/bailiwick/pkg/owned"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// volumeName is the name of the first server's PersistentVolumeClaim.
func volumeName(c *openbaov1alpha1.OpenBaoCluster) string { return workload.VolumeClaimName(c, 0) }

// start finds out what is to be done next for the first start, keeps the objects, and
// does it. One step is done in a sync.
func (t *task) start(ctx context.Context) error {
	facts, err := t.firstStart(ctx)
	if err != nil {
		return err
	}
	t.step = facts.Next()
	if t.step.Action == machine.Begin || t.step.Action == machine.Wipe {
		// Both are wrong where servers were in use, whatever the record says.
		if facts.FurtherVolumes, err = t.furtherVolumes(ctx); err != nil {
			return err
		}
		t.step = facts.Next()
	}
	replicas := facts.Replicas
	if t.step.Action == machine.Scale {
		replicas = &t.step.Replicas
	}
	var first int32
	if facts.Recorded.Initialized {
		if err := t.planRecovery(ctx); err != nil {
			return err
		}
	}
	recovers := t.recoveryPhase().Active()
	switch {
	case recovers:
		// No pod is replaced while a recovery decides which there are.
		t.memory.rolls = false
		var servers int32
		first, servers = t.recovery.facts.Layout()
		replicas = &servers
		if t.step.Action == machine.Scale {
			// Somebody has deleted the StatefulSet. It comes back with the servers of the recovery.
			t.step = machine.Step{Action: machine.Finished}
		}
	case t.step.Action == machine.Finished:
		if err := t.planUpkeep(ctx, *replicas); err != nil {
			return err
		}
		if t.duty.Duty == machine.Resize {
			replicas = &t.duty.Replicas
		}
	}
	if a := t.recovery.step.Action; recovers && (a == machine.NotePhase || a == machine.BeginRecovery) {
		// The StatefulSet follows what is recorded: the layout of now may be that of a phase
		// which a server that leads has made wrong.
		replicas = nil
	}
	if !recovers && t.recovery.facts.First != 0 {
		return waiting(ReasonRecoveryStuck, fmt.Sprintf("The servers of the StatefulSet %s begin with number %d, which only the recovery from a lost quorum has them do, and status.recovery does not have it. "+
			"Nothing is done, since servers that were left out could elect a leader of their own. If they are to be started, with what is on their volumes, run: "+
			"kubectl -n %s patch statefulset %s --type=merge -p '{\"spec\":{\"ordinals\":null}}'", t.obj.Name, t.recovery.facts.First, t.obj.Namespace, t.obj.Name), 10*startInterval)
	}
	if t.paused() {
		// A server that loses its volume must not find the requests of the first start.
		return t.dropInitialize(ctx)
	}
	if err := t.mayWrite(); err != nil {
		return err
	}
	// Objects that pods need come before the pods, and further servers before nothing.
	if err := t.applyObjects(ctx, first, replicas); err != nil {
		return err
	}
	if facts.Recorded.Initialized && t.step.Action == machine.Finished && (recovers || t.recovery.step.Action != machine.Leave) {
		return t.recover(ctx)
	}
	return t.carryOut(ctx, facts)
}

// firstStart reads what machine.FirstStart is to know.
func (t *task) firstStart(ctx context.Context) (machine.FirstStart, error) {
	f := machine.FirstStart{
		Recorded: t.recorded(), Want: t.want(), SelfInit: t.selfInits(), StaticSeal: workload.UsesUnsealKey(t.obj),
		HasRootToken: !t.memory.root.IsZero(), ContractWritten: t.memory.revoked,
	}
	set, err := t.liveStatefulSet(ctx)
	if err != nil {
		return f, err
	}
	if set != nil {
		// Servers that do not begin at 0 go on among those that do.
		first, replicas := layoutOf(set)
		f.Replicas = new(first + replicas)
	}
	if !f.Recorded.Initialized {
		volume, err := t.volume(ctx)
		if err != nil {
			return f, err
		}
		switch {
		case volume == nil:
		case volume.DeletionTimestamp == nil:
			f.VolumeUID, f.VolumeForeign = string(volume.UID), isForeign(volume)
		default:
			f.VolumeEnding = true
		}
		f.ContractKnown = true
	}
	initialize, err := t.readSecret(ctx, workload.InitializeSecretName(t.obj))
	if err != nil {
		return f, err
	}
	if initialize != nil {
		if err := t.ownSecret(initialize, false); err != nil {
			return f, err
		}
		f.Initialize = true
	}
	first := t.first()
	if first == nil || first.node == nil {
		// What is not seen does not last.
		t.memory.sealedSince, t.memory.nothingSince = t.now, t.now
	}
	if first == nil {
		return f, nil
	}
	f.InitFailed = saysInitFailed(first.pod)
	if node := first.node; node != nil {
		f.Server = &machine.FirstServer{Initialized: node.Initialized, Sealed: node.Sealed, ClusterID: node.ClusterID}
		if !node.Initialized || !node.Sealed || t.memory.sealedSince.IsZero() {
			t.memory.sealedSince = t.now
		}
		f.SealedFor = t.now.Sub(t.memory.sealedSince)
		if node.Initialized && !node.Sealed && !f.Recorded.Initialized && f.Recorded.Begun && f.SelfInit {
			f.LetIn = t.letIn(ctx, node.ClusterID)
		}
		if f.LetIn != machine.LetInNothing || t.memory.nothingSince.IsZero() {
			t.memory.nothingSince = t.now
		}
		f.NothingFor = t.now.Sub(t.memory.nothingSince)
	}
	return f, nil
}

// layoutOf returns the first ordinal and the number of the servers of a StatefulSet.
func layoutOf(set *appsv1.StatefulSet) (first, replicas int32) {
	replicas = 1
	if set.Spec.Replicas != nil {
		replicas = *set.Spec.Replicas
	}
	if set.Spec.Ordinals != nil {
		first = set.Spec.Ordinals.Start
	}
	return first, replicas
}

// boundByController is what Kubernetes puts on a claim that it found a volume for.
const boundByController = "pv.kubernetes.io/bound-by-controller"

// isForeign reports whether a claim is for something that was there before.
func isForeign(claim *corev1.PersistentVolumeClaim) bool {
	return claim.Spec.DataSource != nil || claim.Spec.DataSourceRef != nil ||
		claim.Spec.VolumeName != "" && claim.Annotations[boundByController] != "yes"
}

// liveStatefulSet returns the StatefulSet of the cluster as the API server has it, nil if
// there is none. A cache may lack one that has lost its labels, and be behind: the number of
// its servers must not be taken back.
func (t *task) liveStatefulSet(ctx context.Context) (*appsv1.StatefulSet, error) {
	set, err := t.opts.Kube.AppsV1().StatefulSets(t.obj.Namespace).Get(ctx, t.obj.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		t.statefulSet = nil
		return nil, nil
	}
	if err != nil {
		return nil, t.objectProblem(fmt.Errorf("read StatefulSet %s: %w", t.obj.Name, err))
	}
	t.statefulSet = nil
	if owned.ControlledBy(set, t.obj.UID) {
		t.statefulSet = set
	}
	return t.statefulSet, nil
}

// saysInitFailed reports whether the server ended with the words of a
// self-initialization that had failed: that it was begun and not completed
// (vault/self_init.go of OpenBao), or that there is a storage which it was not completed
// on (physical/raft/raft.go). The kubelet keeps the end of the log of a container that
// failed.
func saysInitFailed(pod *corev1.Pod) bool {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name != workload.ContainerName || status.State.Running != nil {
			continue
		}
		for _, state := range []*corev1.ContainerStateTerminated{status.State.Terminated, status.LastTerminationState.Terminated} {
			if state == nil {
				continue
			}
			said := strings.ToLower(state.Message)
			if strings.Contains(said, "self-initialization failed") || strings.Contains(said, "cluster already has state") {
				return true
			}
		}
	}
	return false
}

// letIn tries an identity of the contract at the first server.
func (t *task) letIn(ctx context.Context, clusterID string) machine.LetIn {
	_, err := t.session(ctx, workload.PodName(t.obj, 0), clusterID)
	switch {
	case err == nil:
		return machine.LetInYes
	case lacksMount(err):
		return machine.LetInNothing
	case refusesContract(err):
		return machine.LetInNo
	}
	t.addProblem(waiting(ReasonStarting, text.Sentence(fmt.Sprintf("Whether the identities of the contract can log in is not known yet: %v", err)), startInterval))
	return machine.LetInUnknown
}

func (t *task) recorded() machine.Record {
	s := t.before.Status
	r := machine.Record{Initialized: s.Initialized != nil && *s.Initialized, ClusterID: s.ClusterID}
	if start := s.FirstStart; start != nil {
		// It is written together with initialized, which somebody has taken away.
		r.Initialized = r.Initialized || start.CompletedAt != nil
		r.Begun, r.VolumeUID, r.InitSent = start.BegunAt != nil, start.VolumeUID, start.InitSentAt != nil
		if start.AttemptsGeneration == t.obj.Generation {
			r.Attempts = start.Attempts
		}
	}
	return r
}

// carryOut does a step.
func (t *task) carryOut(ctx context.Context, facts machine.FirstStart) error {
	name := t.obj.Name
	if t.obj.Status.FirstStart == nil {
		t.obj.Status.FirstStart = &openbaov1alpha1.FirstStartStatus{}
	}
	record := t.obj.Status.FirstStart
	switch t.step.Action {
	case machine.Begin:
		record.BegunAt = t.stamp()
		return t.persistRecord(ctx)
	case machine.NoteVolume:
		// What was on the one before does not count for this one.
		record.VolumeUID, t.obj.Status.ClusterID = facts.VolumeUID, ""
		return t.persistRecord(ctx)
	case machine.NoteCluster:
		t.obj.Status.ClusterID = facts.Server.ClusterID
		return t.persistRecord(ctx)
	case machine.PutInitialize:
		return t.putInitialize(ctx)
	case machine.DropInitialize:
		_, err := t.keeper.Absent(ctx, t.owner, secretResource, t.obj.Namespace, workload.InitializeSecretName(t.obj))
		t.changed = true
		return t.objectProblem(err)
	case machine.SendInit:
		return t.sendInit(ctx)
	case machine.WriteContract:
		return t.writeContract(ctx)
	case machine.Wipe:
		return t.wipe(ctx, facts)
	case machine.DropPod:
		return t.dropPod(ctx)
	case machine.Complete:
		return t.complete(ctx, facts)
	case machine.Scale:
		klog.FromContext(ctx).V(2).Info("Scaled the servers", "cluster", name, "replicas", t.step.Replicas)
		t.changed = true
	case machine.Wait, machine.Ask:
		t.addProblem(t.stepProblem())
		return t.renewInitialize(ctx, facts)
	case machine.Finished:
		return t.fulfil(ctx)
	}
	return nil
}

// renewInitialize keeps the requests of the first start as the spec and the signing keys
// are, for as long as no server has read them.
func (t *task) renewInitialize(ctx context.Context, facts machine.FirstStart) error {
	if facts.Recorded.Initialized || !facts.Initialize || !facts.SelfInit || facts.Server != nil && facts.Server.Initialized {
		return nil
	}
	return t.putInitialize(ctx)
}

// complete records that the first start is over.
func (t *task) complete(ctx context.Context, facts machine.FirstStart) error {
	status := &t.obj.Status
	status.Initialized, status.ClusterID = new(true), facts.Server.ClusterID
	status.SelfInitialized = new(facts.SelfInit && facts.Recorded.Begun)
	status.CurrentVersion = t.obj.Spec.Version
	status.FirstStart.CompletedAt = t.stamp()
	if err := t.persistRecord(ctx); err != nil {
		return err
	}
	t.announce(corev1.EventTypeNormal, ReasonInitialized, fmt.Sprintf("The cluster %s is initialized.", status.ClusterID))
	return nil
}

// wipe deletes the volume of the first server and its pod, whose first start cannot be
// completed. The volume is the one that is recorded: it was made after there was none.
func (t *task) wipe(ctx context.Context, facts machine.FirstStart) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	record := t.obj.Status.FirstStart
	record.Attempts, record.AttemptsGeneration, record.InitSentAt = facts.Recorded.Attempts+1, t.obj.Generation, nil
	if err := t.persistRecord(ctx); err != nil {
		return err
	}
	t.memory.sealedSince, t.memory.nothingSince = t.now, t.now
	t.memory.forgetInit()
	t.announce(corev1.EventTypeWarning, ReasonBegunAgain,
		"The first start was interrupted before anyone could use the cluster. It begins again on an empty volume.")
	// The record took its time.
	if err := t.mayWrite(); err != nil {
		return err
	}
	err := t.opts.Kube.CoreV1().PersistentVolumeClaims(t.obj.Namespace).Delete(ctx, volumeName(t.obj), deleteOptions(facts.VolumeUID))
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return t.objectProblem(fmt.Errorf("begin the first start again: %w", err))
	}
	return t.dropPod(ctx)
}

// dropPod deletes the pod of the first server, so that its volume, which is being
// deleted, can go.
func (t *task) dropPod(ctx context.Context) error {
	first := t.first()
	if first == nil || first.pod.DeletionTimestamp != nil {
		t.addProblem(waiting(ReasonStarting, "The volume of the first server, whose first start begins again, is being deleted.", startInterval))
		return nil
	}
	if err := t.mayWrite(); err != nil {
		return err
	}
	err := t.opts.Kube.CoreV1().Pods(t.obj.Namespace).Delete(ctx, first.pod.Name, deleteOptions(string(first.pod.UID)))
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return t.objectProblem(fmt.Errorf("begin the first start again: %w", err))
	}
	return nil
}

// persistRecord writes the status now, with the version that the record was decided
// with: another process that is at work as well must not be overruled.
func (t *task) persistRecord(ctx context.Context) error {
	if err := t.persist(ctx); err != nil {
		// What was not recorded was not decided, and must not be written by the report.
		t.before.Status.DeepCopyInto(&t.obj.Status)
		return err
	}
	t.changed = true
	return nil
}

func (t *task) stamp() *metav1.Time {
	now := metav1.NewTime(t.now).Rfc3339Copy()
	return &now
}
