// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/service/kafkaconnect"
)

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=kafkaconnects,shortName=avconnect,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Region",type="string",JSONPath=".spec.cloudName"
// +kubebuilder:printcolumn:name="Plan",type="string",JSONPath=".spec.plan"
// +kubebuilder:printcolumn:name="State",type="string",JSONPath=".status.state"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// KafkaConnect is an Aiven for Apache Kafka Connect service. It publishes no
// connection details. Its name at Aiven is the name of the object.
type KafkaConnect struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the service as it should be.
	// +optional
	Spec KafkaConnectSpec `json:"spec,omitempty"`
	// Status is the service as it was last seen.
	// +optional
	Status ServiceStatus `json:"status,omitempty"`
}

// KafkaConnectSpec is the desired state of a KafkaConnect service.
type KafkaConnectSpec struct {
	BaseServiceSpec `json:",inline"`

	// UserConfig holds the settings that are particular to Apache Kafka Connect.
	// +optional
	UserConfig *kafkaconnect.UserConfig `json:"userConfig,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// KafkaConnectList is a list of KafkaConnect services.
type KafkaConnectList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []KafkaConnect `json:"items"`
}

var _ Service = &KafkaConnect{}

// Conditions implements Object.
func (in *KafkaConnect) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *KafkaConnect) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *KafkaConnect) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *KafkaConnect) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *KafkaConnect) ServiceRef() (project, service string) { return in.Spec.Project, in.Name }

// CommonSpec implements Service. The result is a copy: the service has no disks
// of its own and nothing to publish.
func (in *KafkaConnect) CommonSpec() *ServiceCommonSpec {
	return &ServiceCommonSpec{BaseServiceSpec: in.Spec.BaseServiceSpec}
}

// CommonStatus implements Service.
func (in *KafkaConnect) CommonStatus() *ServiceStatus { return &in.Status }

// UserConfig implements Service.
func (in *KafkaConnect) UserConfig() any { return anyOrNil(in.Spec.UserConfig) }

// RemoteName implements Object.
func (in *KafkaConnect) RemoteName() string { return in.Name }
