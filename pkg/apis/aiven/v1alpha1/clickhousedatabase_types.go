// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=clickhousedatabases,shortName=avchdb,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Database name",type="string",JSONPath=".spec.databaseName"
// +kubebuilder:printcolumn:name="Service Name",type="string",JSONPath=".spec.serviceName"
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// ClickhouseDatabase is a database of a ClickHouse service.
type ClickhouseDatabase struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec ClickhouseDatabaseSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status ClickhouseDatabaseStatus `json:"status,omitempty"`
}

// ClickhouseDatabaseSpec is the desired state of a ClickhouseDatabase.
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.databaseName) || has(self.databaseName)",message="databaseName is required once set"
type ClickhouseDatabaseSpec struct {
	ServiceDependantSpec `json:",inline"`

	// DatabaseName is the name of the database. The default is the name of the
	// object. Once it is set, it cannot be changed or removed.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	DatabaseName string `json:"databaseName,omitempty"`
}

// ClickhouseDatabaseStatus is the observed state of a ClickhouseDatabase.
type ClickhouseDatabaseStatus struct {
	CommonStatus `json:",inline"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// ClickhouseDatabaseList is a list of ClickhouseDatabase objects.
type ClickhouseDatabaseList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []ClickhouseDatabase `json:"items"`
}

var _ Object = &ClickhouseDatabase{}

// Conditions implements Object.
func (in *ClickhouseDatabase) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *ClickhouseDatabase) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *ClickhouseDatabase) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *ClickhouseDatabase) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *ClickhouseDatabase) ServiceRef() (project, service string) {
	return in.Spec.Project, in.Spec.ServiceName
}

// RemoteName implements Object: the name of the database at Aiven.
func (in *ClickhouseDatabase) RemoteName() string {
	return firstNonEmpty(in.Spec.DatabaseName, in.Name)
}
