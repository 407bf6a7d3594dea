// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// OpenBaoClusterStatus is what was observed. observedGeneration, conditions and
// authorization are there for all objects; the other fields are those of who runs the
// servers.
type OpenBaoClusterStatus struct {
	// observedGeneration is the generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions say what is right, what is not, and how to fix it.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// authorization records what Bailiwick wrote to the server.
	// +optional
	Authorization *AuthorizationStatus `json:"authorization,omitempty"`

	// phase sums up what is going on.
	// +kubebuilder:validation:Enum=Initializing;Running;Upgrading;BackingUp;Failed
	// +optional
	Phase ClusterPhase `json:"phase,omitempty"`
	// activeLeader is the pod of the active server.
	// +optional
	ActiveLeader string `json:"activeLeader,omitempty"`
	// readyReplicas is the number of ready servers.
	// +optional
	ReadyReplicas *int32 `json:"readyReplicas,omitempty"`
	// currentVersion is the OpenBao version that the servers run.
	// +optional
	CurrentVersion string `json:"currentVersion,omitempty"`
	// initialized says that the cluster has been initialized.
	// +optional
	Initialized *bool `json:"initialized,omitempty"`
	// selfInitialized says that the cluster has initialized itself.
	// +optional
	SelfInitialized *bool `json:"selfInitialized,omitempty"`
	// clusterID is the id that the servers gave their cluster when it was initialized.
	// A server that reports another one is not part of it.
	// +optional
	ClusterID string `json:"clusterID,omitempty"`
	// firstStart says how far the first start has come.
	// +optional
	FirstStart *FirstStartStatus `json:"firstStart,omitempty"`
	// servers are the servers as they were last seen.
	// +optional
	// +listType=map
	// +listMapKey=name
	Servers []ServerStatus `json:"servers,omitempty"`
	// membership is the change of the cluster's members that is under way.
	// +optional
	Membership *MembershipStatus `json:"membership,omitempty"`
	// recovery is the recovery from a lost quorum, see spec.maintenance.recoverQuorum.
	// +optional
	Recovery *RecoveryStatus `json:"recovery,omitempty"`
	// lastBackupTime is when the last snapshot was taken.
	//
	// Deprecated: Use backup.lastBackupTime.
	// +optional
	LastBackupTime *metav1.Time `json:"lastBackupTime,omitempty"`
	// upgrade is how far a rolling upgrade has come.
	// +optional
	Upgrade *UpgradeStatus `json:"upgrade,omitempty"`
	// backup is what came of the backups.
	// +optional
	Backup *BackupStatus `json:"backup,omitempty"`
	// blueGreen is how far a blue/green upgrade has come.
	// +optional
	BlueGreen *BlueGreenStatus `json:"blueGreen,omitempty"`
	// operationLock says what must not be disturbed.
	// +optional
	OperationLock *OperationLockStatus `json:"operationLock,omitempty"`
	// breakGlass says what a person must repair.
	// +optional
	BreakGlass *BreakGlassStatus `json:"breakGlass,omitempty"`
	// workload is what came of the work on the servers' objects.
	// +optional
	// +nullable
	Workload *WorkStatus `json:"workload,omitempty"`
	// adminOps is what came of the work on the servers themselves.
	// +optional
	AdminOps *WorkStatus `json:"adminOps,omitempty"`
}

// ClusterPhase sums up what is going on.
// +enum
type ClusterPhase string

const (
	// PhaseInitializing means that not all servers are ready.
	PhaseInitializing ClusterPhase = "Initializing"
	// PhaseRunning means that all servers are ready.
	PhaseRunning ClusterPhase = "Running"
	// PhaseUpgrading means that the servers are being upgraded.
	PhaseUpgrading ClusterPhase = "Upgrading"
	// PhaseBackingUp means that a snapshot is being taken.
	PhaseBackingUp ClusterPhase = "BackingUp"
	// PhaseFailed means that a person must help.
	PhaseFailed ClusterPhase = "Failed"
)

// FirstStartStatus says how far the first start of a cluster has come.
type FirstStartStatus struct {
	// begunAt is when it was seen that the first server has no volume yet. What is on
	// a volume that is made after that is this cluster's.
	// +optional
	BegunAt *metav1.Time `json:"begunAt,omitempty"`
	// volumeUID is the UID of the PersistentVolumeClaim of the first server that was
	// made after that.
	// +optional
	VolumeUID string `json:"volumeUID,omitempty"`
	// initSentAt is when the server was last asked to initialize itself, where it does
	// not do so on its own (spec.selfInit).
	// +optional
	InitSentAt *metav1.Time `json:"initSentAt,omitempty"`
	// attempts is how often an incomplete first start was begun again on an empty
	// volume, for the generation of the object that attemptsGeneration says.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`
	// attemptsGeneration is the generation that attempts counts for: a change of the spec
	// may be what lets the next one succeed.
	// +optional
	AttemptsGeneration int64 `json:"attemptsGeneration,omitempty"`
	// completedAt is when the first server was seen to be initialized and unsealed, with
	// an identity of the contract that could log in.
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`
}

// ServerRole says what a server does in its cluster.
// +enum
type ServerRole string

const (
	// ServerLeader is the active server.
	ServerLeader ServerRole = "Leader"
	// ServerVoter is a standby that votes.
	ServerVoter ServerRole = "Voter"
	// ServerNonVoter is a standby that does not vote, or not yet.
	ServerNonVoter ServerRole = "NonVoter"
	// ServerUnknown is a server of which that is not known.
	ServerUnknown ServerRole = "Unknown"
)

// ServerStatus is what was last seen of one server.
type ServerStatus struct {
	// name is the name of the pod.
	Name string `json:"name"`
	// role is what it does.
	// +kubebuilder:validation:Enum=Leader;Voter;NonVoter;Unknown
	// +optional
	Role ServerRole `json:"role,omitempty"`
	// initialized and sealed are what it says of itself. They are absent while it does
	// not answer.
	// +optional
	Initialized *bool `json:"initialized,omitempty"`
	// +optional
	Sealed *bool `json:"sealed,omitempty"`
	// version is the OpenBao version that it says it is.
	// +optional
	Version string `json:"version,omitempty"`
	// indexLag is by how many entries of the log it was behind the leader, rounded down to
	// a power of ten; 0 is less than 100. It is absent where that is not known.
	// +optional
	IndexLag *int64 `json:"indexLag,omitempty"`
	// certificateSerial is the serial number of the certificate that it shows, in
	// hexadecimal.
	// +optional
	CertificateSerial string `json:"certificateSerial,omitempty"`
	// current says that the pod is of the current revision of the StatefulSet.
	// +optional
	Current *bool `json:"current,omitempty"`
	// emptyVolumeUID is the UID of the PersistentVolumeClaim that it was last seen to have
	// nothing on. What is on that now came from this cluster.
	// +optional
	EmptyVolumeUID string `json:"emptyVolumeUID,omitempty"`
	// message says what is wrong with it.
	// +optional
	Message string `json:"message,omitempty"`
}

// MembershipStatus is a change of the members of a cluster that is under way.
type MembershipStatus struct {
	// removing is the server that leaves the cluster.
	// +optional
	Removing *RemovingStatus `json:"removing,omitempty"`
}

// RemovalReason says why a server leaves its cluster.
// +enum
type RemovalReason string

const (
	// RemovalScaleDown means that the spec asks for fewer servers.
	RemovalScaleDown RemovalReason = "ScaleDown"
	// RemovalReplaced means that another server takes its place.
	RemovalReplaced RemovalReason = "Replaced"
)

// RemovingStatus is a server that leaves its cluster.
type RemovingStatus struct {
	// server is the name of its pod, which is also its id in the cluster.
	Server string `json:"server"`
	// since is when that was decided.
	Since metav1.Time `json:"since"`
	// reason says why it leaves.
	// +kubebuilder:validation:Enum=ScaleDown;Replaced
	Reason RemovalReason `json:"reason"`
	// removedAt is when the leader no longer listed it.
	// +optional
	RemovedAt *metav1.Time `json:"removedAt,omitempty"`
}

// RecoveryPhase says how far the recovery from a lost quorum has come.
// +enum
type RecoveryPhase string

// RecoveryStatus is the recovery from a lost quorum. Except in the phases Refused and
// Completed, it alone decides which servers run.
type RecoveryStatus struct {
	// phase is what is being done. Refused means that a server led when it was asked for.
	// +kubebuilder:validation:Enum=Refused;Stopping;Inspecting;Planned;Returning;Preparing;Prepared;Starting;Deleting;Rejoining;Completed
	Phase RecoveryPhase `json:"phase"`
	// operation identifies this recovery. It is part of what hash covers, so that an
	// approval is good for one recovery only.
	// +optional
	Operation string `json:"operation,omitempty"`
	// startedAt is when the servers were asked to stop.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// replicas is how many servers the StatefulSet had then.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// hash approves the plan when it is written to spec.maintenance.recoverQuorum.
	// +optional
	Hash string `json:"hash,omitempty"`
	// servers are what was found on the volumes, and what becomes of each.
	// +optional
	// +listType=map
	// +listMapKey=name
	Servers []RecoveredServer `json:"servers,omitempty"`
	// reported is the last entry that a leader was seen to have before the quorum was lost,
	// absent if that is not known.
	// +optional
	Reported *ReportedEntry `json:"reported,omitempty"`
	// approvedAt is when a plan was approved. From then on, the servers are never started
	// again as they were.
	// +optional
	ApprovedAt *metav1.Time `json:"approvedAt,omitempty"`
	// completedAt is when the last recovery was completed.
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`
}

// ReportedEntry is the last entry of the log that was seen.
type ReportedEntry struct {
	// index is its number in the log.
	Index int64 `json:"index"`
	// at is when it was seen. Entries that were written later are not counted.
	At metav1.Time `json:"at"`
}

// RecoveredServer is what was found on the volume of a server whose cluster has lost its
// quorum.
type RecoveredServer struct {
	// name is the name of its pod.
	Name string `json:"name"`
	// volumeUID is the UID of its PersistentVolumeClaim, absent if it has none.
	// +optional
	VolumeUID string `json:"volumeUID,omitempty"`
	// verdict is what is on the volume: Survivor is the one that the cluster goes on with,
	// Behind has data that ends earlier or at the same entry, Empty has none, Unreadable has
	// damaged data, no pod could be started with Unreachable in time, and Lost is gone or is
	// being deleted. All but Survivor and Empty are deleted.
	// +kubebuilder:validation:Enum=Survivor;Behind;Empty;Unreadable;Unreachable;Lost
	Verdict string `json:"verdict"`
	// index and term are those of the last entry of its log.
	// +optional
	Index int64 `json:"index,omitempty"`
	// +optional
	Term int64 `json:"term,omitempty"`
	// message says what is wrong with the volume.
	// +optional
	Message string `json:"message,omitempty"`
}

// WorkStatus is what came of some work.
type WorkStatus struct {
	// lastError is the last error, absent when the last try succeeded.
	// +optional
	LastError *WorkError `json:"lastError,omitempty"`
}

// WorkError is an error.
type WorkError struct {
	// reason is a stable name of the error.
	// +optional
	Reason string `json:"reason,omitempty"`
	// message is for people.
	// +optional
	Message string `json:"message,omitempty"`
	// at is when it occurred.
	// +optional
	At *metav1.Time `json:"at,omitempty"`
}

// UpgradeStatus is how far a rolling upgrade has come.
type UpgradeStatus struct {
	// targetVersion is the version that is upgraded to.
	TargetVersion string `json:"targetVersion"`
	// fromVersion is the version that is upgraded from.
	FromVersion string `json:"fromVersion"`
	// startedAt is when the upgrade began.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// currentPartition is the ordinal from which on servers are upgraded.
	CurrentPartition int32 `json:"currentPartition"`
	// completedPods are the ordinals of upgraded servers.
	// +optional
	CompletedPods []int32 `json:"completedPods,omitempty"`
	// lastStepDownTime is when the active server last stepped down.
	// +optional
	LastStepDownTime *metav1.Time `json:"lastStepDownTime,omitempty"`
	// lastErrorReason is a stable name of the last error.
	// +optional
	LastErrorReason string `json:"lastErrorReason,omitempty"`
	// lastErrorMessage describes the last error.
	// +optional
	LastErrorMessage string `json:"lastErrorMessage,omitempty"`
	// lastErrorAt is when the last error occurred.
	// +optional
	LastErrorAt *metav1.Time `json:"lastErrorAt,omitempty"`
}

// BackupStatus is what came of the backups.
type BackupStatus struct {
	// lastBackupTime is when the last snapshot was taken.
	// +optional
	LastBackupTime *metav1.Time `json:"lastBackupTime,omitempty"`
	// lastAttemptTime is when one was last tried.
	// +optional
	LastAttemptTime *metav1.Time `json:"lastAttemptTime,omitempty"`
	// lastAttemptScheduledTime is when the schedule wanted that.
	// +optional
	LastAttemptScheduledTime *metav1.Time `json:"lastAttemptScheduledTime,omitempty"`
	// lastBackupSize is the size of the last snapshot, in bytes.
	// +optional
	LastBackupSize *int64 `json:"lastBackupSize,omitempty"`
	// lastBackupDuration is how long the last snapshot took.
	// +optional
	LastBackupDuration string `json:"lastBackupDuration,omitempty"`
	// lastBackupName is the name of the last snapshot in the storage.
	// +optional
	LastBackupName string `json:"lastBackupName,omitempty"`
	// lastBackupBucket is the bucket that it is in.
	// +optional
	LastBackupBucket string `json:"lastBackupBucket,omitempty"`
	// nextScheduledBackup is when the next one is due.
	// +optional
	NextScheduledBackup *metav1.Time `json:"nextScheduledBackup,omitempty"`
	// consecutiveFailures is how many failed since the last that succeeded.
	// +optional
	ConsecutiveFailures *int32 `json:"consecutiveFailures,omitempty"`
	// lastFailureReason says why the last one failed.
	// +optional
	LastFailureReason string `json:"lastFailureReason,omitempty"`

	// lastFailureMessage is the same for people, and lastFailureGeneration the generation of
	// the object that it failed for.
	// +optional
	LastFailureMessage string `json:"lastFailureMessage,omitempty"`
	// +optional
	LastFailureGeneration int64 `json:"lastFailureGeneration,omitempty"`
	// retryAt is when it is tried again. It is absent where only the schedule, a change or a
	// person brings another try.
	// +optional
	RetryAt *metav1.Time `json:"retryAt,omitempty"`
	// lastBackupIndex is the last entry of the Raft log in the last snapshot.
	// +optional
	LastBackupIndex *int64 `json:"lastBackupIndex,omitempty"`
	// lastBackupDigest is its SHA-256, in hexadecimal.
	// +optional
	LastBackupDigest string `json:"lastBackupDigest,omitempty"`
	// lastBackupVersion is the OpenBao version that made it.
	// +optional
	LastBackupVersion string `json:"lastBackupVersion,omitempty"`
	// stored is how many snapshots of the cluster were in the storage after the last
	// retention, and deleted how many of them that deleted.
	// +optional
	Stored *int32 `json:"stored,omitempty"`
	// +optional
	Deleted *int32 `json:"deleted,omitempty"`
	// retentionMessage says why the last retention failed, or what it left.
	// +optional
	RetentionMessage string `json:"retentionMessage,omitempty"`
	// schedule is the schedule that counts since scheduleSince, with its time zone.
	// +optional
	Schedule string `json:"schedule,omitempty"`
	// +optional
	ScheduleSince *metav1.Time `json:"scheduleSince,omitempty"`
	// handledTrigger is the last value of the annotation openbao.org/trigger-backup that a
	// backup was taken for.
	// +optional
	HandledTrigger string `json:"handledTrigger,omitempty"`
	// operation is the backup that is under way.
	// +optional
	Operation *BackupOperationStatus `json:"operation,omitempty"`
}

// BackupOperationStatus is a backup that is under way.
type BackupOperationStatus struct {
	// uid tells it from all others. It holds the lock of the cluster.
	UID string `json:"uid"`
	// kind is Scheduled or Manual.
	// +kubebuilder:validation:Enum=Scheduled;Manual
	Kind string `json:"kind"`
	// phase is Taking while the snapshot is taken and published, Retaining while expired ones
	// are deleted, and Ending while its Jobs are removed.
	// +kubebuilder:validation:Enum=Taking;Retaining;Ending
	Phase string `json:"phase"`
	// startedAt is when it was decided.
	StartedAt metav1.Time `json:"startedAt"`
	// generation is that of the object at that time.
	// +optional
	Generation int64 `json:"generation,omitempty"`
	// fence is the number of its lock.
	// +optional
	Fence int32 `json:"fence,omitempty"`
}

// BlueGreenStatus is how far a blue/green upgrade has come.
type BlueGreenStatus struct {
	// phase is what is being done.
	// +kubebuilder:validation:Enum=Idle;DeployingGreen;JoiningMesh;Syncing;Promoting;DemotingBlue;Cleanup;RollingBack;RollbackCleanup
	// +optional
	Phase string `json:"phase,omitempty"`
	// blueRevision identifies the first set of servers.
	// +optional
	BlueRevision string `json:"blueRevision,omitempty"`
	// blueImage is the image of the first set.
	// +optional
	BlueImage string `json:"blueImage,omitempty"`
	// greenRevision identifies the second set of servers.
	// +optional
	GreenRevision string `json:"greenRevision,omitempty"`
	// startTime is when the upgrade began.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// jobFailureCount is how often jobs have failed.
	// +optional
	JobFailureCount *int32 `json:"jobFailureCount,omitempty"`
	// lastJobFailure is the job that failed last.
	// +optional
	LastJobFailure string `json:"lastJobFailure,omitempty"`
	// preUpgradeSnapshotJobName is the job that takes the snapshot.
	// +optional
	PreUpgradeSnapshotJobName string `json:"preUpgradeSnapshotJobName,omitempty"`
	// rollbackReason says why the first set takes over again.
	// +optional
	RollbackReason string `json:"rollbackReason,omitempty"`
	// rollbackStartTime is when that began.
	// +optional
	RollbackStartTime *metav1.Time `json:"rollbackStartTime,omitempty"`
	// rollbackAttempt counts how often that was tried.
	// +optional
	RollbackAttempt *int32 `json:"rollbackAttempt,omitempty"`
}

// OperationLockStatus says what must not be disturbed.
type OperationLockStatus struct {
	// operation is what is going on.
	// +kubebuilder:validation:Enum=Upgrade;Backup;Restore
	// +optional
	Operation string `json:"operation,omitempty"`
	// holder is who does it.
	// +optional
	Holder string `json:"holder,omitempty"`
	// message is for people.
	// +optional
	Message string `json:"message,omitempty"`
	// acquiredAt is when it began.
	// +optional
	AcquiredAt *metav1.Time `json:"acquiredAt,omitempty"`
	// renewedAt is when the holder last confirmed it.
	// +optional
	RenewedAt *metav1.Time `json:"renewedAt,omitempty"`
	// fence counts how often the lock was taken.
	// +optional
	Fence int32 `json:"fence,omitempty"`
}

// BreakGlassStatus says what a person must repair.
type BreakGlassStatus struct {
	// active says that nothing is done until a person has acknowledged it.
	// +optional
	Active *bool `json:"active,omitempty"`
	// reason says what has happened.
	// +kubebuilder:validation:Enum=RollbackConsensusRepairFailed
	// +optional
	Reason string `json:"reason,omitempty"`
	// message is for people.
	// +optional
	Message string `json:"message,omitempty"`
	// nonce is what spec.breakGlassAck must be set to.
	// +optional
	Nonce string `json:"nonce,omitempty"`
	// enteredAt is when it happened.
	// +optional
	EnteredAt *metav1.Time `json:"enteredAt,omitempty"`
	// steps are what to do.
	// +optional
	Steps []string `json:"steps,omitempty"`
	// acknowledgedAt is when a person acknowledged it.
	// +optional
	AcknowledgedAt *metav1.Time `json:"acknowledgedAt,omitempty"`
}
