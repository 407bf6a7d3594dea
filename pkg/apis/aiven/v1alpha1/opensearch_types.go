// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/service/opensearch"
)

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=opensearches,shortName=avos,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Region",type="string",JSONPath=".spec.cloudName"
// +kubebuilder:printcolumn:name="Plan",type="string",JSONPath=".spec.plan"
// +kubebuilder:printcolumn:name="State",type="string",JSONPath=".status.state"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// OpenSearch is an Aiven for OpenSearch service. Its name at Aiven is the name
// of the object.
type OpenSearch struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the service as it should be.
	// +optional
	Spec OpenSearchSpec `json:"spec,omitempty"`
	// Status is the service as it was last seen.
	// +optional
	Status ServiceStatus `json:"status,omitempty"`
}

// OpenSearchSpec is the desired state of a OpenSearch service.
type OpenSearchSpec struct {
	ServiceCommonSpec `json:",inline"`

	// UserConfig holds the settings that are particular to OpenSearch.
	// +optional
	UserConfig *opensearch.UserConfig `json:"userConfig,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// OpenSearchList is a list of OpenSearch services.
type OpenSearchList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []OpenSearch `json:"items"`
}

var (
	_ Service   = &OpenSearch{}
	_ Publisher = &OpenSearch{}
)

// Conditions implements Object.
func (in *OpenSearch) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *OpenSearch) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *OpenSearch) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *OpenSearch) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *OpenSearch) ServiceRef() (project, service string) { return in.Spec.Project, in.Name }

// ConnInfoTarget implements Publisher.
func (in *OpenSearch) ConnInfoTarget() (target ConnInfoSecretTarget, disabled bool) {
	return in.Spec.target("OpenSearch", in.Name)
}

// CommonSpec implements Service.
func (in *OpenSearch) CommonSpec() *ServiceCommonSpec { return &in.Spec.ServiceCommonSpec }

// CommonStatus implements Service.
func (in *OpenSearch) CommonStatus() *ServiceStatus { return &in.Status }

// UserConfig implements Service.
func (in *OpenSearch) UserConfig() any { return anyOrNil(in.Spec.UserConfig) }

// RemoteName implements Object.
func (in *OpenSearch) RemoteName() string { return in.Name }
