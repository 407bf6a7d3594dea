// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=kafkaacls,shortName=avacl,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Service Name",type="string",JSONPath=".spec.serviceName"
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Username",type="string",JSONPath=".spec.username"
// +kubebuilder:printcolumn:name="Permission",type="string",JSONPath=".spec.permission"
// +kubebuilder:printcolumn:name="Topic",type="string",JSONPath=".spec.topic"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// KafkaACL is an entry of the access control list of a Kafka service. Aiven
// cannot change an entry, so a change replaces it by a new one.
type KafkaACL struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec KafkaACLSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status KafkaACLStatus `json:"status,omitempty"`
}

// KafkaACLSpec is the desired state of a KafkaACL.
type KafkaACLSpec struct {
	ServiceDependantSpec `json:",inline"`

	// Permission that is granted.
	// +kubebuilder:validation:Enum=admin;read;readwrite;write
	Permission string `json:"permission"`

	// Topic is the name or pattern of the topics that the permission covers.
	Topic string `json:"topic"`

	// Username is the name or pattern of the users that the permission is granted
	// to.
	Username string `json:"username"`
}

// KafkaACLStatus is the observed state of a KafkaACL.
type KafkaACLStatus struct {
	CommonStatus `json:",inline"`

	// ID that Aiven gave to the entry.
	// +optional
	ID string `json:"id,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// KafkaACLList is a list of KafkaACL objects.
type KafkaACLList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []KafkaACL `json:"items"`
}

var _ Object = &KafkaACL{}

// Conditions implements Object.
func (in *KafkaACL) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *KafkaACL) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *KafkaACL) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *KafkaACL) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *KafkaACL) ServiceRef() (project, service string) {
	return in.Spec.Project, in.Spec.ServiceName
}

// RemoteName implements Object. Aiven makes an entry's id, so what the entry says
// is its name.
func (in *KafkaACL) RemoteName() string {
	return in.Spec.Topic + "/" + in.Spec.Username + "/" + in.Spec.Permission
}
