// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/service/clickhouse"
)

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=clickhouses,shortName=avch,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Region",type="string",JSONPath=".spec.cloudName"
// +kubebuilder:printcolumn:name="Plan",type="string",JSONPath=".spec.plan"
// +kubebuilder:printcolumn:name="State",type="string",JSONPath=".status.state"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// Clickhouse is an Aiven for ClickHouse service. Its name at Aiven is the name
// of the object.
type Clickhouse struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the service as it should be.
	// +optional
	Spec ClickhouseSpec `json:"spec,omitempty"`
	// Status is the service as it was last seen.
	// +optional
	Status ServiceStatus `json:"status,omitempty"`
}

// ClickhouseSpec is the desired state of a Clickhouse service.
type ClickhouseSpec struct {
	ServiceCommonSpec `json:",inline"`

	// UserConfig holds the settings that are particular to ClickHouse.
	// +optional
	UserConfig *clickhouse.UserConfig `json:"userConfig,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// ClickhouseList is a list of Clickhouse services.
type ClickhouseList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []Clickhouse `json:"items"`
}

var (
	_ Service   = &Clickhouse{}
	_ Publisher = &Clickhouse{}
)

// Conditions implements Object.
func (in *Clickhouse) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *Clickhouse) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *Clickhouse) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *Clickhouse) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *Clickhouse) ServiceRef() (project, service string) { return in.Spec.Project, in.Name }

// ConnInfoTarget implements Publisher.
func (in *Clickhouse) ConnInfoTarget() (target ConnInfoSecretTarget, disabled bool) {
	return in.Spec.target("Clickhouse", in.Name)
}

// CommonSpec implements Service.
func (in *Clickhouse) CommonSpec() *ServiceCommonSpec { return &in.Spec.ServiceCommonSpec }

// CommonStatus implements Service.
func (in *Clickhouse) CommonStatus() *ServiceStatus { return &in.Status }

// UserConfig implements Service.
func (in *Clickhouse) UserConfig() any { return anyOrNil(in.Spec.UserConfig) }

// RemoteName implements Object.
func (in *Clickhouse) RemoteName() string { return in.Name }
