// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=serviceusers,shortName=avuser,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Service Name",type="string",JSONPath=".spec.serviceName"
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Connection Information Secret",type="string",JSONPath=".spec.connInfoSecretTarget.name"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// ServiceUser is a user of an Aiven service.
type ServiceUser struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec ServiceUserSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status ServiceUserStatus `json:"status,omitempty"`
}

// ServiceUserSpec is the desired state of a ServiceUser.
// +kubebuilder:validation:XValidation:rule="has(self.username) == has(oldSelf.username)",message="username can only be set during resource creation."
type ServiceUserSpec struct {
	ServiceDependantSpec `json:",inline"`
	ConnInfoSpec         `json:",inline"`

	// Username is the name of the user. The default is the name of the object. It
	// can be set only when the object is created.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="username is immutable."
	// +optional
	Username string `json:"username,omitempty"`

	// ConnInfoSecretSource names a Secret with the password that the user shall
	// have. Without it, Aiven chooses the password.
	// +optional
	ConnInfoSecretSource *ConnInfoSecretSource `json:"connInfoSecretSource,omitempty"`

	// AccessControl limits what the user may do. It applies to Valkey services.
	// +optional
	AccessControl *ServiceUserAccessControl `json:"accessControl,omitempty"`

	// Authentication is how a MySQL user proves its password. Changing it sets the
	// password, so it needs connInfoSecretSource once the user exists. It has no effect
	// on users of other services.
	// +kubebuilder:validation:Enum=caching_sha2_password;mysql_native_password
	// +optional
	Authentication string `json:"authentication,omitempty"`
}

// ServiceUserAccessControl is the access control list of a Valkey user. Each list
// replaces the one at Aiven; one that is left out is empty, which allows nothing.
type ServiceUserAccessControl struct {
	// ValkeyACLKeys are the key patterns that the user may touch.
	// +listType=atomic
	// +optional
	ValkeyACLKeys []string `json:"valkeyAclKeys,omitzero"`

	// ValkeyACLCommands are single commands to allow or deny, +set or -del for
	// example.
	// +listType=atomic
	// +optional
	ValkeyACLCommands []string `json:"valkeyAclCommands,omitzero"`

	// ValkeyACLCategories are command categories to allow or deny, +@read or
	// -@dangerous for example.
	// +listType=atomic
	// +optional
	ValkeyACLCategories []string `json:"valkeyAclCategories,omitzero"`

	// ValkeyACLChannels are the publish and subscribe channel patterns that the
	// user may use.
	// +listType=atomic
	// +optional
	ValkeyACLChannels []string `json:"valkeyAclChannels,omitzero"`
}

// ServiceUserStatus is the observed state of a ServiceUser.
type ServiceUserStatus struct {
	CommonStatus   `json:",inline"`
	SettingsStatus `json:",inline"`

	// Type of the user, as Aiven reports it: primary or normal.
	// +optional
	Type string `json:"type,omitempty"`

	// PasswordSource tells which password of spec.connInfoSecretSource was set last.
	// +optional
	PasswordSource *SourceSecretStatus `json:"passwordSource,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// ServiceUserList is a list of ServiceUser objects.
type ServiceUserList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []ServiceUser `json:"items"`
}

var _ Publisher = &ServiceUser{}

// Conditions implements Object.
func (in *ServiceUser) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *ServiceUser) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *ServiceUser) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *ServiceUser) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *ServiceUser) ServiceRef() (project, service string) {
	return in.Spec.Project, in.Spec.ServiceName
}

// ConnInfoTarget implements Publisher.
func (in *ServiceUser) ConnInfoTarget() (target ConnInfoSecretTarget, disabled bool) {
	return in.Spec.target("ServiceUser", in.Name)
}

// RemoteName implements Object: the name of the user at Aiven.
func (in *ServiceUser) RemoteName() string { return firstNonEmpty(in.Spec.Username, in.Name) }
