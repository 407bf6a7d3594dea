// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=projectvpcs,shortName=avvpc,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Cloud",type="string",JSONPath=".spec.cloudName"
// +kubebuilder:printcolumn:name="Network CIDR",type="string",JSONPath=".spec.networkCidr"
// +kubebuilder:printcolumn:name="State",type="string",JSONPath=".status.state"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// ProjectVPC is a private network of an Aiven project in one cloud region.
type ProjectVPC struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec ProjectVPCSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status ProjectVPCStatus `json:"status,omitempty"`
}

// ProjectVPCSpec is the desired state of a ProjectVPC.
type ProjectVPCSpec struct {
	AuthSpec             `json:",inline"`
	ProjectDependantSpec `json:",inline"`

	// CloudName is the cloud and region of the network. It cannot be changed.
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	CloudName string `json:"cloudName"`

	// NetworkCIDR is the range of addresses of the network, 10.0.0.0/24 for example.
	// It cannot be changed.
	// +kubebuilder:validation:MaxLength=36
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	NetworkCIDR string `json:"networkCidr"`
}

// ProjectVPCStatus is the observed state of a ProjectVPC.
type ProjectVPCStatus struct {
	CommonStatus `json:",inline"`

	// ID that Aiven gave to the network.
	// +optional
	ID string `json:"id,omitempty"`

	// State that Aiven reports: APPROVED, ACTIVE, DELETING or DELETED.
	// +optional
	State string `json:"state,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// ProjectVPCList is a list of ProjectVPC objects.
type ProjectVPCList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []ProjectVPC `json:"items"`
}

var _ Object = &ProjectVPC{}

// Conditions implements Object.
func (in *ProjectVPC) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *ProjectVPC) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *ProjectVPC) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *ProjectVPC) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object: a network is not part of a service.
func (in *ProjectVPC) ServiceRef() (project, service string) { return in.Spec.Project, "" }

// RemoteName implements Object. Aiven makes a network's id, so its place and
// range are its name.
func (in *ProjectVPC) RemoteName() string { return in.Spec.CloudName + "/" + in.Spec.NetworkCIDR }
