// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=kafkanativeacls,shortName=avnacl,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Service Name",type="string",JSONPath=".spec.serviceName"
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Host",type="string",JSONPath=".spec.host"
// +kubebuilder:printcolumn:name="Operation",type="string",JSONPath=".spec.operation"
// +kubebuilder:printcolumn:name="PatternType",type="string",JSONPath=".spec.patternType"
// +kubebuilder:printcolumn:name="PermissionType",type="string",JSONPath=".spec.permissionType"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// KafkaNativeACL is an entry of Apache Kafka's own access control list. Nothing
// of its spec can be changed.
type KafkaNativeACL struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec KafkaNativeACLSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status KafkaNativeACLStatus `json:"status,omitempty"`
}

// KafkaNativeACLSpec is the desired state of a KafkaNativeACL.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
type KafkaNativeACLSpec struct {
	ServiceDependantSpec `json:",inline"`

	// Host that the operation comes from; * stands for any.
	// +kubebuilder:default=*
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Host string `json:"host,omitempty"`

	// Operation that is allowed or denied.
	// +kubebuilder:validation:Enum=All;Alter;AlterConfigs;ClusterAction;Create;CreateTokens;Delete;Describe;DescribeConfigs;DescribeTokens;IdempotentWrite;Read;Write
	Operation string `json:"operation"`

	// PatternType says what resourceName is: the name of a resource, LITERAL, or
	// the beginning of the names of several, PREFIXED.
	// +kubebuilder:validation:Enum=LITERAL;PREFIXED
	PatternType string `json:"patternType"`

	// PermissionType says whether the operation is allowed or denied.
	// +kubebuilder:validation:Enum=ALLOW;DENY
	PermissionType string `json:"permissionType"`

	// Principal is who the entry is about, User:alice for example.
	// +kubebuilder:validation:MaxLength=256
	Principal string `json:"principal"`

	// ResourceName is the name, or the beginning of the names, of what the entry
	// covers.
	// +kubebuilder:validation:MaxLength=256
	ResourceName string `json:"resourceName"`

	// ResourceType is the type of what the entry covers.
	// +kubebuilder:validation:Enum=Cluster;DelegationToken;Group;Topic;TransactionalId;User
	ResourceType string `json:"resourceType"`
}

// KafkaNativeACLStatus is the observed state of a KafkaNativeACL.
type KafkaNativeACLStatus struct {
	CommonStatus `json:",inline"`

	// ID that Aiven gave to the entry.
	// +optional
	ID string `json:"id,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// KafkaNativeACLList is a list of KafkaNativeACL objects.
type KafkaNativeACLList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []KafkaNativeACL `json:"items"`
}

var _ Object = &KafkaNativeACL{}

// Conditions implements Object.
func (in *KafkaNativeACL) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *KafkaNativeACL) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *KafkaNativeACL) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *KafkaNativeACL) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *KafkaNativeACL) ServiceRef() (project, service string) {
	return in.Spec.Project, in.Spec.ServiceName
}

// RemoteName implements Object. Aiven makes an entry's id, so what the entry
// says is its name.
func (in *KafkaNativeACL) RemoteName() string {
	return composite(in.Spec.ResourceType, in.Spec.PatternType, in.Spec.ResourceName,
		in.Spec.Principal, in.Spec.Host, in.Spec.Operation, in.Spec.PermissionType)
}
