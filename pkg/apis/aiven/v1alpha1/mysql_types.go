// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/service/mysql"
)

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=mysqls,shortName=avmysql,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Region",type="string",JSONPath=".spec.cloudName"
// +kubebuilder:printcolumn:name="Plan",type="string",JSONPath=".spec.plan"
// +kubebuilder:printcolumn:name="State",type="string",JSONPath=".status.state"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// MySQL is an Aiven for MySQL service. Its name at Aiven is the name of the
// object.
type MySQL struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the service as it should be.
	// +optional
	Spec MySQLSpec `json:"spec,omitempty"`
	// Status is the service as it was last seen.
	// +optional
	Status ServiceStatus `json:"status,omitempty"`
}

// MySQLSpec is the desired state of a MySQL service.
// +kubebuilder:validation:XValidation:rule="!(has(self.migrationSecretSource) && has(self.userConfig) && has(self.userConfig.migration))",message="migrationSecretSource and userConfig.migration are mutually exclusive; set only one"
type MySQLSpec struct {
	ServiceCommonSpec `json:",inline"`

	// MigrationSecretSource names a Secret with the connection settings of a
	// database to migrate into this service. Use this or userConfig.migration, not
	// both.
	// +optional
	MigrationSecretSource *MigrationSecretSource `json:"migrationSecretSource,omitempty"`

	// UserConfig holds the settings that are particular to MySQL.
	// +optional
	UserConfig *mysql.UserConfig `json:"userConfig,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// MySQLList is a list of MySQL services.
type MySQLList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []MySQL `json:"items"`
}

var (
	_ Service   = &MySQL{}
	_ Publisher = &MySQL{}
)

// Conditions implements Object.
func (in *MySQL) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *MySQL) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *MySQL) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *MySQL) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *MySQL) ServiceRef() (project, service string) { return in.Spec.Project, in.Name }

// ConnInfoTarget implements Publisher.
func (in *MySQL) ConnInfoTarget() (target ConnInfoSecretTarget, disabled bool) {
	return in.Spec.target("MySQL", in.Name)
}

// CommonSpec implements Service.
func (in *MySQL) CommonSpec() *ServiceCommonSpec { return &in.Spec.ServiceCommonSpec }

// CommonStatus implements Service.
func (in *MySQL) CommonStatus() *ServiceStatus { return &in.Status }

// UserConfig implements Service.
func (in *MySQL) UserConfig() any { return anyOrNil(in.Spec.UserConfig) }

// RemoteName implements Object.
func (in *MySQL) RemoteName() string { return in.Name }
