// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=organizationprojects,shortName=avorgproject,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Organization",type="string",JSONPath=".spec.organizationId"
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.projectId"
// +kubebuilder:printcolumn:name="Parent",type="string",JSONPath=".spec.parentId"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// OrganizationProject is an Aiven project that an organization owns.
type OrganizationProject struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec OrganizationProjectSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status OrganizationProjectStatus `json:"status,omitempty"`
}

// OrganizationProjectSpec is the desired state of an OrganizationProject.
type OrganizationProjectSpec struct {
	AuthSpec     `json:",inline"`
	ConnInfoSpec `json:",inline"`

	// OrganizationID is the id of the organization. It cannot be changed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	OrganizationID string `json:"organizationId"`

	// ProjectID is the name of the project. It cannot be changed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_-]+$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	ProjectID string `json:"projectId"`

	// ParentID is the id of the organization or organizational unit that the
	// project is placed in.
	// +kubebuilder:validation:MinLength=1
	ParentID string `json:"parentId"`

	// BillingGroupID is the id of the billing group that pays for the project.
	// +kubebuilder:validation:MinLength=1
	BillingGroupID string `json:"billingGroupId"`

	// BasePort is the first of the ports that services of the project are given.
	// +kubebuilder:validation:Minimum=10000
	// +kubebuilder:validation:Maximum=30000
	// +optional
	BasePort *int64 `json:"basePort,omitempty"`

	// Tags are key and value pairs that are attached to the project, and no others are.
	// Left out, the project keeps the tags that it has.
	// +optional
	Tags map[string]string `json:"tags,omitzero"`

	// TechnicalEmails receive technical notices about the project. Left out, the
	// project keeps the addresses that it has.
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=254
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, y == x))",message="Emails must be unique"
	// +listType=atomic
	// +optional
	TechnicalEmails []string `json:"technicalEmails,omitzero"`
}

// OrganizationProjectStatus is the observed state of an OrganizationProject.
type OrganizationProjectStatus struct {
	CommonStatus   `json:",inline"`
	SettingsStatus `json:",inline"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// OrganizationProjectList is a list of OrganizationProject objects.
type OrganizationProjectList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []OrganizationProject `json:"items"`
}

var _ Publisher = &OrganizationProject{}

// Conditions implements Object.
func (in *OrganizationProject) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *OrganizationProject) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *OrganizationProject) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *OrganizationProject) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object. A project lives in an organization, whose id
// stands for the place, and is not part of a service.
func (in *OrganizationProject) ServiceRef() (organization, service string) {
	return in.Spec.OrganizationID, ""
}

// ConnInfoTarget implements Publisher.
func (in *OrganizationProject) ConnInfoTarget() (target ConnInfoSecretTarget, disabled bool) {
	return in.Spec.target("OrganizationProject", in.Name)
}

// RemoteName implements Object: the name of the project.
func (in *OrganizationProject) RemoteName() string { return in.Spec.ProjectID }
