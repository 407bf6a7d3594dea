// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

// FieldManager owns what the engine applies to objects and their status.
const FieldManager = "bailiwick"

// Finalizer keeps an object until its remote is gone. The aiven-operator uses
// the same name, so objects that it created keep their protection.
const Finalizer = "finalizers.aiven.io/delete-remote-resource"

// Annotations that users and scripts know from the aiven-operator, and ours.
const (
	// AnnotationProcessed holds the generation that was last brought to the
	// remote. Removing it asks for a reconcile.
	AnnotationProcessed = "controllers.aiven.io/generation-was-processed"
	// AnnotationRunning is "true" while the remote runs, "false" while it is
	// powered off, and absent otherwise.
	AnnotationRunning = "controllers.aiven.io/instance-is-running"
	// AnnotationDeletionPolicy is the user's: PolicyOrphan keeps the remote
	// when the object is deleted.
	AnnotationDeletionPolicy = "controllers.aiven.io/deletion-policy"
	// AnnotationManagementPolicy is the user's: PolicyObserve keeps the operator
	// from changing anything at Aiven for the object.
	AnnotationManagementPolicy = "bailiwick.dev/management-policy"
	// AnnotationCreateIntent records the last create that was sent while its
	// outcome is not in the object yet; see CreateRecord.
	AnnotationCreateIntent = "bailiwick.dev/create-intent"
	// AnnotationRefresh is free for users to set to any new value: every
	// change of an annotation of theirs renews the object's token.
	AnnotationRefresh = "bailiwick.dev/refresh"
)

// PolicyOrphan is the only value that AnnotationDeletionPolicy may have.
const PolicyOrphan = "Orphan"

// PolicyObserve is the only value that AnnotationManagementPolicy may have.
const PolicyObserve = "Observe"

// Condition types. ConditionReady is the one to wait for. ConditionSynced is there
// for objects that are only observed; the others are what users of the
// aiven-operator script against.
const (
	ConditionReady       = "Ready"
	ConditionSynced      = "Synced"
	ConditionInitialized = "Initialized"
	ConditionRunning     = "Running"
	ConditionError       = "Error"
)

// Reasons of the Ready condition that the engine itself sets.
const (
	ReasonReady                   = "Ready"
	ReasonCreating                = "Creating"
	ReasonNotReady                = "NotReady"
	ReasonNotFound                = "NotFound"
	ReasonOutOfSync               = "OutOfSync"
	ReasonAlreadyManaged          = "AlreadyManaged"
	ReasonInvalidDeletionPolicy   = "InvalidDeletionPolicy"
	ReasonInvalidManagementPolicy = "InvalidManagementPolicy"
	ReasonDeleting                = "Deleting"
	ReasonFailed                  = "Failed"
	ReasonReferenceUnknown        = "ReferenceUnknown"
	ReasonWaitingForOthers        = "WaitingForOtherKinds"
)

// Reasons of the Synced condition, besides ReasonNotFound. Where the remote could
// not be observed, the reason is that of the Problem.
const (
	ReasonInSync  = "InSync"
	ReasonDrifted = "Drifted"
)

// Reasons of the Error condition.
const (
	PhasePreconditions  = "Preconditions"
	PhaseCreateOrUpdate = "CreateOrUpdate"
	PhaseDelete         = "Delete"
	PhaseConnInfoSecret = "ConnInfoSecret"
)

// Event reasons, where the aiven-operator has a name for it the same.
const (
	EventCreated         = "CreatedAtAiven"
	EventUpdated         = "UpdatedAtAiven"
	EventAdopted         = "Adopted"
	EventRunning         = "InstanceIsRunning"
	EventDeleted         = "SuccessfullyDeletedAtAiven"
	EventSkippedDeletion = "SkippedDeletionAtAiven"
)

// Indexes that every controller keeps over its objects.
const (
	// IndexCredential is keyed by what Kind.Credential returns.
	IndexCredential = "credential"
	// IndexIdentity is keyed by what Kind.Identity returns.
	IndexIdentity = "identity"
	// IndexReference is keyed by what Kind.References returns, and by the kinds in
	// it.
	IndexReference = "reference"
)
