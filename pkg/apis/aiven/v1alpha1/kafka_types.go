// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/service/kafka"
)

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=kafkas,shortName=avkafka,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Region",type="string",JSONPath=".spec.cloudName"
// +kubebuilder:printcolumn:name="Plan",type="string",JSONPath=".spec.plan"
// +kubebuilder:printcolumn:name="State",type="string",JSONPath=".status.state"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// Kafka is an Aiven for Apache Kafka service. Its name at Aiven is the name of the object.
type Kafka struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the service as it should be.
	// +optional
	Spec KafkaSpec `json:"spec,omitempty"`
	// Status is the service as it was last seen.
	// +optional
	Status ServiceStatus `json:"status,omitempty"`
}

// KafkaSpec is the desired state of a Kafka service.
type KafkaSpec struct {
	ServiceCommonSpec `json:",inline"`

	// Karapace is accepted for compatibility and has no effect. Set
	// userConfig.schema_registry to run the schema registry.
	// +optional
	Karapace *bool `json:"karapace,omitempty"`

	// UserConfig holds the settings that are particular to Apache Kafka.
	// +optional
	UserConfig *kafka.UserConfig `json:"userConfig,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// KafkaList is a list of Kafka services.
type KafkaList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []Kafka `json:"items"`
}

var (
	_ Service   = &Kafka{}
	_ Publisher = &Kafka{}
)

// Conditions implements Object.
func (in *Kafka) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *Kafka) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *Kafka) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *Kafka) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *Kafka) ServiceRef() (project, service string) { return in.Spec.Project, in.Name }

// ConnInfoTarget implements Publisher.
func (in *Kafka) ConnInfoTarget() (target ConnInfoSecretTarget, disabled bool) {
	return in.Spec.target("Kafka", in.Name)
}

// CommonSpec implements Service.
func (in *Kafka) CommonSpec() *ServiceCommonSpec { return &in.Spec.ServiceCommonSpec }

// CommonStatus implements Service.
func (in *Kafka) CommonStatus() *ServiceStatus { return &in.Status }

// UserConfig implements Service.
func (in *Kafka) UserConfig() any { return anyOrNil(in.Spec.UserConfig) }

// RemoteName implements Object.
func (in *Kafka) RemoteName() string { return in.Name }
