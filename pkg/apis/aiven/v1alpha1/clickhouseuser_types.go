// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=clickhouseusers,shortName=avchuser,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Username",type="string",JSONPath=".spec.username"
// +kubebuilder:printcolumn:name="Service Name",type="string",JSONPath=".spec.serviceName"
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Connection Information Secret",type="string",JSONPath=".spec.connInfoSecretTarget.name"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// ClickhouseUser is a user of a ClickHouse service.
type ClickhouseUser struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec ClickhouseUserSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status ClickhouseUserStatus `json:"status,omitempty"`
}

// ClickhouseUserSpec is the desired state of a ClickhouseUser.
type ClickhouseUserSpec struct {
	ServiceDependantSpec `json:",inline"`
	ConnInfoSpec         `json:",inline"`

	// Username is the name of the user. The default is the name of the object. It
	// cannot be changed.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	Username string `json:"username,omitempty"`

	// ConnInfoSecretSource names a Secret with the password that the user shall
	// have. Without it, Aiven chooses the password.
	// +optional
	ConnInfoSecretSource *ConnInfoSecretSource `json:"connInfoSecretSource,omitempty"`
}

// ClickhouseUserStatus is the observed state of a ClickhouseUser.
type ClickhouseUserStatus struct {
	CommonStatus `json:",inline"`

	// UUID that Aiven gave to the user.
	// +optional
	UUID string `json:"uuid,omitempty"`

	// PasswordSource tells which password of spec.connInfoSecretSource was set last.
	// +optional
	PasswordSource *SourceSecretStatus `json:"passwordSource,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// ClickhouseUserList is a list of ClickhouseUser objects.
type ClickhouseUserList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []ClickhouseUser `json:"items"`
}

var _ Publisher = &ClickhouseUser{}

// Conditions implements Object.
func (in *ClickhouseUser) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *ClickhouseUser) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *ClickhouseUser) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *ClickhouseUser) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *ClickhouseUser) ServiceRef() (project, service string) {
	return in.Spec.Project, in.Spec.ServiceName
}

// ConnInfoTarget implements Publisher.
func (in *ClickhouseUser) ConnInfoTarget() (target ConnInfoSecretTarget, disabled bool) {
	return in.Spec.target("ClickhouseUser", in.Name)
}

// RemoteName implements Object: the name of the user at Aiven.
func (in *ClickhouseUser) RemoteName() string { return firstNonEmpty(in.Spec.Username, in.Name) }
