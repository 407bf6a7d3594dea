// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/service/valkey"
)

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=valkeys,shortName=avvalkey,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Region",type="string",JSONPath=".spec.cloudName"
// +kubebuilder:printcolumn:name="Plan",type="string",JSONPath=".spec.plan"
// +kubebuilder:printcolumn:name="State",type="string",JSONPath=".status.state"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// Valkey is an Aiven for Valkey service. Its name at Aiven is the name of the object.
type Valkey struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the service as it should be.
	// +optional
	Spec ValkeySpec `json:"spec,omitempty"`
	// Status is the service as it was last seen.
	// +optional
	Status ServiceStatus `json:"status,omitempty"`
}

// ValkeySpec is the desired state of a Valkey service.
type ValkeySpec struct {
	ServiceCommonSpec `json:",inline"`

	// UserConfig holds the settings that are particular to Valkey.
	// +optional
	UserConfig *valkey.UserConfig `json:"userConfig,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// ValkeyList is a list of Valkey services.
type ValkeyList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []Valkey `json:"items"`
}

var (
	_ Service   = &Valkey{}
	_ Publisher = &Valkey{}
)

// Conditions implements Object.
func (in *Valkey) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *Valkey) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *Valkey) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *Valkey) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *Valkey) ServiceRef() (project, service string) { return in.Spec.Project, in.Name }

// ConnInfoTarget implements Publisher.
func (in *Valkey) ConnInfoTarget() (target ConnInfoSecretTarget, disabled bool) {
	return in.Spec.target("Valkey", in.Name)
}

// CommonSpec implements Service.
func (in *Valkey) CommonSpec() *ServiceCommonSpec { return &in.Spec.ServiceCommonSpec }

// CommonStatus implements Service.
func (in *Valkey) CommonStatus() *ServiceStatus { return &in.Status }

// UserConfig implements Service.
func (in *Valkey) UserConfig() any { return anyOrNil(in.Spec.UserConfig) }

// RemoteName implements Object.
func (in *Valkey) RemoteName() string { return in.Name }
