// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	openbaov1alpha1ac "github.com/bailiwick-operator/bailiwick/generated/applyconfiguration/openbao/v1alpha1"
	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// conditionTypes are the conditions that this package owns.
var conditionTypes = [...]string{
	openbaov1alpha1.ConditionReady, openbaov1alpha1.ConditionClusterLifecycle, openbaov1alpha1.ConditionAvailable,
	openbaov1alpha1.ConditionTLSReady, openbaov1alpha1.ConditionOpenBaoInitialized, openbaov1alpha1.ConditionOpenBaoSealed,
	openbaov1alpha1.ConditionOpenBaoLeader, openbaov1alpha1.ConditionBackupReady,
}

// errGone says that the object is no longer there, or is another one of the same name.
var errGone = errors.New("object is gone")

// report writes what the sync found to the status, and says what is next.
func (t *task) report(ctx context.Context, err error) reconcile.Outcome {
	switch {
	case errors.Is(err, errGone):
		return reconcile.Done()
	case errors.Is(err, errMayNotWrite):
		return reconcile.Retry(err)
	case apierrors.IsConflict(err):
		// The bootstrapper writes the same status; the next look has what it wrote.
		return reconcile.After(startInterval / 2)
	case ctx.Err() != nil:
		return reconcile.Retry(ctx.Err())
	}
	if err != nil {
		t.problems = append([]*reconcile.Problem{asProblem(err)}, t.problems...)
		// What was seen counts, whatever ended the sync. What was not looked at stays as it
		// is known: servers do not stop for a mistake in the spec.
		if t.observed {
			t.judge()
		}
	}
	t.sumUp()
	announcements := t.announcements()
	if err := t.persist(ctx); err != nil {
		return afterWrite(err)
	}
	for _, announce := range append(announcements, t.events...) {
		announce()
	}
	return t.next()
}

// afterWrite is what is next where the status could not be written.
func afterWrite(err error) reconcile.Outcome {
	switch {
	case errors.Is(err, errGone):
		return reconcile.Done()
	case apierrors.IsConflict(err):
		// Somebody wrote it meanwhile; the next look has what that was.
		return reconcile.After(startInterval / 2)
	}
	return reconcile.Retry(err)
}

// next says when the cluster is looked at again. What changes in Kubernetes wakes it.
func (t *task) next() reconcile.Outcome {
	if len(t.problems) > 0 && t.problems[0].Next.Err() != nil {
		return t.problems[0].Next
	}
	if t.changed {
		return reconcile.After(0)
	}
	if len(t.problems) > 0 && t.problems[0].Next != (reconcile.Outcome{}) {
		return t.problems[0].Next
	}
	look := t.opts.RecheckInterval
	if t.memory.counts(t.now) {
		look = min(look, 10*startInterval)
	}
	if !t.nextLook.IsZero() {
		look = max(startInterval, min(look, t.nextLook.Sub(t.now)))
	}
	if t.readsCertificate() {
		look = min(look, readInterval)
	}
	return reconcile.After(look)
}

// readInterval is how often a cluster is looked at whose servers are about to read a new
// certificate.
const readInterval = 10 * startInterval

// readsCertificate reports whether servers show an earlier certificate. No object tells when
// they show another one, or have run for long enough to be started again.
func (t *task) readsCertificate() bool {
	c := meta.FindStatusCondition(t.obj.Status.Conditions, openbaov1alpha1.ConditionTLSReady)
	return c != nil && c.Reason == ReasonRotating
}

// sumUp sets the conditions Ready and ClusterLifecycle, and the phase.
func (t *task) sumUp() {
	status := &t.obj.Status
	status.ObservedGeneration = t.obj.Generation
	ready := metav1.Condition{
		Type: openbaov1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: ReasonReady,
		Message: fmt.Sprintf("%d of %d servers run and vote, and all identities are proved.", len(t.servers), t.want()),
	}
	status.Phase = openbaov1alpha1.PhaseRunning
	lifecycle := metav1.Condition{
		Type: openbaov1alpha1.ConditionClusterLifecycle, Status: metav1.ConditionTrue, Reason: ReasonRunning, Message: "Bailiwick runs the servers.",
	}
	if len(t.problems) > 0 {
		problem := t.problems[0]
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, problem.Reason, problem.Message
		switch problem.Reason {
		case ReasonStarting, ReasonScaling:
			status.Phase = openbaov1alpha1.PhaseInitializing
		case ReasonUnknown:
			ready.Status = metav1.ConditionUnknown
		case ReasonDegraded:
			lifecycle.Reason, lifecycle.Message = problem.Reason, problem.Message
		case ReasonRolling:
			if status.Upgrade != nil {
				status.Phase = openbaov1alpha1.PhaseUpgrading
			}
		case ReasonInvalidSpec, ReasonStuck, ReasonUnsealKeyLost, ReasonOtherCluster, ReasonConflict, ReasonRollStuck, ReasonStranded, ReasonRecoveryStuck, ReasonRecoveryPlanned:
			status.Phase = openbaov1alpha1.PhaseFailed
		}
		if !t.initialized() {
			status.Phase = openbaov1alpha1.PhaseInitializing
		}
		if t.step.Action != machine.Finished || aboutServers(problem.Reason) {
			lifecycle.Status, lifecycle.Reason, lifecycle.Message = metav1.ConditionFalse, problem.Reason, problem.Message
		}
	}
	if t.paused() {
		lifecycle.Status, lifecycle.Reason, lifecycle.Message = metav1.ConditionFalse, ReasonPaused, "The cluster is paused (spec.paused): Bailiwick looks, and changes nothing."
	}
	if len(t.notes) > 0 {
		lifecycle.Message += " " + strings.Join(t.notes, " ")
	}
	t.setCondition(ready)
	t.setCondition(lifecycle)
}

// aboutServers reports whether a reason says that the servers are not as the spec wants
// them.
func aboutServers(reason string) bool {
	switch reason {
	case ReasonInvalidSpec, ReasonScaling, ReasonNoQuorum, ReasonOtherCluster, ReasonRolling, ReasonRollStuck, ReasonGuarded, ReasonHealing, ReasonStranded,
		ReasonRecovering, ReasonRecoveryPlanned, ReasonRecoveryStuck:
		return true
	}
	return false
}

func (t *task) setCondition(condition metav1.Condition) {
	condition.ObservedGeneration = t.obj.Generation
	condition.LastTransitionTime = metav1.NewTime(t.now)
	meta.SetStatusCondition(&t.obj.Status.Conditions, condition)
}

// persist writes what this package owns of the status, where it differs from what was
// last written. It fails if the object has changed since it was read: the records of the
// first start are among it, and what another process has recorded meanwhile must not be
// taken back.
func (t *task) persist(ctx context.Context) error {
	if apiequality.Semantic.DeepEqual(t.before.Status, t.obj.Status) {
		return nil
	}
	status, err := statusConfig(&t.obj.Status)
	if err != nil {
		return err
	}
	return t.apply(ctx, status)
}

func (t *task) apply(ctx context.Context, status *openbaov1alpha1ac.OpenBaoClusterStatusApplyConfiguration) error {
	config := openbaov1alpha1ac.OpenBaoCluster(t.obj.Name, t.obj.Namespace).WithUID(t.obj.UID).
		WithResourceVersion(t.before.ResourceVersion).WithStatus(status)
	got, err := t.opts.Clusters.OpenBaoClusters(t.obj.Namespace).ApplyStatus(ctx, config, metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
	switch {
	case err == nil:
	case !apierrors.IsConflict(err) && reconcile.IsGone(err):
		return errGone
	default:
		// A conflict can be a newer version as well as another object of the name. The next
		// look tells.
		return fmt.Errorf("apply status: %w", err)
	}
	klog.FromContext(ctx).V(2).Info("Applied status")
	t.written.Store(got.DeepCopy())
	// What others own of it may be newer now; what was decided stays.
	decided := t.obj.Status
	got.DeepCopyInto(t.before)
	got.DeepCopyInto(t.obj)
	t.takeOver(&decided)
	return nil
}

// takeOver puts back what this package owns.
func (t *task) takeOver(decided *openbaov1alpha1.OpenBaoClusterStatus) {
	s := &t.obj.Status
	s.ObservedGeneration, s.Phase, s.ActiveLeader, s.ReadyReplicas, s.CurrentVersion = decided.ObservedGeneration, decided.Phase, decided.ActiveLeader, decided.ReadyReplicas, decided.CurrentVersion
	s.Initialized, s.SelfInitialized, s.ClusterID, s.FirstStart, s.Servers = decided.Initialized, decided.SelfInitialized, decided.ClusterID, decided.FirstStart, decided.Servers
	s.Membership, s.Upgrade, s.Recovery = decided.Membership, decided.Upgrade, decided.Recovery
	s.Backup, s.LastBackupTime, s.OperationLock = decided.Backup, decided.LastBackupTime, decided.OperationLock //nolint:staticcheck // See noteBackup.
	for _, conditionType := range conditionTypes {
		if c := meta.FindStatusCondition(decided.Conditions, conditionType); c != nil {
			meta.SetStatusCondition(&s.Conditions, *c)
		}
	}
}

// statusConfig is the whole of what this package owns of a status.
func statusConfig(status *openbaov1alpha1.OpenBaoClusterStatus) (*openbaov1alpha1ac.OpenBaoClusterStatusApplyConfiguration, error) {
	own := openbaov1alpha1.OpenBaoClusterStatus{
		ObservedGeneration: status.ObservedGeneration, Phase: status.Phase, ActiveLeader: status.ActiveLeader, ReadyReplicas: status.ReadyReplicas,
		CurrentVersion: status.CurrentVersion, Initialized: status.Initialized, SelfInitialized: status.SelfInitialized, ClusterID: status.ClusterID,
		FirstStart: status.FirstStart, Servers: status.Servers, Membership: status.Membership, Upgrade: status.Upgrade, Recovery: status.Recovery,
		Backup: status.Backup, LastBackupTime: status.LastBackupTime, OperationLock: status.OperationLock, //nolint:staticcheck // See noteBackup.
	}
	for _, conditionType := range conditionTypes {
		if c := meta.FindStatusCondition(status.Conditions, conditionType); c != nil {
			own.Conditions = append(own.Conditions, *c)
		}
	}
	// The two types have the same fields.
	raw, err := json.Marshal(own)
	if err != nil {
		return nil, err
	}
	config := openbaov1alpha1ac.OpenBaoClusterStatus()
	return config, json.Unmarshal(raw, config)
}

// disown gives up what this package wrote of the status of an object that describes no
// servers any more. Its servers stay as they are.
func (t *task) disown(ctx context.Context, declared bool) reconcile.Outcome {
	lifecycle := meta.FindStatusCondition(t.obj.Status.Conditions, openbaov1alpha1.ConditionTLSReady)
	if !declared || lifecycle == nil {
		return reconcile.Done()
	}
	if r := t.obj.Status.Recovery; r != nil && r.ApprovedAt != nil && t.recoveryPhase().Active() {
		// Without the record, servers that were left out would be started again.
		return reconcile.After(t.opts.RecheckInterval)
	}
	// Where the right is gone, so is what it was for.
	if err := t.dropInitialize(ctx); err != nil && asProblem(err).Reason != ReasonNotGranted {
		return afterWrite(err)
	}
	if err := t.keepFinalizer(ctx, false); err != nil {
		return afterWrite(err)
	}
	if err := t.apply(ctx, openbaov1alpha1ac.OpenBaoClusterStatus()); err != nil {
		return afterWrite(err)
	}
	return reconcile.Done()
}

// announcements returns the events about what changed since the last report.
func (t *task) announcements() []func() {
	var out []func()
	for _, conditionType := range []string{openbaov1alpha1.ConditionReady, openbaov1alpha1.ConditionClusterLifecycle, openbaov1alpha1.ConditionTLSReady} {
		now := meta.FindStatusCondition(t.obj.Status.Conditions, conditionType)
		before := meta.FindStatusCondition(t.before.Status.Conditions, conditionType)
		if now == nil || before != nil && before.Status == now.Status && before.Reason == now.Reason {
			continue
		}
		eventType := corev1.EventTypeNormal
		switch {
		case now.Status == metav1.ConditionTrue:
		case now.Reason == ReasonStarting || now.Reason == ReasonScaling || now.Reason == ReasonPaused || now.Reason == ReasonRolling || now.Reason == ReasonHealing || now.Reason == ReasonRecovering:
		default:
			eventType = corev1.EventTypeWarning
		}
		reason, message := now.Reason, now.Message
		out = append(out, func() { t.announce(eventType, reason, message) })
	}
	return out
}

// announce writes an event.
func (t *task) announce(eventType, reason, message string) {
	reconcile.Announce(t.opts.Recorder, Resource.GroupVersion().WithKind(kind), t.obj, eventType, reason, message)
}
