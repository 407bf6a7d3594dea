// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// Reasons of the condition BackupReady. Those of package jobstep say what failed.
const (
	// ReasonBackupCurrent: the last backup succeeded.
	ReasonBackupCurrent = "BackupCurrent"
	// ReasonBackupPending: none was taken yet, and none failed.
	ReasonBackupPending = "BackupPending"
	// ReasonBackupWaits: one is due, and something has to happen first.
	ReasonBackupWaits = "BackupWaits"
	// ReasonBackupFailed: the last one failed.
	ReasonBackupFailed = "BackupFailed"
)

// Reasons of events about backups.
const (
	// ReasonBackupTaken: a backup counts.
	ReasonBackupTaken = "BackupTaken"
	// ReasonRetentionFailed: expired snapshots were not deleted.
	ReasonRetentionFailed = "RetentionFailed"
)

// reasonOfFailure names why a backup failed.
func (t *task) reasonOfFailure() string {
	if reported := t.backups.outcome.Result.Reason; t.backups.step.Cause == machine.BackupJobFailed && slices.Contains(jobstep.KnownReasons(), reported) {
		return reported
	}
	return ReasonBackupFailed
}

// whyBackupFailed says why a Job of a backup did not do what it was for.
func (t *task) whyBackupFailed() string {
	const limit = 1000
	var why string
	switch t.backups.step.Cause {
	case machine.BackupLockLost:
		why = "Another operation has taken the lock of the cluster."
	case machine.BackupOverdue:
		why = fmt.Sprintf("It took longer than %s.", machine.BackupPatience)
	case machine.BackupMistaken:
		why = "The spec has a mistake: " + asProblem(invalidSpec(t.backups.wrong)).Message
	case machine.BackupUnwanted:
		why = "The spec does not ask for backups any more."
	default:
		why = text.Sentence(text.Capital(cmp.Or(t.backups.outcome.Why, "its Job failed")))
	}
	return strings.ToValidUTF8(why[:min(len(why), limit)], "")
}

// stuckPatience is how long an operation may wait for what normally takes seconds.
const stuckPatience = time.Minute

// backupsMissed sets the condition BackupReady where a sync ended before the backups, and
// something is due of them.
func (t *task) backupsMissed(err error) {
	record := t.obj.Status.Backup
	if t.backups.judged || !t.wantsBackups() || !t.initialized() || record == nil {
		return
	}
	if due := record.NextScheduledBackup; record.Operation == nil && (due == nil || due.After(t.now)) {
		return
	}
	var problem *reconcile.Problem
	if !errors.As(err, &problem) {
		return
	}
	t.setCondition(metav1.Condition{
		Type: openbaov1alpha1.ConditionBackupReady, Status: metav1.ConditionFalse, Reason: ReasonBackupWaits,
		Message: "A backup is due, and this comes first: " + problem.Message,
	})
}

// judgeBackups sets the condition BackupReady, and says when the backups are looked at
// again.
func (t *task) judgeBackups() {
	b := &t.backups
	b.judged = true
	if !t.wantsBackups() {
		meta.RemoveStatusCondition(&t.obj.Status.Conditions, openbaov1alpha1.ConditionBackupReady)
	} else {
		condition := metav1.Condition{Type: openbaov1alpha1.ConditionBackupReady}
		condition.Status, condition.Reason, condition.Message = t.backupVerdict()
		t.setCondition(condition)
	}
	switch {
	case b.facts.Operation != nil, b.step.Action == machine.AwaitBackup, b.problem != nil:
		t.lookAgain(t.now.Add(backupInterval))
	case !b.step.At.IsZero():
		t.lookAgain(b.step.At)
	}
}

// lookAgain has the cluster looked at no later than that.
func (t *task) lookAgain(at time.Time) {
	if t.nextLook.IsZero() || at.Before(t.nextLook) {
		t.nextLook = at
	}
}

func (t *task) backupVerdict() (status metav1.ConditionStatus, reason, message string) {
	b := &t.backups
	record := openbaov1alpha1.BackupStatus{}
	if t.obj.Status.Backup != nil {
		record = *t.obj.Status.Backup
	}
	next := "Only a person asks for the next one: " + t.triggerCommand()
	if record.NextScheduledBackup != nil {
		next = fmt.Sprintf("The next one is due at %s.", record.NextScheduledBackup.UTC().Format("2006-01-02 15:04 MST"))
	}
	var problem *reconcile.Problem
	switch {
	case !t.initialized():
		return metav1.ConditionUnknown, ReasonBackupPending, "The servers have not been started yet."
	case b.wrong != nil:
		err := asProblem(invalidSpec(b.wrong))
		return metav1.ConditionFalse, err.Reason, "No backup is taken. " + err.Message
	case errors.As(b.problem, &problem):
		return metav1.ConditionFalse, problem.Reason, "The backup does not go on. " + problem.Message
	case b.problem != nil:
		return metav1.ConditionFalse, ReasonBackupFailed, "The backup does not go on. " + text.Sentence(text.Capital(b.problem.Error()))
	case b.stuckFor >= stuckPatience:
		return metav1.ConditionFalse, ReasonBackupWaits, fmt.Sprintf("The backup of %s does not go on. %s", b.facts.Operation.StartedAt.UTC().Format("2006-01-02 15:04 MST"), t.whyBackupWaits(b.facts.StandsStill()))
	case b.facts.Operation != nil && b.step.Cause == machine.BackupJobRuns && b.outcome.Unreachable:
		return metav1.ConditionFalse, ReasonBackupWaits, "The Job of the backup does not run: " + text.Sentence(b.outcome.Why)
	case record.ConsecutiveFailures != nil && *record.ConsecutiveFailures > 0:
		return metav1.ConditionFalse, cmp.Or(record.LastFailureReason, ReasonBackupFailed), fmt.Sprintf("%d failed since the last one that succeeded. %s %s", *record.ConsecutiveFailures, record.LastFailureMessage, next)
	case b.step.Action == machine.AwaitBackup && b.facts.Operation == nil:
		return metav1.ConditionFalse, ReasonBackupWaits, "A backup is due. " + t.whyBackupWaits(b.step.Cause)
	case record.LastBackupTime == nil:
		return metav1.ConditionUnknown, ReasonBackupPending, "None was taken yet. " + next
	}
	message = fmt.Sprintf("The snapshot %s of %s is stored in the bucket %s, and verified. %s",
		record.LastBackupName, record.LastBackupTime.UTC().Format("2006-01-02 15:04 MST"), record.LastBackupBucket, next)
	if record.RetentionMessage != "" {
		message += " Of the expired ones: " + record.RetentionMessage
	}
	return metav1.ConditionTrue, ReasonBackupCurrent, message
}

func (t *task) whyBackupWaits(cause machine.BackupCause) string {
	switch cause {
	case machine.BackupNotProved:
		return text.Sentence(t.backups.unproved)
	case machine.BackupLocked:
		return fmt.Sprintf("Another operation holds the lock of the cluster, the Lease %s.", workload.OperationLeaseName(t.obj))
	case machine.BackupOldPods:
		return fmt.Sprintf("The pod %[2]s of a Job has not ended. If its node is lost, make sure that the machine is off, and run: kubectl -n %[1]s delete pod %[2]s --grace-period=0 --force",
			t.obj.Namespace, t.backups.waitsFor)
	}
	return "It is taken once what goes on with the servers is over."
}

func (t *task) triggerCommand() string {
	return fmt.Sprintf(`kubectl -n %s annotate openbaocluster %s --overwrite %s="$(date +%%s)"`, t.obj.Namespace, t.obj.Name, openbaov1alpha1.AnnotationTriggerBackup)
}
