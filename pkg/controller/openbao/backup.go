// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/jobs"
	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	"github.com/bailiwick-operator/bailiwick/pkg/owned"
	"github.com/bailiwick-operator/bailiwick/pkg/snapshot"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

const (
	// backupDeadline is how long the Job of a backup may take, and no longer than admission
	// allows.
	backupDeadline = time.Hour
	// backupInterval is how often a backup is looked at that is under way or waits. Its pods
	// wake it sooner.
	backupInterval = 15 * time.Second
)

// backups is what a sync knows of the backups of the cluster.
type backups struct {
	// spec is what the object asks for, and wrong what is wrong with it.
	spec  workload.Backup
	wrong error
	facts machine.Backup
	step  machine.BackupStep
	// identity is the one that takes them, and unproved says why it may not.
	identity openbaov1alpha1.IdentityStatus
	unproved string

	lease *coordinationv1.Lease
	// jobs are those of backups of the cluster, and pods theirs.
	jobs    []batchv1.Job
	pods    []corev1.Pod
	outcome jobs.Outcome
	// problem is what kept the last step from being done.
	problem error
	// waitsFor is the name of a pod that has not ended.
	waitsFor string
	// stuckFor is how long the operation has waited for pods or for the lock.
	stuckFor time.Duration
	// judged says that the condition is set.
	judged bool
}

// wantsBackups reports whether the spec says where snapshots go.
func (t *task) wantsBackups() bool {
	return t.obj.Spec.Backup != nil && t.obj.Spec.Backup.Target != nil
}

// keepBackups decides what is next for the backups, and does it. What is wrong with them is
// no mistake of the servers: it is in a condition of its own.
func (t *task) keepBackups(ctx context.Context) error {
	if !t.initialized() || !t.wantsBackups() && (t.obj.Status.Backup == nil || t.obj.Status.Backup.Operation == nil) {
		t.judgeBackups()
		return nil
	}
	err := t.planBackup(ctx)
	if err == nil && !t.paused() {
		err = t.carryOutBackup(ctx)
	}
	if errors.Is(err, errMayNotWrite) || errors.Is(err, errGone) || apierrors.IsConflict(err) || ctx.Err() != nil {
		return err
	}
	t.backups.problem = err
	t.backups.stuckFor = t.memory.lasts("backup", "", t.backups.facts.StandsStill() != "", t.now)
	t.judgeBackups()
	return nil
}

// backupStatus returns the record, which is made if there is none.
func (t *task) backupStatus() *openbaov1alpha1.BackupStatus {
	if t.obj.Status.Backup == nil {
		t.obj.Status.Backup = &openbaov1alpha1.BackupStatus{}
	}
	return t.obj.Status.Backup
}

// planBackup finds out what is next. The API server is asked only where something is due or
// under way.
func (t *task) planBackup(ctx context.Context) error {
	b := &t.backups
	status := openbaov1alpha1.BackupStatus{}
	if t.obj.Status.Backup != nil {
		status = *t.obj.Status.Backup
	}
	facts := machine.Backup{
		Now: t.now, Wanted: t.wantsBackups(), Busy: t.busyForBackup(), LastScheduled: timeOf(status.LastAttemptScheduledTime),
		Since: timeOf(status.ScheduleSince), RetryAt: timeOf(status.RetryAt), Handled: status.HandledTrigger,
		Trigger: triggerOf(t.obj), Changed: status.LastFailureGeneration != t.obj.Generation,
	}
	if status.ConsecutiveFailures != nil {
		facts.Failures = int(*status.ConsecutiveFailures)
	}
	if facts.Wanted {
		if b.wrong = t.readBackupSpec(&facts, status); b.wrong != nil && status.Operation == nil {
			return nil
		}
		facts.Mistaken = b.wrong != nil
	}
	if op := status.Operation; op != nil {
		facts.Operation = &machine.BackupOperation{
			UID: op.UID, Kind: machine.BackupKind(op.Kind), Phase: machine.BackupPhase(op.Phase), StartedAt: op.StartedAt.Time, Fence: op.Fence,
		}
	}
	b.facts, b.step = facts, facts.Next()
	if facts.Operation == nil && b.step.Action != machine.BeginBackup {
		return nil
	}
	var err error
	if b.facts.Lock, b.lease, err = t.readLock(ctx); err != nil {
		return err
	}
	if facts.Operation != nil {
		if err := t.findBackupJobs(ctx); err != nil {
			return err
		}
	}
	b.step = b.facts.Next()
	return nil
}

// readBackupSpec reads what the spec asks for.
func (t *task) readBackupSpec(facts *machine.Backup, status openbaov1alpha1.BackupStatus) error {
	b, spec := &t.backups, t.obj.Spec.Backup
	var errs []error
	var err error
	if b.spec, err = workload.BackupOf(t.obj, t.now); err != nil {
		errs = append(errs, err)
	}
	if spec.Schedule != "" {
		schedule, err := machine.ParseSchedule(spec.Schedule, spec.TimeZone, string(t.obj.UID))
		if err != nil {
			errs = append(errs, &authz.SpecError{Field: "spec.backup.schedule", Problem: err.Error()})
		} else {
			facts.Schedule = &schedule
		}
	}
	facts.ScheduleNoted = status.Schedule == scheduleText(spec) && (status.ScheduleSince != nil) == (spec.Schedule != "")
	facts.Retention = b.spec.Retention != snapshot.Retention{}
	b.identity, facts.Proved, b.unproved = authz.MayBackUp(t.obj, t.now, t.opts.ProofInterval)
	return errors.Join(errs...)
}

// scheduleText is how a schedule is recorded.
func scheduleText(spec *openbaov1alpha1.BackupSpec) string {
	if spec.Schedule == "" {
		return ""
	}
	return strings.TrimSpace(spec.Schedule + " " + spec.TimeZone)
}

// triggerOf returns what a person asks for a backup with. Only whether it differs from what
// was served last says something; a long value is cut as it is in the record.
func triggerOf(c *openbaov1alpha1.OpenBaoCluster) string {
	const limit = 128
	value := c.Annotations[openbaov1alpha1.AnnotationTriggerBackup]
	return strings.ToValidUTF8(value[:min(len(value), limit)], "")
}

// busyForBackup reports whether something else goes on with the cluster, or nobody leads
// it. What merely waits for a person is no reason to have no backup.
func (t *task) busyForBackup() bool {
	switch {
	case t.paused(), t.step.Action != machine.Finished, t.recoveryPhase().Active(), t.removing() != nil, t.leader() == nil:
		return true
	}
	switch t.duty.Duty {
	case machine.Rest, machine.Hold:
		return false
	case machine.Await:
		return t.duty.Cause == machine.RollWaits || t.duty.Cause == machine.Rolling || t.duty.Cause == machine.Joining
	}
	return true
}

// findBackupJobs reads from the API server which Jobs of backups there are, and what came of
// that of the phase: what a cache has not seen yet must not count as gone.
func (t *task) findBackupJobs(ctx context.Context) error {
	b, op := &t.backups, t.backups.facts.Operation
	selector := metav1.ListOptions{LabelSelector: labels.SelectorFromSet(labels.Set{
		workload.LabelCluster: t.obj.Name, workload.LabelComponent: workload.ComponentBackup,
	}).String()}
	list, err := t.opts.Kube.BatchV1().Jobs(t.obj.Namespace).List(ctx, selector)
	if err != nil {
		return t.objectProblem(fmt.Errorf("list the Jobs of backups: %w", err))
	}
	pods, err := t.opts.Kube.CoreV1().Pods(t.obj.Namespace).List(ctx, selector)
	if err != nil {
		return t.objectProblem(fmt.Errorf("list the pods of backups: %w", err))
	}
	b.pods = pods.Items
	ours := map[string]bool{}
	for _, job := range list.Items {
		// Those of others have other names, and are nobody's to delete.
		if !owned.ControlledBy(&job, t.obj.UID) || !strings.HasPrefix(job.Name, t.obj.Name+"-") {
			continue
		}
		b.jobs = append(b.jobs, job)
		own := job.Annotations[jobs.AnnotationOperation] == op.UID
		ours[string(job.UID)] = own
		b.facts.Jobs, b.facts.OldJobs = b.facts.Jobs || own, b.facts.OldJobs || !own
		if own && job.Name == t.backupJob().Name() {
			t.readBackupJob(job)
		}
	}
	for _, pod := range pods.Items {
		controller := metav1.GetControllerOf(&pod)
		if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed || controller == nil || controller.Kind != "Job" {
			continue
		}
		// The pod of a Job that is gone can be of any operation.
		own := ours[string(controller.UID)]
		b.waitsFor = pod.Name
		b.facts.Pods, b.facts.OldPods = b.facts.Pods || own || op.Phase == machine.EndingBackup, b.facts.OldPods || !own
	}
	return nil
}

// readBackupJob finds out what came of the Job of the phase.
func (t *task) readBackupJob(job batchv1.Job) {
	b := &t.backups
	b.outcome = jobs.Read(&job, b.pods, t.now)
	switch {
	case job.DeletionTimestamp != nil:
		b.facts.Job = machine.JobAgain
		b.outcome = jobs.Outcome{State: jobs.Again, Why: "its Job was deleted"}
	case b.outcome.State == jobs.Running:
		b.facts.Job = machine.JobRuns
	case b.outcome.State == jobs.Again, b.outcome.State == jobs.Failed && b.outcome.Result.Error == "":
		// What ended it was not its program: the image, or the memory of the node.
		b.facts.Job = machine.JobAgain
	case b.outcome.State == jobs.Failed:
		b.facts.Job = machine.JobFailed
	case b.facts.Operation.Phase == machine.TakingBackup && b.outcome.Result.Backup == nil,
		b.facts.Operation.Phase == machine.Retaining && b.outcome.Result.Retain == nil:
		b.facts.Job, b.outcome.Why = machine.JobAgain, "its report lacks what it did"
	default:
		b.facts.Job = machine.JobDone
	}
}

func stepOf(phase machine.BackupPhase) string {
	if phase == machine.Retaining {
		return jobstep.Retain
	}
	return jobstep.Backup
}

// carryOutBackup does what planBackup has decided.
func (t *task) carryOutBackup(ctx context.Context) error {
	b := &t.backups
	logger := klog.FromContext(ctx)
	switch b.step.Action {
	case machine.NoteSchedule:
		status := t.backupStatus()
		status.Schedule, status.ScheduleSince = scheduleText(t.obj.Spec.Backup), nil
		if b.facts.Schedule != nil {
			status.ScheduleSince = t.stamp()
		}
		b.facts.Since = timeOf(status.ScheduleSince)
		t.noteNext()
		return t.persistRecord(ctx)
	case machine.BeginBackup:
		logger.Info("Beginning a backup", "kind", b.step.Kind)
		return t.beginBackup(ctx)
	case machine.TakeLock:
		return t.takeLock(ctx, b.facts.Lock, b.lease, b.facts.Operation.UID)
	case machine.RenewLock:
		if err := t.renewLock(ctx, b.lease); err != nil {
			return err
		}
	case machine.NoteFence:
		t.backupStatus().Operation.Fence = b.facts.Lock.Fence
		t.showLock("Backup", b.facts.Operation.UID, "A backup is under way.", b.facts.Lock.Fence)
		return t.persistRecord(ctx)
	case machine.DropOldJobs:
		return t.dropJobs(ctx, t.backupJobs(false))
	case machine.DropBackupJobs:
		t.changed = true
		return t.dropJobs(ctx, t.backupJobs(true))
	case machine.RunBackupJob:
		return t.runBackupJob(ctx)
	case machine.NoteBackup:
		return t.noteBackup(ctx)
	case machine.NoteRetention:
		return t.noteRetention(ctx)
	case machine.NoteBackupFailure:
		return t.noteBackupFailure(ctx)
	case machine.ReleaseLock:
		return t.releaseLock(ctx, b.lease)
	case machine.EndBackup:
		t.backupStatus().Operation = nil
		t.showFree()
		return t.persistRecord(ctx)
	case machine.RestBackup, machine.AwaitBackup:
	}
	return nil
}

// backupJobs returns the Jobs of the operation, or all others.
func (t *task) backupJobs(own bool) []batchv1.Job {
	return slices.DeleteFunc(slices.Clone(t.backups.jobs), func(j batchv1.Job) bool {
		return (j.Annotations[jobs.AnnotationOperation] == t.backups.facts.Operation.UID) != own
	})
}

// beginBackup records an operation before anything of it is done. What asked for it is
// served with that, whatever comes of it.
func (t *task) beginBackup(ctx context.Context) error {
	b, status := &t.backups, t.backupStatus()
	status.Operation = &openbaov1alpha1.BackupOperationStatus{
		UID: string(uuid.NewUUID()), Kind: string(b.step.Kind), Phase: string(machine.TakingBackup), StartedAt: *t.stamp(),
		Generation: t.obj.Generation,
	}
	status.LastAttemptTime, status.RetryAt = t.stamp(), nil
	if !b.step.Scheduled.IsZero() {
		status.LastAttemptScheduledTime = new(metav1.NewTime(b.step.Scheduled))
	}
	if b.step.Kind == machine.ManualBackup {
		status.HandledTrigger = b.facts.Trigger
	}
	t.noteNext()
	return t.persistRecord(ctx)
}

// noteNext records when the next backup is due.
func (t *task) noteNext() {
	status, facts := t.backupStatus(), t.backups.facts
	facts.LastScheduled, facts.RetryAt = timeOf(status.LastAttemptScheduledTime), timeOf(status.RetryAt)
	status.NextScheduledBackup = nil
	if next := facts.NextDue(); !next.IsZero() {
		status.NextScheduledBackup = new(metav1.NewTime(next).Rfc3339Copy())
	}
}

// runBackupJob creates the Job of the phase.
func (t *task) runBackupJob(ctx context.Context) error {
	image, err := t.opts.JobImage(ctx)
	if err != nil {
		return waiting(ReasonBackupFailed, fmt.Sprintf("The image of Bailiwick, which Jobs run, cannot be found: %v. The flag --job-image of the process %s names it.",
			err, FieldManager), 10*startInterval)
	}
	one, err := t.backupTask(ctx)
	if err != nil {
		return err
	}
	one.Image = image
	if one.Pod, err = workload.BackupPod(t.obj); err != nil {
		return invalidSpec(err)
	}
	if err := t.mayWrite(); err != nil {
		return err
	}
	job := one.Job()
	if _, err := t.opts.Kube.BatchV1().Jobs(job.Namespace).Create(ctx, job, createOptions()); err != nil {
		return t.objectProblem(fmt.Errorf("create the Job %s: %w", job.Name, err))
	}
	t.changed = true
	return nil
}

// backupJob is the Job of the phase, as far as its name says it.
func (t *task) backupJob() jobs.Task {
	op := t.backups.facts.Operation
	return jobs.Task{
		Owner: t.owner.Reference, Namespace: t.obj.Namespace, Labels: workload.BackupLabels(t.obj), Operation: op.UID, Step: stepOf(op.Phase),
	}
}

// backupTask is what the Job of the phase does.
func (t *task) backupTask(ctx context.Context) (jobs.Task, error) {
	b, op := &t.backups, t.backups.facts.Operation
	one := t.backupJob()
	one.Deadline, one.Credentials, one.CredentialKeys = backupDeadline, b.spec.Credentials, jobstep.CredentialKeys()
	operation := jobstep.Operation{UID: op.UID, Fence: op.Fence, Deadline: t.now.Add(backupDeadline).UTC().Truncate(time.Second)}
	audience, err := t.audience(ctx)
	if err != nil {
		return one, err
	}
	// Deleting needs no login. The account is what a cloud provider knows the pod by.
	one.Login = &jobs.Login{Account: authz.BackupAccount(t.obj), CloudAudience: b.spec.CloudAudience}
	if op.Phase == machine.Retaining {
		one.Args, err = jobstep.RetainArgs(jobstep.RetainRequest{
			Operation: operation, Target: b.spec.Target, Folder: b.spec.Folder, ClusterID: t.obj.Status.ClusterID,
			ClusterUID: string(t.obj.UID), Keep: jobstep.Kept{Name: t.backupStatus().LastBackupName, Digest: t.backupStatus().LastBackupDigest},
			MaxCount: b.spec.Retention.MaxCount, MaxAge: b.spec.Retention.MaxAge,
		})
		return one, err
	}
	one.Login.Audience, one.Spool = audience, &b.spec.Spool
	kind := snapshot.Scheduled
	if op.Kind == machine.ManualBackup {
		kind = snapshot.Manual
	}
	one.Args, err = jobstep.BackupArgs(jobstep.BackupRequest{
		Operation: operation, Target: b.spec.Target, Name: snapshot.Name(b.spec.Folder, kind, op.StartedAt, op.UID), Kind: kind, StartedAt: op.StartedAt.UTC(),
		Servers: t.serverAddresses(), CABundle: string(t.bundle), Mount: authz.MountPath, Role: b.identity.Role,
		Cluster:  snapshot.Cluster{ID: t.obj.Status.ClusterID, Namespace: t.obj.Namespace, Name: t.obj.Name, UID: string(t.obj.UID)},
		Contract: contractOf(t.obj.Status.Authorization, audience), SpoolLimit: b.spec.Spool.Value(), Encryption: b.spec.Encryption,
	})
	return one, err
}

// serverAddresses are those of the servers that answer, the leader first.
func (t *task) serverAddresses() []string {
	var out []string
	for _, s := range t.servers {
		switch {
		case s.node == nil || s.node.Sealed || !t.ofThisCluster(s):
		case !s.node.Standby:
			out = slices.Insert(out, 0, addressOf(t.obj, s.pod.Name))
		default:
			out = append(out, addressOf(t.obj, s.pod.Name))
		}
	}
	return out
}

// contractOf is what the manifest says of the authorization.
func contractOf(record *openbaov1alpha1.AuthorizationStatus, audience string) snapshot.Contract {
	out := snapshot.Contract{Audience: audience}
	if record == nil {
		return out
	}
	out.Issuer, out.Digest = record.Issuer, record.Digest
	for _, key := range record.SigningKeys {
		thumbprint := ""
		if block, _ := pem.Decode([]byte(key.PEM)); block != nil {
			sum := sha256.Sum256(block.Bytes)
			thumbprint = hex.EncodeToString(sum[:])
		}
		out.Keys = append(out.Keys, snapshot.Key{ID: key.ID, Thumbprint: thumbprint})
	}
	return out
}

// noteBackup records a backup that counts.
func (t *task) noteBackup(ctx context.Context) error {
	b, status, done := &t.backups, t.backupStatus(), t.backups.outcome.Result.Backup
	status.LastBackupTime = new(metav1.NewTime(done.TakenAt))
	t.obj.Status.LastBackupTime = status.LastBackupTime.DeepCopy() //nolint:staticcheck // What reads the openbao-operator's status finds it there.
	status.LastBackupName, status.LastBackupDigest, status.LastBackupVersion = done.Name, done.Digest, done.Version
	status.LastBackupBucket = done.Bucket
	status.LastBackupSize, status.LastBackupIndex = new(done.Size), new(signed(done.Index))
	status.LastBackupDuration = b.outcome.Ended.Sub(b.facts.Operation.StartedAt).Truncate(time.Second).String()
	status.ConsecutiveFailures, status.RetryAt = new(int32(0)), nil
	status.LastFailureReason, status.LastFailureMessage, status.LastFailureGeneration = "", "", 0
	status.Operation.Phase = string(machine.EndingBackup)
	if b.facts.Retention {
		status.Operation.Phase = string(machine.Retaining)
	}
	t.noteNext()
	if err := t.persistRecord(ctx); err != nil {
		return err
	}
	t.announce(corev1.EventTypeNormal, ReasonBackupTaken, fmt.Sprintf("The snapshot %s is stored and verified: %d bytes, index %d.", done.Name, done.Size, done.Index))
	return nil
}

// noteRetention records what became of the expired ones.
func (t *task) noteRetention(ctx context.Context) error {
	b, status := &t.backups, t.backupStatus()
	status.Operation.Phase, status.RetentionMessage = string(machine.EndingBackup), ""
	if b.step.Cause == "" {
		done := b.outcome.Result.Retain
		status.Stored, status.Deleted = new(int32(done.Kept)), new(int32(done.Deleted)) //nolint:gosec // Nobody has that many.
		status.RetentionMessage = retentionMessage(*done)
		return t.persistRecord(ctx)
	}
	status.RetentionMessage = t.whyBackupFailed()
	if err := t.persistRecord(ctx); err != nil {
		return err
	}
	t.announce(corev1.EventTypeWarning, ReasonRetentionFailed, "Expired snapshots were not deleted: "+status.RetentionMessage)
	return nil
}

// retentionMessage says what is not as it should be of what is stored, empty for nothing.
func retentionMessage(done jobstep.RetainResult) string {
	var parts []string
	for _, part := range []struct {
		count int
		text  string
	}{
		{done.Held, "have expired, and are under a lock of the storage."},
		{done.Future, "say that they were taken in the future, and are neither counted nor deleted: check the clocks of the nodes, and who writes to the bucket."},
		{done.Foreign, "belong to another OpenBaoCluster, or an earlier one of this name, and are never deleted: delete those that are not needed yourself."},
		{done.Unreadable, "have a manifest that cannot be read, and are neither counted nor deleted: the log of the Job names them."},
	} {
		if part.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.text))
		}
	}
	return strings.Join(parts, " ")
}

// noteBackupFailure records that no snapshot was published.
func (t *task) noteBackupFailure(ctx context.Context) error {
	b, status := &t.backups, t.backupStatus()
	status.ConsecutiveFailures = new(int32(min(b.facts.Failures, 1<<30) + 1)) //nolint:gosec // It is bounded.
	status.LastFailureReason, status.LastFailureMessage, status.LastFailureGeneration = t.reasonOfFailure(), t.whyBackupFailed(), status.Operation.Generation
	status.RetryAt = nil
	if !b.step.At.IsZero() {
		status.RetryAt = new(metav1.NewTime(b.step.At).Rfc3339Copy())
	}
	status.Operation.Phase = string(machine.EndingBackup)
	t.noteNext()
	if err := t.persistRecord(ctx); err != nil {
		return err
	}
	t.announce(corev1.EventTypeWarning, status.LastFailureReason, status.LastFailureMessage)
	return nil
}

func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
