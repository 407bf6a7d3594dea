// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=clickhouseroles,shortName=avchrole,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Service Name",type="string",JSONPath=".spec.serviceName"
// +kubebuilder:printcolumn:name="Role",type="string",JSONPath=".spec.role"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// ClickhouseRole is a role of a ClickHouse service.
type ClickhouseRole struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec ClickhouseRoleSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status ClickhouseRoleStatus `json:"status,omitempty"`
}

// ClickhouseRoleSpec is the desired state of a ClickhouseRole.
type ClickhouseRoleSpec struct {
	ServiceDependantSpec `json:",inline"`

	// Role is the name of the role. It cannot be changed.
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	Role string `json:"role"`
}

// ClickhouseRoleStatus is the observed state of a ClickhouseRole.
type ClickhouseRoleStatus struct {
	CommonStatus `json:",inline"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// ClickhouseRoleList is a list of ClickhouseRole objects.
type ClickhouseRoleList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []ClickhouseRole `json:"items"`
}

var _ Object = &ClickhouseRole{}

// Conditions implements Object.
func (in *ClickhouseRole) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *ClickhouseRole) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *ClickhouseRole) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *ClickhouseRole) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *ClickhouseRole) ServiceRef() (project, service string) {
	return in.Spec.Project, in.Spec.ServiceName
}

// RemoteName implements Object: the name of the role in ClickHouse.
func (in *ClickhouseRole) RemoteName() string { return in.Spec.Role }
