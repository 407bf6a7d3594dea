// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=projects,shortName=avproject,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// Project is an Aiven project. Its name at Aiven is the name of the object.
type Project struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec ProjectSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status ProjectStatus `json:"status,omitempty"`
}

// ProjectSpec is the desired state of a Project.
type ProjectSpec struct {
	AuthSpec     `json:",inline"`
	ConnInfoSpec `json:",inline"`

	// AccountID is the id of the account that the project belongs to.
	// +kubebuilder:validation:MaxLength=32
	// +optional
	AccountID string `json:"accountId,omitempty"`

	// BillingAddress is the postal address on invoices.
	// +kubebuilder:validation:MaxLength=1000
	// +optional
	BillingAddress string `json:"billingAddress,omitempty"`

	// BillingCurrency is the currency of invoices.
	// +kubebuilder:validation:Enum=AUD;CAD;CHF;DKK;EUR;GBP;NOK;SEK;USD
	// +optional
	BillingCurrency string `json:"billingCurrency,omitempty"`

	// BillingEmails are the addresses that invoices are sent to.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	BillingEmails []string `json:"billingEmails,omitzero"`

	// BillingExtraText is printed on invoices, for a cost centre for example.
	// +kubebuilder:validation:MaxLength=1000
	// +optional
	BillingExtraText string `json:"billingExtraText,omitempty"`

	// BillingGroupID is the id of the billing group that pays for the project. It
	// cannot be changed.
	// +kubebuilder:validation:MinLength=36
	// +kubebuilder:validation:MaxLength=36
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	BillingGroupID string `json:"billingGroupId,omitempty"`

	// CardID is the id of the credit card that pays for the project, or its last
	// four digits.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	CardID string `json:"cardId,omitempty"`

	// Cloud is the cloud and region of new services that name none.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Cloud string `json:"cloud,omitempty"`

	// CopyFromProject is the name of a project whose billing and other settings a
	// new project starts with. It cannot be changed.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	CopyFromProject string `json:"copyFromProject,omitempty"`

	// CountryCode is the country of the billing address, as ISO 3166-1 alpha-2.
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=2
	// +optional
	CountryCode string `json:"countryCode,omitempty"`

	// Tags are key and value pairs that are attached to the project, and no others are.
	// Left out, the project keeps the tags that it has.
	// +optional
	Tags map[string]string `json:"tags,omitzero"`

	// TechnicalEmails receive technical notices about the project. Left out, the
	// project keeps the addresses that it has.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	TechnicalEmails []string `json:"technicalEmails,omitzero"`
}

// ProjectStatus is the observed state of a Project.
type ProjectStatus struct {
	CommonStatus   `json:",inline"`
	SettingsStatus `json:",inline"`

	// VatID is the value added tax number of the payer.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	VatID string `json:"vatId,omitempty"`

	// AvailableCredits is what is left of prepaid credits, in US dollars.
	// +optional
	AvailableCredits string `json:"availableCredits,omitempty"`

	// EstimatedBalance is what is owed for the running month, in US dollars.
	// +optional
	EstimatedBalance string `json:"estimatedBalance,omitempty"`

	// Country of the billing address.
	// +optional
	Country string `json:"country,omitempty"`

	// PaymentMethod is how the project is paid for.
	// +optional
	PaymentMethod string `json:"paymentMethod,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// ProjectList is a list of Project objects.
type ProjectList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []Project `json:"items"`
}

var _ Publisher = &Project{}

// Conditions implements Object.
func (in *Project) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *Project) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *Project) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *Project) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object. A project is not part of a service, and its own
// name stands for its place.
func (in *Project) ServiceRef() (project, service string) { return in.Name, "" }

// ConnInfoTarget implements Publisher.
func (in *Project) ConnInfoTarget() (target ConnInfoSecretTarget, disabled bool) {
	return in.Spec.target("Project", in.Name)
}

// RemoteName implements Object: the name of the project.
func (in *Project) RemoteName() string { return in.Name }
