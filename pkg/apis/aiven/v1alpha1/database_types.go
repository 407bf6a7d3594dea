// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=databases,shortName=avdb,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Service Name",type="string",JSONPath=".spec.serviceName"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// Database is a database of a PostgreSQL or MySQL service.
type Database struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec DatabaseSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status DatabaseStatus `json:"status,omitempty"`
}

// DatabaseSpec is the desired state of a Database.
// +kubebuilder:validation:XValidation:rule="has(oldSelf.databaseName) == has(self.databaseName)",message="databaseName can only be set during resource creation."
type DatabaseSpec struct {
	ServiceDependantSpec `json:",inline"`

	// DatabaseName is the name of the database. The default is the name of the
	// object. It can be set only when the object is created.
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,39}$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	DatabaseName string `json:"databaseName,omitempty"`

	// LcCollate is the collation order, LC_COLLATE. It cannot be changed.
	// +kubebuilder:default=en_US.UTF-8
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	LcCollate string `json:"lcCollate,omitempty"`

	// LcCtype is the character classification, LC_CTYPE. It cannot be changed.
	// +kubebuilder:default=en_US.UTF-8
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	LcCtype string `json:"lcCtype,omitempty"`

	// TerminationProtection keeps the operator from deleting the database while it
	// is true. Aiven itself knows no such protection.
	// +optional
	TerminationProtection *bool `json:"terminationProtection,omitempty"`
}

// DatabaseStatus is the observed state of a Database.
type DatabaseStatus struct {
	CommonStatus `json:",inline"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// DatabaseList is a list of Database objects.
type DatabaseList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []Database `json:"items"`
}

var _ Object = &Database{}

// Conditions implements Object.
func (in *Database) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *Database) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *Database) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *Database) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *Database) ServiceRef() (project, service string) {
	return in.Spec.Project, in.Spec.ServiceName
}

// RemoteName implements Object: the name of the database at Aiven.
func (in *Database) RemoteName() string { return firstNonEmpty(in.Spec.DatabaseName, in.Name) }
