// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integrationendpoint/autoscaler"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integrationendpoint/datadog"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integrationendpoint/externalawscloudwatchlogs"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integrationendpoint/externalawscloudwatchmetrics"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integrationendpoint/externalelasticsearchlogs"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integrationendpoint/externalgooglecloudbigquery"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integrationendpoint/externalgooglecloudlogging"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integrationendpoint/externalkafka"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integrationendpoint/externalopensearchlogs"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integrationendpoint/externalpostgresql"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integrationendpoint/externalschemaregistry"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integrationendpoint/jolokia"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integrationendpoint/prometheus"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integrationendpoint/rsyslog"
)

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=serviceintegrationendpoints,shortName=avsie,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Endpoint Name",type="string",JSONPath=".spec.endpointName"
// +kubebuilder:printcolumn:name="Endpoint Type",type="string",JSONPath=".spec.endpointType"
// +kubebuilder:printcolumn:name="ID",type="string",JSONPath=".status.id"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// ServiceIntegrationEndpoint is something outside of Aiven that services can be
// integrated with. Its credentials are part of the spec, so whoever may read the
// object may read them.
type ServiceIntegrationEndpoint struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec ServiceIntegrationEndpointSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status ServiceIntegrationEndpointStatus `json:"status,omitempty"`
}

// ServiceIntegrationEndpointSpec is the desired state of a ServiceIntegrationEndpoint.
// +kubebuilder:validation:XValidation:rule="!has(self.autoscaler) || self.endpointType == 'autoscaler'",message="got additional configuration for integration endpoint type \"autoscaler\""
// +kubebuilder:validation:XValidation:rule="!has(self.datadog) || self.endpointType == 'datadog'",message="got additional configuration for integration endpoint type \"datadog\""
// +kubebuilder:validation:XValidation:rule="!has(self.externalAWSCloudwatchLogs) || self.endpointType == 'external_aws_cloudwatch_logs'",message="got additional configuration for integration endpoint type \"external_aws_cloudwatch_logs\""
// +kubebuilder:validation:XValidation:rule="!has(self.externalAWSCloudwatchMetrics) || self.endpointType == 'external_aws_cloudwatch_metrics'",message="got additional configuration for integration endpoint type \"external_aws_cloudwatch_metrics\""
// +kubebuilder:validation:XValidation:rule="!has(self.externalElasticsearchLogs) || self.endpointType == 'external_elasticsearch_logs'",message="got additional configuration for integration endpoint type \"external_elasticsearch_logs\""
// +kubebuilder:validation:XValidation:rule="!has(self.externalGoogleCloudBigquery) || self.endpointType == 'external_google_cloud_bigquery'",message="got additional configuration for integration endpoint type \"external_google_cloud_bigquery\""
// +kubebuilder:validation:XValidation:rule="!has(self.externalGoogleCloudLogging) || self.endpointType == 'external_google_cloud_logging'",message="got additional configuration for integration endpoint type \"external_google_cloud_logging\""
// +kubebuilder:validation:XValidation:rule="!has(self.externalKafka) || self.endpointType == 'external_kafka'",message="got additional configuration for integration endpoint type \"external_kafka\""
// +kubebuilder:validation:XValidation:rule="!has(self.externalOpensearchLogs) || self.endpointType == 'external_opensearch_logs'",message="got additional configuration for integration endpoint type \"external_opensearch_logs\""
// +kubebuilder:validation:XValidation:rule="!has(self.externalPostgresql) || self.endpointType == 'external_postgresql'",message="got additional configuration for integration endpoint type \"external_postgresql\""
// +kubebuilder:validation:XValidation:rule="!has(self.externalSchemaRegistry) || self.endpointType == 'external_schema_registry'",message="got additional configuration for integration endpoint type \"external_schema_registry\""
// +kubebuilder:validation:XValidation:rule="!has(self.jolokia) || self.endpointType == 'jolokia'",message="got additional configuration for integration endpoint type \"jolokia\""
// +kubebuilder:validation:XValidation:rule="!has(self.prometheus) || self.endpointType == 'prometheus'",message="got additional configuration for integration endpoint type \"prometheus\""
// +kubebuilder:validation:XValidation:rule="!has(self.rsyslog) || self.endpointType == 'rsyslog'",message="got additional configuration for integration endpoint type \"rsyslog\""
type ServiceIntegrationEndpointSpec struct {
	AuthSpec             `json:",inline"`
	ProjectDependantSpec `json:",inline"`

	// EndpointName is the name of the endpoint. The default is the name of the
	// object. It cannot be changed.
	// +kubebuilder:validation:MaxLength=36
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	EndpointName string `json:"endpointName,omitempty"`

	// EndpointType is the type of the endpoint. It cannot be changed.
	// +kubebuilder:validation:Enum=autoscaler;datadog;external_aws_cloudwatch_logs;external_aws_cloudwatch_metrics;external_aws_s3;external_clickhouse;external_elasticsearch_logs;external_google_cloud_bigquery;external_google_cloud_logging;external_kafka;external_mysql;external_opensearch_logs;external_postgresql;external_redis;external_schema_registry;external_sumologic_logs;jolokia;prometheus;rsyslog
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	EndpointType string `json:"endpointType"`

	// Autoscaler holds the settings of an endpoint of the type autoscaler.
	// +optional
	Autoscaler *autoscaler.UserConfig `json:"autoscaler,omitempty"`

	// Datadog holds the settings of an endpoint of the type datadog.
	// +optional
	Datadog *datadog.UserConfig `json:"datadog,omitempty"`

	// ExternalAWSCloudwatchLogs holds the settings of an endpoint of the type external_aws_cloudwatch_logs.
	// +optional
	ExternalAWSCloudwatchLogs *externalawscloudwatchlogs.UserConfig `json:"externalAWSCloudwatchLogs,omitempty"`

	// ExternalAWSCloudwatchMetrics holds the settings of an endpoint of the type external_aws_cloudwatch_metrics.
	// +optional
	ExternalAWSCloudwatchMetrics *externalawscloudwatchmetrics.UserConfig `json:"externalAWSCloudwatchMetrics,omitempty"`

	// ExternalElasticsearchLogs holds the settings of an endpoint of the type external_elasticsearch_logs.
	// +optional
	ExternalElasticsearchLogs *externalelasticsearchlogs.UserConfig `json:"externalElasticsearchLogs,omitempty"`

	// ExternalGoogleCloudBigquery holds the settings of an endpoint of the type external_google_cloud_bigquery.
	// +optional
	ExternalGoogleCloudBigquery *externalgooglecloudbigquery.UserConfig `json:"externalGoogleCloudBigquery,omitempty"`

	// ExternalGoogleCloudLogging holds the settings of an endpoint of the type external_google_cloud_logging.
	// +optional
	ExternalGoogleCloudLogging *externalgooglecloudlogging.UserConfig `json:"externalGoogleCloudLogging,omitempty"`

	// ExternalKafka holds the settings of an endpoint of the type external_kafka.
	// +optional
	ExternalKafka *externalkafka.UserConfig `json:"externalKafka,omitempty"`

	// ExternalOpensearchLogs holds the settings of an endpoint of the type external_opensearch_logs.
	// +optional
	ExternalOpensearchLogs *externalopensearchlogs.UserConfig `json:"externalOpensearchLogs,omitempty"`

	// ExternalPostgreSQL holds the settings of an endpoint of the type external_postgresql.
	// +optional
	ExternalPostgreSQL *externalpostgresql.UserConfig `json:"externalPostgresql,omitempty"`

	// ExternalSchemaRegistry holds the settings of an endpoint of the type external_schema_registry.
	// +optional
	ExternalSchemaRegistry *externalschemaregistry.UserConfig `json:"externalSchemaRegistry,omitempty"`

	// Jolokia holds the settings of an endpoint of the type jolokia.
	// +optional
	Jolokia *jolokia.UserConfig `json:"jolokia,omitempty"`

	// Prometheus holds the settings of an endpoint of the type prometheus.
	// +optional
	Prometheus *prometheus.UserConfig `json:"prometheus,omitempty"`

	// Rsyslog holds the settings of an endpoint of the type rsyslog.
	// +optional
	Rsyslog *rsyslog.UserConfig `json:"rsyslog,omitempty"`
}

// ServiceIntegrationEndpointStatus is the observed state of a ServiceIntegrationEndpoint.
type ServiceIntegrationEndpointStatus struct {
	CommonStatus `json:",inline"`

	// ID that Aiven gave to the endpoint.
	// +optional
	ID string `json:"id,omitempty"`

	// UserConfigSettings are the settings that the spec has given to the endpoint. One
	// that leaves the spec goes back to its default.
	// +listType=atomic
	// +optional
	UserConfigSettings []string `json:"userConfigSettings,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// ServiceIntegrationEndpointList is a list of ServiceIntegrationEndpoint objects.
type ServiceIntegrationEndpointList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []ServiceIntegrationEndpoint `json:"items"`
}

var _ Object = &ServiceIntegrationEndpoint{}

// Conditions implements Object.
func (in *ServiceIntegrationEndpoint) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *ServiceIntegrationEndpoint) ObservedGeneration() *int64 {
	return &in.Status.ObservedGeneration
}

// Adopted implements Object.
func (in *ServiceIntegrationEndpoint) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *ServiceIntegrationEndpoint) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object: an endpoint is not part of a service.
func (in *ServiceIntegrationEndpoint) ServiceRef() (project, service string) {
	return in.Spec.Project, ""
}

// RemoteName implements Object. Aiven makes an endpoint's id, so its type and
// name tell it from others.
func (in *ServiceIntegrationEndpoint) RemoteName() string {
	return composite(in.Spec.EndpointType, in.EndpointName())
}

// EndpointName returns the name of the endpoint at Aiven.
func (in *ServiceIntegrationEndpoint) EndpointName() string {
	return firstNonEmpty(in.Spec.EndpointName, in.Name)
}

// UserConfig returns the settings of the object's type, nil when they are not
// set or the type has none. The result marshals to the JSON object that Aiven
// expects as user_config.
func (in *ServiceIntegrationEndpoint) UserConfig() any {
	switch in.Spec.EndpointType {
	case "autoscaler":
		return anyOrNil(in.Spec.Autoscaler)
	case "datadog":
		return anyOrNil(in.Spec.Datadog)
	case "external_aws_cloudwatch_logs":
		return anyOrNil(in.Spec.ExternalAWSCloudwatchLogs)
	case "external_aws_cloudwatch_metrics":
		return anyOrNil(in.Spec.ExternalAWSCloudwatchMetrics)
	case "external_elasticsearch_logs":
		return anyOrNil(in.Spec.ExternalElasticsearchLogs)
	case "external_google_cloud_bigquery":
		return anyOrNil(in.Spec.ExternalGoogleCloudBigquery)
	case "external_google_cloud_logging":
		return anyOrNil(in.Spec.ExternalGoogleCloudLogging)
	case "external_kafka":
		return anyOrNil(in.Spec.ExternalKafka)
	case "external_opensearch_logs":
		return anyOrNil(in.Spec.ExternalOpensearchLogs)
	case "external_postgresql":
		return anyOrNil(in.Spec.ExternalPostgreSQL)
	case "external_schema_registry":
		return anyOrNil(in.Spec.ExternalSchemaRegistry)
	case "jolokia":
		return anyOrNil(in.Spec.Jolokia)
	case "prometheus":
		return anyOrNil(in.Spec.Prometheus)
	case "rsyslog":
		return anyOrNil(in.Spec.Rsyslog)
	default:
		return nil
	}
}
