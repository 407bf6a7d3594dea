// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import "time"

// BackupKind says what a backup is for.
type BackupKind string

const (
	// ScheduledBackup is one of the schedule, or a further try of it.
	ScheduledBackup BackupKind = "Scheduled"
	// ManualBackup is one that a person asked for.
	ManualBackup BackupKind = "Manual"
)

// BackupPhase is how far a backup has come, as it is recorded.
type BackupPhase string

const (
	// TakingBackup means that the snapshot is taken and published.
	TakingBackup BackupPhase = "Taking"
	// Retaining means that it counts, and that expired ones are deleted.
	Retaining BackupPhase = "Retaining"
	// EndingBackup means that its outcome is recorded. Its Jobs and its lock go.
	EndingBackup BackupPhase = "Ending"
)

// BackupAction is what is to be done next.
type BackupAction string

const (
	// RestBackup means that nothing is due before BackupStep.At.
	RestBackup BackupAction = "Rest"
	// NoteSchedule records the schedule, which counts from now on.
	NoteSchedule BackupAction = "NoteSchedule"
	// BeginBackup records a new operation.
	BeginBackup BackupAction = "Begin"
	// TakeLock takes the lock for it.
	TakeLock BackupAction = "TakeLock"
	// RenewLock confirms it.
	RenewLock BackupAction = "RenewLock"
	// NoteFence records the number of the lock.
	NoteFence BackupAction = "NoteFence"
	// DropOldJobs deletes the Jobs of earlier operations.
	DropOldJobs BackupAction = "DropOldJobs"
	// RunBackupJob creates the Job of the phase.
	RunBackupJob BackupAction = "RunJob"
	// NoteBackup records what the Job of TakingBackup reported.
	NoteBackup BackupAction = "NoteBackup"
	// NoteRetention records what the Job of Retaining reported, or why it failed.
	NoteRetention BackupAction = "NoteRetention"
	// NoteBackupFailure records that no snapshot was published, and why.
	NoteBackupFailure BackupAction = "NoteFailure"
	// DropBackupJobs deletes the Jobs of the operation.
	DropBackupJobs BackupAction = "DropJobs"
	// ReleaseLock gives the lock back.
	ReleaseLock BackupAction = "ReleaseLock"
	// EndBackup deletes the record of the operation.
	EndBackup BackupAction = "End"
	// AwaitBackup means that something has to happen first.
	AwaitBackup BackupAction = "Await"
)

// BackupCause says why there is a step.
type BackupCause string

const (
	// BackupBusy: something else goes on with the cluster.
	BackupBusy BackupCause = "Busy"
	// BackupNotProved: the backup identity is not proved for the contract of now.
	BackupNotProved BackupCause = "NotProved"
	// BackupLocked: another operation holds the lock.
	BackupLocked BackupCause = "Locked"
	// BackupOldPods: pods of an earlier operation have not ended.
	BackupOldPods BackupCause = "OldPods"
	// BackupJobRuns: the Job has not ended.
	BackupJobRuns BackupCause = "JobRuns"
	// BackupJobFailed: the Job failed.
	BackupJobFailed BackupCause = "JobFailed"
	// BackupLockLost: another operation has taken the lock.
	BackupLockLost BackupCause = "LockLost"
	// BackupOverdue: it took longer than an operation may.
	BackupOverdue BackupCause = "Overdue"
	// BackupMistaken: what the spec says about backups has a mistake.
	BackupMistaken BackupCause = "Mistaken"
	// BackupUnwanted: the spec does not ask for backups any more.
	BackupUnwanted BackupCause = "Unwanted"
)

// BackupStep is the next step.
type BackupStep struct {
	Action BackupAction
	Cause  BackupCause
	// At is for RestBackup, zero if nothing will ever be due. For NoteBackupFailure it is
	// when it is tried again, zero if not before the schedule or a change.
	At time.Time
	// Kind and Scheduled are for BeginBackup: what it is for, and which time of the
	// schedule it serves, zero if none.
	Kind      BackupKind
	Scheduled time.Time
}

// BackupOperation is a backup as it is recorded.
type BackupOperation struct {
	UID       string
	Kind      BackupKind
	Phase     BackupPhase
	StartedAt time.Time
	// Fence is the number of its lock, 0 before that is recorded.
	Fence int32
}

// Backup is what is known of the backups of a cluster.
type Backup struct {
	Now time.Time
	// Wanted says that the spec asks for backups.
	Wanted bool
	// Schedule is nil where the spec has none, or one with a mistake. ScheduleNoted says
	// that what the spec asks for is what is recorded, which counts since Since.
	Schedule      *Schedule
	ScheduleNoted bool
	Since         time.Time
	// LastScheduled is the last time of the schedule that was served, whatever came of it.
	LastScheduled time.Time
	// Trigger is what a person asks for a backup with, and Handled the last one that was
	// served.
	Trigger, Handled string
	// Failures counts those since the last success. RetryAt is when it is tried again,
	// zero if only the schedule or a change brings a new try. Changed says that the spec
	// has changed since the last failure.
	Failures int
	RetryAt  time.Time
	Changed  bool
	// Mistaken says that what the spec says about backups has a mistake: no Job is run for it.
	Mistaken bool
	// Retention says that expired snapshots are to be deleted.
	Retention bool

	// Busy says that something else goes on with the cluster, or that it does not work.
	Busy bool
	// Proved says that the backup identity is, for the contract of now.
	Proved bool

	// Operation is the one that is recorded, nil if none is.
	Operation *BackupOperation
	Lock      Lock
	// Job is that of the operation and its phase, Jobs that the operation has any, and Pods
	// that some have not ended.
	Job        JobState
	Jobs, Pods bool
	// OldJobs says that there are Jobs of other operations, and OldPods that their pods have
	// not ended.
	OldJobs, OldPods bool
}

const (
	// BackupPatience is how long an operation may take as a whole.
	BackupPatience = 4 * time.Hour
	// firstRetry is after how long a backup that failed is tried again. Each further
	// failure doubles that up to lastRetry.
	firstRetry = time.Minute
	lastRetry  = time.Hour
)

// Next returns the next step.
func (b Backup) Next() BackupStep {
	if b.Operation != nil {
		return b.operation(*b.Operation)
	}
	if !b.Wanted {
		return BackupStep{Action: RestBackup}
	}
	if !b.ScheduleNoted {
		return BackupStep{Action: NoteSchedule}
	}
	begin, due := b.due()
	switch {
	case !due:
		return BackupStep{Action: RestBackup, At: b.NextDue()}
	case b.Busy:
		return BackupStep{Action: AwaitBackup, Cause: BackupBusy}
	case !b.Proved:
		return BackupStep{Action: AwaitBackup, Cause: BackupNotProved}
	case !b.Lock.free(b.Now):
		return BackupStep{Action: AwaitBackup, Cause: BackupLocked}
	}
	return begin
}

// due returns what is due now.
func (b Backup) due() (BackupStep, bool) {
	begin := BackupStep{Action: BeginBackup, Kind: ScheduledBackup}
	if b.Schedule != nil {
		begin.Scheduled = b.Schedule.Latest(later(b.Since, b.LastScheduled), b.Now)
	}
	switch {
	case b.Trigger != "" && b.Trigger != b.Handled:
		begin.Kind = ManualBackup
		return begin, true
	case !begin.Scheduled.IsZero():
		return begin, true
	case b.Failures > 0 && b.Changed, !b.RetryAt.IsZero() && !b.Now.Before(b.RetryAt):
		return begin, true
	}
	return BackupStep{}, false
}

// NextDue returns when the next backup is due, zero if nothing says so.
func (b Backup) NextDue() time.Time {
	var next time.Time
	if b.Schedule != nil {
		next = b.Schedule.Next(later(b.Since, b.LastScheduled))
	}
	if !b.RetryAt.IsZero() && (next.IsZero() || b.RetryAt.Before(next)) {
		next = b.RetryAt
	}
	return next
}

// StandsStill returns for what an operation waits that normally takes moments: the pods of
// others, its own that do not end, or the lock. It is empty where it waits for none of them.
func (b Backup) StandsStill() BackupCause {
	switch op := b.Operation; {
	case op == nil:
	case b.OldPods && op.Phase != EndingBackup, b.Pods && op.Phase == EndingBackup:
		return BackupOldPods
	case op.Fence == 0 && !b.Lock.heldBy(op.UID):
		return BackupLocked
	}
	return ""
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// operation goes on with a backup that is recorded.
func (b Backup) operation(op BackupOperation) BackupStep {
	if op.Phase == EndingBackup {
		return b.ending(op)
	}
	switch {
	case op.Fence != 0 && (!b.Lock.heldBy(op.UID) || b.Lock.Fence != op.Fence):
		// Whoever took it deletes the Jobs. What they published counts by itself.
		return b.failed(op, BackupLockLost)
	case b.Now.Sub(op.StartedAt) > BackupPatience:
		return b.failed(op, BackupOverdue)
	case !b.Wanted:
		return b.failed(op, BackupUnwanted)
	case !b.Lock.heldBy(op.UID) && b.Lock.free(b.Now):
		return BackupStep{Action: TakeLock}
	case !b.Lock.heldBy(op.UID):
		return BackupStep{Action: AwaitBackup, Cause: BackupLocked}
	case op.Fence == 0:
		return BackupStep{Action: NoteFence}
	case b.Lock.stale(b.Now):
		return BackupStep{Action: RenewLock}
	case b.OldJobs:
		return BackupStep{Action: DropOldJobs}
	case b.OldPods:
		// The fence: what was begun before has ended before anything else begins.
		return BackupStep{Action: AwaitBackup, Cause: BackupOldPods}
	}
	switch b.Job {
	case NoJob:
		if b.Mistaken {
			return b.failed(op, BackupMistaken)
		}
		return BackupStep{Action: RunBackupJob}
	case JobRuns:
		return BackupStep{Action: AwaitBackup, Cause: BackupJobRuns}
	case JobDone:
		if op.Phase == Retaining {
			return BackupStep{Action: NoteRetention}
		}
		return BackupStep{Action: NoteBackup}
	}
	return b.failed(op, BackupJobFailed)
}

// failed is what follows if an operation cannot go on.
func (b Backup) failed(op BackupOperation, why BackupCause) BackupStep {
	if op.Phase == Retaining {
		// The snapshot counts.
		return BackupStep{Action: NoteRetention, Cause: why}
	}
	step := BackupStep{Action: NoteBackupFailure, Cause: why}
	if b.Wanted && why != BackupMistaken && (why != BackupJobFailed || b.Job == JobAgain) {
		wait := lastRetry
		if b.Failures < 6 {
			wait = firstRetry << b.Failures
		}
		step.At = b.Now.Add(min(wait, lastRetry))
	}
	return step
}

// ending removes what is left of an operation whose outcome is recorded.
func (b Backup) ending(op BackupOperation) BackupStep {
	switch {
	case b.Jobs:
		return BackupStep{Action: DropBackupJobs}
	case b.Pods:
		return BackupStep{Action: AwaitBackup, Cause: BackupOldPods}
	case b.Lock.heldBy(op.UID):
		return BackupStep{Action: ReleaseLock}
	}
	return BackupStep{Action: EndBackup}
}
