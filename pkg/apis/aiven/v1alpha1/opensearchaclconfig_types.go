// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=opensearchaclconfigs,shortName=avosacl,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Service Name",type="string",JSONPath=".spec.serviceName"
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Enabled",type="boolean",JSONPath=".spec.enabled"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// OpenSearchACLConfig is the access control list of an OpenSearch service. A
// service has one, so only one object should describe it.
type OpenSearchACLConfig struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec OpenSearchACLConfigSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status OpenSearchACLConfigStatus `json:"status,omitempty"`
}

// OpenSearchACLConfigSpec is the desired state of an OpenSearchACLConfig.
type OpenSearchACLConfigSpec struct {
	ServiceDependantSpec `json:",inline"`

	// Enabled says whether the list is enforced. Without it, every user may do
	// everything.
	Enabled bool `json:"enabled"`

	// ACLs are the entries of the list, one per user. They replace those at Aiven.
	// +listType=map
	// +listMapKey=username
	// +optional
	ACLs []OpenSearchACL `json:"acls,omitzero"`
}

// OpenSearchACL says what a user may do.
type OpenSearchACL struct {
	// Username is the name or pattern of the users that the rules are for.
	// +kubebuilder:validation:MinLength=1
	Username string `json:"username"`

	// Rules say what is permitted.
	// +listType=atomic
	Rules []OpenSearchACLRule `json:"rules"`
}

// OpenSearchACLRule gives a permission on indexes.
type OpenSearchACLRule struct {
	// Index is the name or pattern of the indexes that the rule covers.
	// +kubebuilder:validation:MinLength=1
	Index string `json:"index"`

	// Permission that is given.
	// +kubebuilder:validation:Enum=admin;deny;read;readwrite;write
	Permission string `json:"permission"`
}

// OpenSearchACLConfigStatus is the observed state of an OpenSearchACLConfig.
type OpenSearchACLConfigStatus struct {
	CommonStatus   `json:",inline"`
	SettingsStatus `json:",inline"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// OpenSearchACLConfigList is a list of OpenSearchACLConfig objects.
type OpenSearchACLConfigList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []OpenSearchACLConfig `json:"items"`
}

var _ Object = &OpenSearchACLConfig{}

// Conditions implements Object.
func (in *OpenSearchACLConfig) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *OpenSearchACLConfig) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *OpenSearchACLConfig) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *OpenSearchACLConfig) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *OpenSearchACLConfig) ServiceRef() (project, service string) {
	return in.Spec.Project, in.Spec.ServiceName
}

// RemoteName implements Object. There is one list in a service, so it is always
// the same.
func (in *OpenSearchACLConfig) RemoteName() string { return "acl" }
