// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// AuthSecretReference names the key of a Secret that holds an Aiven API token.
// The Secret lives in the namespace of the object that names it.
type AuthSecretReference struct {
	// Name of the Secret.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`

	// Key of the Secret's data under which the token is stored.
	// +kubebuilder:validation:MinLength=1
	Key string `json:"key"`
}

// AuthSpec chooses the Aiven API token of an object.
type AuthSpec struct {
	// AuthSecretRef names the Secret with the API token to use for this object.
	// Without it the operator's default token is used. A reference that cannot be
	// used is an error; it never falls back to the default token.
	// +optional
	AuthSecretRef *AuthSecretReference `json:"authSecretRef,omitempty"`
}

// ProjectDependantSpec places an object in an Aiven project.
type ProjectDependantSpec struct {
	// Project is the name of the Aiven project. It cannot be changed.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_-]+$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	Project string `json:"project"`
}

// ServiceDependantSpec places an object in an Aiven service.
type ServiceDependantSpec struct {
	AuthSpec             `json:",inline"`
	ProjectDependantSpec `json:",inline"`

	// ServiceName is the name of the Aiven service that the object belongs to. It
	// cannot be changed.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z][-a-z0-9]+$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	ServiceName string `json:"serviceName"`
}

// ConnInfoSecretTarget describes the Secret that receives connection details.
type ConnInfoSecretTarget struct {
	// Name of the Secret, which is created in the object's namespace. The default
	// is the name of the object. It cannot be changed.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	Name string `json:"name"`

	// Annotations to put on the Secret.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Annotations map[string]string `json:"annotations,omitzero"`

	// Labels to put on the Secret.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Labels map[string]string `json:"labels,omitzero"`

	// Prefix of the Secret's keys. The default is the kind in upper case and an
	// underscore, POSTGRESQL_ for example.
	// +optional
	Prefix string `json:"prefix,omitempty"`
}

// ConnInfoSpec says where connection details are published.
// +kubebuilder:validation:XValidation:rule="has(oldSelf.connInfoSecretTargetDisabled) == has(self.connInfoSecretTargetDisabled)",message="connInfoSecretTargetDisabled can only be set during resource creation."
type ConnInfoSpec struct {
	// ConnInfoSecretTarget describes the Secret that receives the connection
	// details. Without it, a Secret with the name of the object receives them.
	// +optional
	ConnInfoSecretTarget *ConnInfoSecretTarget `json:"connInfoSecretTarget,omitempty"`

	// ConnInfoSecretTargetDisabled turns publishing off: no Secret is written. It
	// can be set only when the object is created.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="connInfoSecretTargetDisabled is immutable."
	// +optional
	ConnInfoSecretTargetDisabled *bool `json:"connInfoSecretTargetDisabled,omitempty"`
}

// ConnInfoSecretSource names a Secret that holds a password chosen by its author.
// The Secret lives in the namespace of the object that names it.
type ConnInfoSecretSource struct {
	// Name of the Secret.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`

	// PasswordKey is the key of the Secret's data that holds the password, 8 to
	// 256 characters long.
	// +kubebuilder:validation:MinLength=1
	PasswordKey string `json:"passwordKey"`
}

// CommonStatus is the part of the status that every kind has.
type CommonStatus struct {
	// Conditions of the object. Ready is the one to wait for.
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// ObservedGeneration is the metadata.generation that this status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Adopted is true when the remote resource existed already and was taken over
	// rather than created.
	// +optional
	Adopted bool `json:"adopted,omitempty"`
}

// SettingsStatus remembers which optional fields of a spec were given to its
// remote.
type SettingsStatus struct {
	// Settings are the optional fields of the spec that were given to the remote,
	// tags for example. What was never among them is not the operator's to change. One
	// that leaves the spec goes back to its default; where Aiven has no way to reset
	// it, it keeps its value and the condition Ready says so.
	// +listType=atomic
	// +optional
	Settings []string `json:"settings,omitempty"`
}

// SourceSecretStatus tells which state of a source Secret was given to Aiven last,
// without anything that its content could be guessed from.
type SourceSecretStatus struct {
	// UID of the Secret.
	// +optional
	UID types.UID `json:"uid,omitempty"`

	// ResourceVersion of the Secret.
	// +optional
	ResourceVersion string `json:"resourceVersion,omitempty"`

	// Digest of what was given, HMAC-SHA256 in base64. Its key is derived from the
	// object's Aiven API token, so it can be checked only by whoever holds that.
	// +optional
	Digest string `json:"digest,omitempty"`
}
