// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/service/pg"
)

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=postgresqls,shortName=avpg,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Region",type="string",JSONPath=".spec.cloudName"
// +kubebuilder:printcolumn:name="Plan",type="string",JSONPath=".spec.plan"
// +kubebuilder:printcolumn:name="State",type="string",JSONPath=".status.state"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// PostgreSQL is an Aiven for PostgreSQL service. Its name at Aiven is the name of the object.
type PostgreSQL struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the service as it should be.
	// +optional
	Spec PostgreSQLSpec `json:"spec,omitempty"`
	// Status is the service as it was last seen.
	// +optional
	Status ServiceStatus `json:"status,omitempty"`
}

// PostgreSQLSpec is the desired state of a PostgreSQL service.
// +kubebuilder:validation:XValidation:rule="!(has(self.migrationSecretSource) && has(self.userConfig) && has(self.userConfig.migration))",message="migrationSecretSource and userConfig.migration are mutually exclusive; set only one"
type PostgreSQLSpec struct {
	ServiceCommonSpec `json:",inline"`

	// MigrationSecretSource names a Secret with the connection settings of a
	// database to migrate into this service. Use this or userConfig.migration, not
	// both.
	// +optional
	MigrationSecretSource *MigrationSecretSource `json:"migrationSecretSource,omitempty"`

	// UserConfig holds the settings that are particular to PostgreSQL.
	// +optional
	UserConfig *pg.UserConfig `json:"userConfig,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// PostgreSQLList is a list of PostgreSQL services.
type PostgreSQLList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []PostgreSQL `json:"items"`
}

var (
	_ Service   = &PostgreSQL{}
	_ Publisher = &PostgreSQL{}
)

// Conditions implements Object.
func (in *PostgreSQL) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *PostgreSQL) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *PostgreSQL) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *PostgreSQL) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *PostgreSQL) ServiceRef() (project, service string) { return in.Spec.Project, in.Name }

// ConnInfoTarget implements Publisher.
func (in *PostgreSQL) ConnInfoTarget() (target ConnInfoSecretTarget, disabled bool) {
	return in.Spec.target("PostgreSQL", in.Name)
}

// CommonSpec implements Service.
func (in *PostgreSQL) CommonSpec() *ServiceCommonSpec { return &in.Spec.ServiceCommonSpec }

// CommonStatus implements Service.
func (in *PostgreSQL) CommonStatus() *ServiceStatus { return &in.Status }

// UserConfig implements Service.
func (in *PostgreSQL) UserConfig() any { return anyOrNil(in.Spec.UserConfig) }

// RemoteName implements Object.
func (in *PostgreSQL) RemoteName() string { return in.Name }
