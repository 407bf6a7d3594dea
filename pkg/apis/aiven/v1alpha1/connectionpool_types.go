// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=connectionpools,shortName=avpool,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Service Name",type="string",JSONPath=".spec.serviceName"
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Database",type="string",JSONPath=".spec.databaseName"
// +kubebuilder:printcolumn:name="Username",type="string",JSONPath=".spec.username"
// +kubebuilder:printcolumn:name="Pool Size",type="string",JSONPath=".spec.poolSize"
// +kubebuilder:printcolumn:name="Pool Mode",type="string",JSONPath=".spec.poolMode"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// ConnectionPool is a PgBouncer connection pool of a PostgreSQL service. Its name
// at Aiven is the name of the object.
type ConnectionPool struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec ConnectionPoolSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status ConnectionPoolStatus `json:"status,omitempty"`
}

// ConnectionPoolSpec is the desired state of a ConnectionPool.
// +kubebuilder:validation:XValidation:rule="((!has(oldSelf.username) || size(oldSelf.username) == 0) && (!has(self.username) || size(self.username) == 0)) || (has(oldSelf.username) && size(oldSelf.username) > 0 && has(self.username) && self.username == oldSelf.username)",message="username is immutable"
type ConnectionPoolSpec struct {
	ServiceDependantSpec `json:",inline"`
	ConnInfoSpec         `json:",inline"`

	// DatabaseName is the database that the pool connects to. It cannot be changed.
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="databaseName is immutable"
	DatabaseName string `json:"databaseName"`

	// Username is the service user that the pool connects as. Without it, clients
	// connect as themselves. It cannot be changed.
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="username is immutable"
	// +optional
	Username string `json:"username,omitempty"`

	// PoolSize is the number of server connections that the pool may open.
	// +kubebuilder:default=10
	// +optional
	PoolSize *int64 `json:"poolSize,omitempty"`

	// PoolMode says when a server connection goes back to the pool: at the end of
	// the session, the transaction or the statement.
	// +kubebuilder:validation:Enum=session;transaction;statement
	// +optional
	PoolMode string `json:"poolMode,omitempty"`
}

// ConnectionPoolStatus is the observed state of a ConnectionPool.
type ConnectionPoolStatus struct {
	CommonStatus   `json:",inline"`
	SettingsStatus `json:",inline"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// ConnectionPoolList is a list of ConnectionPool objects.
type ConnectionPoolList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []ConnectionPool `json:"items"`
}

var _ Publisher = &ConnectionPool{}

// Conditions implements Object.
func (in *ConnectionPool) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *ConnectionPool) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *ConnectionPool) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *ConnectionPool) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *ConnectionPool) ServiceRef() (project, service string) {
	return in.Spec.Project, in.Spec.ServiceName
}

// ConnInfoTarget implements Publisher.
func (in *ConnectionPool) ConnInfoTarget() (target ConnInfoSecretTarget, disabled bool) {
	return in.Spec.target("ConnectionPool", in.Name)
}

// RemoteName implements Object: the name of the pool at Aiven.
func (in *ConnectionPool) RemoteName() string { return in.Name }
