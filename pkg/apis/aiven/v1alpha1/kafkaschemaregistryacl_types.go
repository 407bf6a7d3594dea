// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=kafkaschemaregistryacls,shortName=avsracl,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Service Name",type="string",JSONPath=".spec.serviceName"
// +kubebuilder:printcolumn:name="Resource",type="string",JSONPath=".spec.resource"
// +kubebuilder:printcolumn:name="Username",type="string",JSONPath=".spec.username"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// KafkaSchemaRegistryACL is an entry of the access control list of the schema
// registry of a Kafka service.
type KafkaSchemaRegistryACL struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec KafkaSchemaRegistryACLSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status KafkaSchemaRegistryACLStatus `json:"status,omitempty"`
}

// KafkaSchemaRegistryACLSpec is the desired state of a KafkaSchemaRegistryACL.
type KafkaSchemaRegistryACLSpec struct {
	ServiceDependantSpec `json:",inline"`

	// Permission that is granted. It cannot be changed.
	// +kubebuilder:validation:Enum=schema_registry_read;schema_registry_write
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	Permission string `json:"permission"`

	// Resource is what the permission covers: Config: or Subject: and the name or
	// pattern of the subjects. It cannot be changed.
	// +kubebuilder:validation:MaxLength=249
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	Resource string `json:"resource"`

	// Username is the name or pattern of the users that the permission is granted
	// to. It cannot be changed.
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	Username string `json:"username"`
}

// KafkaSchemaRegistryACLStatus is the observed state of a KafkaSchemaRegistryACL.
type KafkaSchemaRegistryACLStatus struct {
	CommonStatus `json:",inline"`

	// ACLID is the id that Aiven gave to the entry.
	// +optional
	ACLID string `json:"acl_id,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// KafkaSchemaRegistryACLList is a list of KafkaSchemaRegistryACL objects.
type KafkaSchemaRegistryACLList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []KafkaSchemaRegistryACL `json:"items"`
}

var _ Object = &KafkaSchemaRegistryACL{}

// Conditions implements Object.
func (in *KafkaSchemaRegistryACL) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *KafkaSchemaRegistryACL) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *KafkaSchemaRegistryACL) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *KafkaSchemaRegistryACL) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *KafkaSchemaRegistryACL) ServiceRef() (project, service string) {
	return in.Spec.Project, in.Spec.ServiceName
}

// RemoteName implements Object. Aiven makes an entry's id, so what the entry
// says is its name.
func (in *KafkaSchemaRegistryACL) RemoteName() string {
	return composite(in.Spec.Resource, in.Spec.Username, in.Spec.Permission)
}
