// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OpenBaoClusterSpec is what a person asks for. Without spec.authorization it
// describes servers completely, or not at all.
// +kubebuilder:validation:XValidation:rule="has(self.authorization) || (has(self.version) == has(self.storage) && has(self.storage) == has(self.tls))",message="spec.version, spec.storage and spec.tls are required together; only with spec.authorization, for servers that somebody else runs, may some be left out"
// +kubebuilder:validation:XValidation:rule="has(self.authorization) || !has(self.version) || !has(self.backup) || (has(self.backup.schedule) && has(self.backup.target))",message="spec.backup.schedule and spec.backup.target are required; only with spec.authorization, for servers that somebody else runs, may they be left out"
type OpenBaoClusterSpec struct {
	// authorization says how Bailiwick reaches the server and sets up the
	// policies and JWT roles. Its presence requests them, also for servers that
	// someone else runs.
	// +optional
	Authorization *AuthorizationSpec `json:"authorization,omitempty"`

	// version is the OpenBao version of the servers, 2.5.0 for example.
	// +kubebuilder:validation:MinLength=1
	// +optional
	Version string `json:"version,omitempty"`

	// image is the container image of the servers. The default is the official
	// image of the version.
	// +optional
	Image string `json:"image,omitempty"`

	// replicas is the number of servers. It means nothing for servers that
	// somebody else runs.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:default=3
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// profile is how much is demanded of the other fields: Hardened for production,
	// Development for trying things out.
	// +kubebuilder:validation:Enum=Hardened;Development
	// +optional
	Profile ClusterProfile `json:"profile,omitempty"`

	// paused stops all changes to the servers.
	// +optional
	Paused *bool `json:"paused,omitempty"`

	// maintenance allows planned disturbances of the servers.
	// +optional
	Maintenance *MaintenanceSpec `json:"maintenance,omitempty"`

	// breakGlassAck acknowledges that a person has repaired what is described in
	// status.breakGlass: its value is the nonce found there.
	// +optional
	BreakGlassAck string `json:"breakGlassAck,omitempty"`

	// deletionPolicy says what becomes of the data when the object is deleted.
	// Backups are kept in any case. The default is Retain.
	// +kubebuilder:validation:Enum=Retain;DeletePVCs;DeleteAll
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// serviceAccount is the ServiceAccount that the servers run as.
	// +optional
	ServiceAccount *ServerServiceAccount `json:"serviceAccount,omitempty"`

	// imagePullSecrets are the Secrets that images are pulled with.
	// +optional
	ImagePullSecrets []LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// securityContext replaces the security settings of the servers' pods.
	// +optional
	SecurityContext *PodSecurityContext `json:"securityContext,omitempty"`

	// resources are those of the container of each server. The default requests some
	// CPU and memory, and limits memory.
	// +optional
	Resources *ResourceRequirements `json:"resources,omitempty"`

	// podMetadata is put on the servers' pods.
	// +optional
	PodMetadata *PodMetadata `json:"podMetadata,omitempty"`

	// scheduling says where the servers' pods run.
	// +optional
	Scheduling *SchedulingSpec `json:"scheduling,omitempty"`

	// workloadHardening turns on protections that not every node has.
	// +optional
	WorkloadHardening *WorkloadHardening `json:"workloadHardening,omitempty"`

	// initContainer is the container that prepares the configuration in each pod.
	// +optional
	InitContainer *InitContainerSpec `json:"initContainer,omitempty"`

	// tls says where the certificates of the servers come from.
	// +optional
	TLS *TLSSpec `json:"tls,omitempty"`

	// storage is the volume of each server.
	// +optional
	Storage *StorageSpec `json:"storage,omitempty"`

	// service is the Service for clients.
	// +optional
	Service *ServiceSpec `json:"service,omitempty"`

	// ingress publishes the servers by an Ingress.
	// +optional
	Ingress *IngressSpec `json:"ingress,omitempty"`

	// gateway publishes the servers by a route of the Gateway API.
	// +optional
	Gateway *GatewaySpec `json:"gateway,omitempty"`

	// network restricts who talks to the servers, and whom they talk to.
	// +optional
	Network *NetworkSpec `json:"network,omitempty"`

	// configuration holds settings of the OpenBao servers.
	// +optional
	Configuration *ConfigurationSpec `json:"configuration,omitempty"`

	// plugins are the plugins that the servers register.
	// +optional
	Plugins []PluginSpec `json:"plugins,omitempty"`

	// audit are the audit devices that the servers are configured with.
	// +optional
	Audit []AuditDevice `json:"audit,omitempty"`

	// telemetry says where the servers send their metrics.
	// +optional
	Telemetry *TelemetrySpec `json:"telemetry,omitempty"`

	// observability says how metrics are scraped.
	// +optional
	Observability *ObservabilitySpec `json:"observability,omitempty"`

	// unseal says what unseals the servers. The default is a static key in a Secret.
	// +optional
	Unseal *UnsealSpec `json:"unseal,omitempty"`

	// selfInit describes the self-initialization of the cluster. When enabled,
	// the policies and JWT roles of the cluster's identities are requested.
	// +optional
	SelfInit *SelfInitSpec `json:"selfInit,omitempty"`

	// recoveryKeys says what becomes of the recovery key of a cluster that does not
	// initialize itself.
	// +optional
	RecoveryKeys *RecoveryKeysSpec `json:"recoveryKeys,omitempty"`

	// backup gives the backup job its policy and JWT role, and says what it does.
	// With spec.authorization an empty block counts.
	// +optional
	Backup *BackupSpec `json:"backup,omitempty"`

	// restore gives the restore job its policy and JWT role. An empty block counts.
	// +optional
	Restore *RestoreSpec `json:"restore,omitempty"`

	// upgrade gives the upgrade job its policy and JWT role, and says what it does.
	// An empty block counts.
	// +optional
	Upgrade *UpgradeSpec `json:"upgrade,omitempty"`

	// imageVerification checks the signatures of the servers' image.
	// +optional
	ImageVerification *ImageVerificationSpec `json:"imageVerification,omitempty"`

	// operatorImageVerification checks the signatures of the images of jobs and
	// helper containers.
	// +optional
	OperatorImageVerification *ImageVerificationSpec `json:"operatorImageVerification,omitempty"`
}

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=openbaoclusters,shortName=bao;baoc
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Leader",type=string,JSONPath=`.status.activeLeader`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Authorization",type=string,JSONPath=`.status.conditions[?(@.type=="AuthorizationReady")].reason`
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.authorization.mode`
// +kubebuilder:printcolumn:name="Proved",type=string,JSONPath=`.status.authorization.proved`
// +kubebuilder:printcolumn:name="Keys",type=string,JSONPath=`.status.conditions[?(@.type=="SigningKeysCurrent")].reason`
// +kubebuilder:printcolumn:name="Address",type=string,priority=1,JSONPath=`.status.authorization.address`
// +kubebuilder:printcolumn:name="Audience",type=string,priority=1,JSONPath=`.status.authorization.audience`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`

// OpenBaoCluster is an OpenBao cluster whose identities (operator, backup,
// restore, upgrade) get exactly the policy and the JWT role that they need.
type OpenBaoCluster struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what a person asks for.
	Spec OpenBaoClusterSpec `json:"spec"`
	// status is what Bailiwick observed.
	// +optional
	Status OpenBaoClusterStatus `json:"status,omitempty"`
}

// DescribesServers reports whether the object describes servers that Bailiwick is to
// run: how they are (version, storage and tls), and no address of servers that
// somebody else runs.
func (c *OpenBaoCluster) DescribesServers() bool {
	return c.Spec.Version != "" && c.Spec.Storage != nil && c.Spec.TLS != nil &&
		(c.Spec.Authorization == nil || c.Spec.Authorization.Address == "")
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
