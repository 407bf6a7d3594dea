// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=clickhousegrants,shortName=avchgrant,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Service Name",type="string",JSONPath=".spec.serviceName"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// ClickhouseGrant is a set of privileges and roles that users and roles of a
// ClickHouse service are given. What the object does not name is left as it is.
type ClickhouseGrant struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec ClickhouseGrantSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status ClickhouseGrantStatus `json:"status,omitempty"`
}

// ClickhouseGrantSpec is the desired state of a ClickhouseGrant.
type ClickhouseGrantSpec struct {
	ServiceDependantSpec `json:",inline"`

	ClickhouseGrants `json:",inline"`
}

// ClickhouseGrants are privileges and roles, and who is given them.
type ClickhouseGrants struct {
	// PrivilegeGrants are the privileges that are granted.
	// +listType=atomic
	// +optional
	PrivilegeGrants []ClickhousePrivilegeGrant `json:"privilegeGrants,omitzero"`

	// RoleGrants are the roles that are granted.
	// +listType=atomic
	// +optional
	RoleGrants []ClickhouseRoleGrant `json:"roleGrants,omitzero"`
}

// ClickhouseGrantee is who is given something: a user or a role.
type ClickhouseGrantee struct {
	// User is the name of a user.
	// +optional
	User string `json:"user,omitempty"`

	// Role is the name of a role.
	// +optional
	Role string `json:"role,omitempty"`
}

// ClickhousePrivilegeGrant gives privileges on a database, a table or columns.
// +kubebuilder:validation:XValidation:rule="!has(self.columns) || (has(self.columns) && has(self.table))",message="`table` must be set if `columns` are set"
type ClickhousePrivilegeGrant struct {
	// Grantees are given the privileges.
	// +kubebuilder:validation:MinItems=1
	// +listType=atomic
	Grantees []ClickhouseGrantee `json:"grantees"`

	// Privileges to give, INSERT or CREATE TABLE for example.
	// +listType=atomic
	Privileges []string `json:"privileges"`

	// Database that the privileges cover; * stands for all of them.
	Database string `json:"database"`

	// Table that the privileges cover. Without it they cover the whole database.
	// +optional
	Table string `json:"table,omitempty"`

	// Columns of the table that the privileges cover. Without them they cover the
	// whole table.
	// +listType=atomic
	// +optional
	Columns []string `json:"columns,omitzero"`

	// WithGrantOption lets the grantees give the privileges to others.
	// +optional
	WithGrantOption bool `json:"withGrantOption,omitempty"`
}

// ClickhouseRoleGrant gives roles.
type ClickhouseRoleGrant struct {
	// Grantees are given the roles.
	// +kubebuilder:validation:MinItems=1
	// +listType=atomic
	Grantees []ClickhouseGrantee `json:"grantees"`

	// Roles to give.
	// +kubebuilder:validation:MinItems=1
	// +listType=atomic
	Roles []string `json:"roles"`

	// WithAdminOption lets the grantees give the roles to others.
	// +optional
	WithAdminOption bool `json:"withAdminOption,omitempty"`
}

// ClickhouseGrantStatus is the observed state of a ClickhouseGrant.
type ClickhouseGrantStatus struct {
	CommonStatus `json:",inline"`

	// State holds the grants that were applied last, so that those which the spec
	// no longer names can be revoked.
	// +optional
	State *ClickhouseGrants `json:"state,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// ClickhouseGrantList is a list of ClickhouseGrant objects.
type ClickhouseGrantList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []ClickhouseGrant `json:"items"`
}

var _ Object = &ClickhouseGrant{}

// Conditions implements Object.
func (in *ClickhouseGrant) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *ClickhouseGrant) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *ClickhouseGrant) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *ClickhouseGrant) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *ClickhouseGrant) ServiceRef() (project, service string) {
	return in.Spec.Project, in.Spec.ServiceName
}

// RemoteName implements Object. A set of grants has no name in ClickHouse, so
// the object's own stands for it.
func (in *ClickhouseGrant) RemoteName() string { return in.Namespace + "/" + in.Name }
