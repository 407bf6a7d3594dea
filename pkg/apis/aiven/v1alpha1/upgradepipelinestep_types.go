// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=upgradepipelinesteps,shortName=avups,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Organization",type="string",JSONPath=".spec.organizationId"
// +kubebuilder:printcolumn:name="Source Project",type="string",JSONPath=".spec.sourceProjectName"
// +kubebuilder:printcolumn:name="Source Service",type="string",JSONPath=".spec.sourceServiceName"
// +kubebuilder:printcolumn:name="Destination Project",type="string",JSONPath=".spec.destinationProjectName"
// +kubebuilder:printcolumn:name="Destination Service",type="string",JSONPath=".spec.destinationServiceName"
// +kubebuilder:printcolumn:name="Step ID",type="string",JSONPath=".status.id"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// UpgradePipelineStep makes maintenance updates reach one service only after
// they have proved themselves on another.
type UpgradePipelineStep struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec UpgradePipelineStepSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status UpgradePipelineStepStatus `json:"status,omitempty"`
}

// UpgradePipelineStepSpec is the desired state of an UpgradePipelineStep.
type UpgradePipelineStepSpec struct {
	AuthSpec `json:",inline"`

	// OrganizationID is the id of the organization that both services belong to. It
	// cannot be changed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	OrganizationID string `json:"organizationId"`

	// SourceProjectName is the project of the service that is updated first. It
	// cannot be changed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_-]+$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	SourceProjectName string `json:"sourceProjectName"`

	// SourceServiceName is the service that is updated first. It cannot be changed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z][-a-z0-9]+$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	SourceServiceName string `json:"sourceServiceName"`

	// DestinationProjectName is the project of the service that is updated next. It
	// cannot be changed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_-]+$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	DestinationProjectName string `json:"destinationProjectName"`

	// DestinationServiceName is the service that is updated next. It cannot be
	// changed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z][-a-z0-9]+$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	DestinationServiceName string `json:"destinationServiceName"`

	// AutoValidationDelayDays is how long an update must have run on the source
	// before it counts as proved, in days.
	// +kubebuilder:default=7
	// +kubebuilder:validation:Minimum=0
	// +optional
	AutoValidationDelayDays *int64 `json:"autoValidationDelayDays,omitempty"`
}

// UpgradePipelineStepStatus is the observed state of an UpgradePipelineStep.
type UpgradePipelineStepStatus struct {
	CommonStatus `json:",inline"`

	// ID that Aiven gave to the step.
	// +optional
	ID string `json:"id,omitempty"`

	// LastValidation is the last time that an update was declared proved.
	// +optional
	LastValidation *UpgradePipelineValidation `json:"lastValidation,omitempty"`
}

// UpgradePipelineValidation is a declaration that an update has proved itself.
type UpgradePipelineValidation struct {
	// Comment of the user who made it.
	// +optional
	Comment string `json:"comment,omitempty"`

	// ValidatedAt is when it was made.
	// +optional
	ValidatedAt *metav1.Time `json:"validatedAt,omitempty"`

	// ValidatedByUser is who made it.
	// +optional
	ValidatedByUser string `json:"validatedByUser,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// UpgradePipelineStepList is a list of UpgradePipelineStep objects.
type UpgradePipelineStepList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []UpgradePipelineStep `json:"items"`
}

var _ Object = &UpgradePipelineStep{}

// Conditions implements Object.
func (in *UpgradePipelineStep) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *UpgradePipelineStep) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *UpgradePipelineStep) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *UpgradePipelineStep) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object. A step lives in an organization, whose id stands
// for the place, and is not part of a service.
func (in *UpgradePipelineStep) ServiceRef() (organization, service string) {
	return in.Spec.OrganizationID, ""
}

// RemoteName implements Object. Aiven makes a step's id, so the services that it
// joins are its name.
func (in *UpgradePipelineStep) RemoteName() string {
	return composite(in.Spec.SourceProjectName, in.Spec.SourceServiceName,
		in.Spec.DestinationProjectName, in.Spec.DestinationServiceName)
}
