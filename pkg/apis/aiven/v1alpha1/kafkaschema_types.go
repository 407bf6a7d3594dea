// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=kafkaschemas,shortName=avschema,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Service Name",type="string",JSONPath=".spec.serviceName"
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Subject",type="string",JSONPath=".spec.subjectName"
// +kubebuilder:printcolumn:name="Compatibility Level",type="string",JSONPath=".spec.compatibilityLevel"
// +kubebuilder:printcolumn:name="Version",type="number",JSONPath=".status.version"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.references) || self.spec.references.all(r, !has(r.kafkaSchemaRef) || r.kafkaSchemaRef.name != self.metadata.name)",message="kafkaSchemaRef cannot point to the KafkaSchema itself"

// KafkaSchema is a subject of the schema registry of a Kafka service, with the
// schema that its latest version has. A change of the schema makes a new
// version.
type KafkaSchema struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec KafkaSchemaSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status KafkaSchemaStatus `json:"status,omitempty"`
}

// KafkaSchemaSpec is the desired state of a KafkaSchema.
// +kubebuilder:validation:XValidation:rule="!has(self.references) || size(self.references) == 0 || self.schemaType in ['PROTOBUF', 'JSON']",message="references are only supported for PROTOBUF and JSON schema types"
type KafkaSchemaSpec struct {
	ServiceDependantSpec `json:",inline"`

	// SubjectName is the name of the subject. It cannot be changed.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	SubjectName string `json:"subjectName"`

	// Schema is the text of the schema.
	Schema string `json:"schema"`

	// SchemaType is the language of the schema. The registry's default is AVRO. It
	// cannot be changed.
	// +kubebuilder:validation:Enum=AVRO;JSON;PROTOBUF
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	SchemaType string `json:"schemaType,omitempty"`

	// CompatibilityLevel is what a new version must be compatible with. Without it
	// the subject has the registry's level.
	// +kubebuilder:validation:Enum=BACKWARD;BACKWARD_TRANSITIVE;FORWARD;FORWARD_TRANSITIVE;FULL;FULL_TRANSITIVE;NONE
	// +optional
	CompatibilityLevel string `json:"compatibilityLevel,omitempty"`

	// References are the schemas that this one imports. Only JSON and PROTOBUF
	// schemas can have any.
	// +kubebuilder:validation:MaxItems=100
	// +listType=map
	// +listMapKey=name
	// +optional
	References []KafkaSchemaReference `json:"references,omitzero"`
}

// KafkaSchemaReference is a schema that another one imports, named by its
// subject and version or by its object.
// +kubebuilder:validation:XValidation:rule="(has(self.subject) && has(self.version) && !has(self.kafkaSchemaRef)) || (!has(self.subject) && !has(self.version) && has(self.kafkaSchemaRef))",message="set both subject and version, or set kafkaSchemaRef, but not both"
type KafkaSchemaReference struct {
	// Name by which the importing schema calls it: the path in a PROTOBUF import,
	// the $ref of a JSON schema.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Name string `json:"name"`

	// Subject of the imported schema.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Subject string `json:"subject,omitempty"`

	// Version of the subject.
	// +kubebuilder:validation:Minimum=1
	// +optional
	Version *int64 `json:"version,omitempty"`

	// KafkaSchemaRef names the KafkaSchema object of the imported schema. The
	// version is the one in its status.
	// +optional
	KafkaSchemaRef *KafkaSchemaRef `json:"kafkaSchemaRef,omitempty"`
}

// KafkaSchemaRef names a KafkaSchema object of the same namespace.
type KafkaSchemaRef struct {
	// Name of the object.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// KafkaSchemaStatus is the observed state of a KafkaSchema.
type KafkaSchemaStatus struct {
	CommonStatus   `json:",inline"`
	SettingsStatus `json:",inline"`

	// ID that the registry gave to the schema.
	// +optional
	ID int64 `json:"id,omitempty"`

	// Version of the subject that has the schema.
	// +optional
	Version int64 `json:"version,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// KafkaSchemaList is a list of KafkaSchema objects.
type KafkaSchemaList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []KafkaSchema `json:"items"`
}

var _ Object = &KafkaSchema{}

// Conditions implements Object.
func (in *KafkaSchema) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *KafkaSchema) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *KafkaSchema) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *KafkaSchema) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *KafkaSchema) ServiceRef() (project, service string) {
	return in.Spec.Project, in.Spec.ServiceName
}

// RemoteName implements Object: the name of the subject.
func (in *KafkaSchema) RemoteName() string { return in.Spec.SubjectName }
