// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=kafkaquotas,shortName=avquota,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Service Name",type="string",JSONPath=".spec.serviceName"
// +kubebuilder:printcolumn:name="User",type="string",JSONPath=".spec.user"
// +kubebuilder:printcolumn:name="Client ID",type="string",JSONPath=".spec.clientId"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// KafkaQuota limits what a user, a client or a user with a certain client may
// take of a Kafka service. There is one quota for each combination of both.
type KafkaQuota struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec KafkaQuotaSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status KafkaQuotaStatus `json:"status,omitempty"`
}

// KafkaQuotaSpec is the desired state of a KafkaQuota.
// +kubebuilder:validation:XValidation:rule="has(self.user) || has(self.clientId)",message="At least one of user or clientId must be set"
// +kubebuilder:validation:XValidation:rule="has(self.consumerByteRate) || has(self.producerByteRate) || has(self.requestPercentage)",message="At least one of consumerByteRate, producerByteRate or requestPercentage must be set"
type KafkaQuotaSpec struct {
	ServiceDependantSpec `json:",inline"`

	// User that the quota is for. It cannot be changed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	User string `json:"user,omitempty"`

	// ClientID is the client id that the quota is for. It cannot be changed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	ClientID string `json:"clientId,omitempty"`

	// ConsumerByteRate is how much may be read from each broker, in bytes per
	// second.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1073741824
	// +optional
	ConsumerByteRate *int64 `json:"consumerByteRate,omitempty"`

	// ProducerByteRate is how much may be written to each broker, in bytes per
	// second.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1073741824
	// +optional
	ProducerByteRate *int64 `json:"producerByteRate,omitempty"`

	// RequestPercentage is the share of the time of a broker's request threads that
	// may be used, in percent.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	RequestPercentage *float64 `json:"requestPercentage,omitempty"`
}

// KafkaQuotaStatus is the observed state of a KafkaQuota.
type KafkaQuotaStatus struct {
	CommonStatus `json:",inline"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// KafkaQuotaList is a list of KafkaQuota objects.
type KafkaQuotaList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []KafkaQuota `json:"items"`
}

var _ Object = &KafkaQuota{}

// Conditions implements Object.
func (in *KafkaQuota) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *KafkaQuota) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *KafkaQuota) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *KafkaQuota) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *KafkaQuota) ServiceRef() (project, service string) {
	return in.Spec.Project, in.Spec.ServiceName
}

// RemoteName implements Object. A quota is known by whom it is for.
func (in *KafkaQuota) RemoteName() string { return composite(in.Spec.User, in.Spec.ClientID) }
