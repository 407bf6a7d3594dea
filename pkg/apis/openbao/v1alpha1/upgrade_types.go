// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// UpgradeStrategy says how the servers of a cluster are upgraded.
// +enum
type UpgradeStrategy string

const (
	// UpgradeRollingUpdate replaces one server after the other.
	UpgradeRollingUpdate UpgradeStrategy = "RollingUpdate"
	// UpgradeBlueGreen joins a second set of servers and moves the peers over.
	UpgradeBlueGreen UpgradeStrategy = "BlueGreen"
)

// UpgradeSpec says how the servers are upgraded, and requests the identity of
// the upgrade job.
type UpgradeSpec struct {
	// strategy says how, and decides the text of the upgrade policy.
	// +kubebuilder:validation:Enum=RollingUpdate;BlueGreen
	// +kubebuilder:default=RollingUpdate
	// +optional
	Strategy UpgradeStrategy `json:"strategy,omitempty"`

	// jwtAuthRole names the JWT role of the upgrade job. The policy keeps its name.
	// The default is openbao-operator-upgrade.
	// +optional
	JWTAuthRole string `json:"jwtAuthRole,omitempty"`

	// tokenSecretRef names the Secret with an OpenBao token, in place of a JWT role.
	// +optional
	TokenSecretRef *LocalObjectReference `json:"tokenSecretRef,omitempty"`

	// preUpgradeSnapshot takes a snapshot first.
	// +optional
	PreUpgradeSnapshot *bool `json:"preUpgradeSnapshot,omitempty"`

	// image is the container image of the job.
	// +optional
	Image string `json:"image,omitempty"`

	// blueGreen are the settings of the strategy BlueGreen.
	// +optional
	BlueGreen *BlueGreenSpec `json:"blueGreen,omitempty"`
}

// BlueGreenSpec says how a second set of servers takes over from the first.
type BlueGreenSpec struct {
	// autoPromote moves over as soon as the second set is verified.
	// +kubebuilder:default=true
	AutoPromote bool `json:"autoPromote"`
	// preUpgradeSnapshot takes a snapshot first.
	// +optional
	PreUpgradeSnapshot *bool `json:"preUpgradeSnapshot,omitempty"`
	// maxJobFailures is how often a job may fail before the upgrade stops.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:default=5
	// +optional
	MaxJobFailures *int32 `json:"maxJobFailures,omitempty"`
	// verification says when the second set is verified.
	// +optional
	Verification *VerificationSpec `json:"verification,omitempty"`
	// autoRollback says when the first set takes over again by itself.
	// +optional
	AutoRollback *AutoRollbackSpec `json:"autoRollback,omitempty"`
}

// VerificationSpec says when the second set of servers is verified.
type VerificationSpec struct {
	// minSyncDuration is how long it must have been in sync, 5m for example.
	// +optional
	MinSyncDuration string `json:"minSyncDuration,omitempty"`
	// prePromotionHook is a job that must succeed.
	// +optional
	PrePromotionHook *ValidationHook `json:"prePromotionHook,omitempty"`
}

// ValidationHook is a job that checks something.
type ValidationHook struct {
	// image is the container image of the job.
	// +kubebuilder:validation:MinLength=1
	Image string `json:"image"`
	// command is the command of the container.
	// +optional
	Command []string `json:"command,omitempty"`
	// args are the arguments of the command.
	// +optional
	Args []string `json:"args,omitempty"`
	// timeoutSeconds is how long the job may take, in seconds.
	// +kubebuilder:default=300
	// +optional
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
}

// AutoRollbackSpec says when the first set of servers takes over again.
type AutoRollbackSpec struct {
	// enabled says whether it ever does by itself.
	// +kubebuilder:default=true
	Enabled bool `json:"enabled"`
	// onJobFailure is when a job has failed too often.
	// +kubebuilder:default=true
	// +optional
	OnJobFailure *bool `json:"onJobFailure,omitempty"`
	// onValidationFailure is when the second set cannot be verified.
	// +kubebuilder:default=true
	// +optional
	OnValidationFailure *bool `json:"onValidationFailure,omitempty"`
}
