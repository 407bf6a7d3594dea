// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UpgradeStrategy says how the servers of a cluster are upgraded.
// +enum
type UpgradeStrategy string

const (
	// UpgradeRollingUpdate replaces one server after the other.
	UpgradeRollingUpdate UpgradeStrategy = "RollingUpdate"
	// UpgradeBlueGreen joins a second set of servers and moves the peers over.
	UpgradeBlueGreen UpgradeStrategy = "BlueGreen"
)

// OpenBaoClusterSpec is what a person asks for. Fields of the openbao-operator
// that are not listed here are accepted and kept.
// +kubebuilder:pruning:PreserveUnknownFields
type OpenBaoClusterSpec struct {
	// selfInit describes the self-initialization of the cluster. When enabled,
	// the policies and JWT roles of the cluster's identities are requested.
	// +optional
	SelfInit *SelfInitSpec `json:"selfInit,omitempty"`

	// backup gives the backup job its policy and JWT role. An empty block counts.
	// +optional
	Backup *BackupSpec `json:"backup,omitempty"`

	// restore gives the restore job its policy and JWT role. An empty block counts.
	// +optional
	Restore *RestoreSpec `json:"restore,omitempty"`

	// upgrade gives the upgrade job its policy and JWT role. An empty block counts.
	// +optional
	Upgrade *UpgradeSpec `json:"upgrade,omitempty"`

	// authorization says how Bailiwick reaches the server and sets up the
	// policies and JWT roles. Its presence requests them, also for servers that
	// someone else runs.
	// +optional
	Authorization *AuthorizationSpec `json:"authorization,omitempty"`
}

// SelfInitSpec describes the self-initialization of a cluster.
// +kubebuilder:pruning:PreserveUnknownFields
type SelfInitSpec struct {
	// enabled requests self-initialization, and with it the policies and JWT
	// roles of the cluster's identities.
	// +optional
	Enabled bool `json:"enabled,omitempty"`

	// oidc sets the audience and issuer of the JWT roles.
	// +optional
	OIDC *SelfInitOIDC `json:"oidc,omitempty"`
}

// SelfInitOIDC sets what the ServiceAccount tokens must carry.
// +kubebuilder:pruning:PreserveUnknownFields
type SelfInitOIDC struct {
	// enabled is accepted from manifests of the openbao-operator. The policies
	// and roles do not depend on it.
	// +optional
	Enabled bool `json:"enabled,omitempty"`

	// audience is the audience that ServiceAccount tokens must carry.
	// spec.authorization.audience takes precedence.
	// +optional
	Audience string `json:"audience,omitempty"`

	// issuer is the issuer that ServiceAccount tokens must carry. The default
	// is the issuer of the Kubernetes API server.
	// +optional
	Issuer string `json:"issuer,omitempty"`
}

// BackupSpec requests the identity of the backup job.
// +kubebuilder:pruning:PreserveUnknownFields
type BackupSpec struct {
	// jwtAuthRole names the JWT role of the backup job. The policy keeps its name.
	// The default is openbao-operator-backup.
	// +optional
	JWTAuthRole string `json:"jwtAuthRole,omitempty"`
}

// RestoreSpec requests the identity of the restore job.
// +kubebuilder:pruning:PreserveUnknownFields
type RestoreSpec struct {
	// jwtAuthRole names the JWT role of the restore job. The policy keeps its name.
	// The default is openbao-operator-restore.
	// +optional
	JWTAuthRole string `json:"jwtAuthRole,omitempty"`
}

// UpgradeSpec requests the identity of the upgrade job.
// +kubebuilder:pruning:PreserveUnknownFields
type UpgradeSpec struct {
	// jwtAuthRole names the JWT role of the upgrade job. The policy keeps its name.
	// The default is openbao-operator-upgrade.
	// +optional
	JWTAuthRole string `json:"jwtAuthRole,omitempty"`

	// strategy decides the text of the upgrade policy.
	// +kubebuilder:validation:Enum=RollingUpdate;BlueGreen
	// +kubebuilder:default=RollingUpdate
	// +optional
	Strategy UpgradeStrategy `json:"strategy,omitempty"`
}

// OpenBaoClusterStatus is what Bailiwick observed. Status fields of the
// openbao-operator are kept.
// +kubebuilder:pruning:PreserveUnknownFields
type OpenBaoClusterStatus struct {
	// observedGeneration is the generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions say what is right, what is not, and how to mend it.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// authorization records what Bailiwick wrote to the server.
	// +optional
	Authorization *AuthorizationStatus `json:"authorization,omitempty"`
}

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=openbaoclusters,shortName=bao;baoc
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Authorization",type=string,JSONPath=`.status.conditions[?(@.type=="AuthorizationReady")].reason`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.authorization.address`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`

// OpenBaoCluster is an OpenBao cluster whose identities (operator, backup,
// restore, upgrade) get exactly the policy and the JWT role that they need.
type OpenBaoCluster struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what a person asks for.
	// +optional
	Spec OpenBaoClusterSpec `json:"spec,omitempty"`
	// status is what Bailiwick observed.
	// +optional
	Status OpenBaoClusterStatus `json:"status,omitempty"`
}

// Conditions returns the conditions in place.
func (c *OpenBaoCluster) Conditions() *[]metav1.Condition { return &c.Status.Conditions }

// ObservedGeneration returns the observed generation in place.
func (c *OpenBaoCluster) ObservedGeneration() *int64 { return &c.Status.ObservedGeneration }

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// OpenBaoClusterList is a list of OpenBaoCluster.
type OpenBaoClusterList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []OpenBaoCluster `json:"items"`
}
