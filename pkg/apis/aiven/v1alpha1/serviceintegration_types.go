// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integration/autoscaler"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integration/clickhousekafka"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integration/clickhousepostgresql"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integration/datadog"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integration/externalawscloudwatchmetrics"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integration/kafkaconnect"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integration/kafkalogs"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integration/kafkamirrormaker"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integration/logs"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1/userconfig/integration/metrics"
)

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=serviceintegrations,shortName=avsi,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Type",type="string",JSONPath=".spec.integrationType"
// +kubebuilder:printcolumn:name="Source Service Name",type="string",JSONPath=".spec.sourceServiceName"
// +kubebuilder:printcolumn:name="Destination Service Name",type="string",JSONPath=".spec.destinationServiceName"
// +kubebuilder:printcolumn:name="Source Endpoint ID",type="string",JSONPath=".spec.sourceEndpointID"
// +kubebuilder:printcolumn:name="Destination Endpoint ID",type="string",JSONPath=".spec.destinationEndpointId"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// ServiceIntegration connects two Aiven services, or a service and an
// integration endpoint.
type ServiceIntegration struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec ServiceIntegrationSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status ServiceIntegrationStatus `json:"status,omitempty"`
}

// ServiceIntegrationSpec is the desired state of a ServiceIntegration.
// +kubebuilder:validation:XValidation:rule="!(has(self.destinationEndpointRef) && has(self.destinationEndpointId) && self.destinationEndpointId != \"\")",message="destinationEndpointId and destinationEndpointRef are mutually exclusive"
// +kubebuilder:validation:XValidation:rule="!has(self.autoscaler) || self.integrationType == 'autoscaler'",message="got additional configuration for integration type \"autoscaler\""
// +kubebuilder:validation:XValidation:rule="!has(self.clickhouseKafka) || self.integrationType == 'clickhouse_kafka'",message="got additional configuration for integration type \"clickhouse_kafka\""
// +kubebuilder:validation:XValidation:rule="!has(self.clickhousePostgresql) || self.integrationType == 'clickhouse_postgresql'",message="got additional configuration for integration type \"clickhouse_postgresql\""
// +kubebuilder:validation:XValidation:rule="!has(self.datadog) || self.integrationType == 'datadog'",message="got additional configuration for integration type \"datadog\""
// +kubebuilder:validation:XValidation:rule="!has(self.externalAWSCloudwatchMetrics) || self.integrationType == 'external_aws_cloudwatch_metrics'",message="got additional configuration for integration type \"external_aws_cloudwatch_metrics\""
// +kubebuilder:validation:XValidation:rule="!has(self.kafkaConnect) || self.integrationType == 'kafka_connect'",message="got additional configuration for integration type \"kafka_connect\""
// +kubebuilder:validation:XValidation:rule="!has(self.kafkaLogs) || self.integrationType == 'kafka_logs'",message="got additional configuration for integration type \"kafka_logs\""
// +kubebuilder:validation:XValidation:rule="!has(self.kafkaMirrormaker) || self.integrationType == 'kafka_mirrormaker'",message="got additional configuration for integration type \"kafka_mirrormaker\""
// +kubebuilder:validation:XValidation:rule="!has(self.logs) || self.integrationType == 'logs'",message="got additional configuration for integration type \"logs\""
// +kubebuilder:validation:XValidation:rule="!has(self.metrics) || self.integrationType == 'metrics'",message="got additional configuration for integration type \"metrics\""
type ServiceIntegrationSpec struct {
	AuthSpec             `json:",inline"`
	ProjectDependantSpec `json:",inline"`

	// IntegrationType is the type of the integration. It cannot be changed.
	// +kubebuilder:validation:Enum=alertmanager;autoscaler;caching;cassandra_cross_service_cluster;clickhouse_kafka;clickhouse_postgresql;dashboard;datadog;datasource;external_aws_cloudwatch_logs;external_aws_cloudwatch_metrics;external_elasticsearch_logs;external_google_cloud_logging;external_opensearch_logs;flink;flink_external_kafka;flink_external_postgresql;internal_connectivity;jolokia;kafka_connect;kafka_logs;kafka_mirrormaker;logs;metrics;opensearch_cross_cluster_replication;opensearch_cross_cluster_search;prometheus;read_replica;rsyslog;schema_registry_proxy;stresstester;thanosquery;thanosstore;vmalert
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	IntegrationType string `json:"integrationType"`

	// SourceServiceName is the service that the integration starts from. It cannot
	// be changed.
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	SourceServiceName string `json:"sourceServiceName,omitempty"`

	// SourceProjectName is the project of the source. The default is the object's
	// project. It cannot be changed.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	SourceProjectName string `json:"sourceProjectName,omitempty"`

	// SourceEndpointID is the id of the endpoint that the integration starts from.
	// It cannot be changed.
	// +kubebuilder:validation:MaxLength=36
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	SourceEndpointID string `json:"sourceEndpointID,omitempty"`

	// DestinationServiceName is the service that the integration leads to. It cannot
	// be changed.
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	DestinationServiceName string `json:"destinationServiceName,omitempty"`

	// DestinationProjectName is the project of the destination. The default is the
	// object's project. It cannot be changed.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	DestinationProjectName string `json:"destinationProjectName,omitempty"`

	// DestinationEndpointID is the id of the endpoint that the integration leads to.
	// Use this or destinationEndpointRef, not both. It cannot be changed.
	// +kubebuilder:validation:MaxLength=36
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	DestinationEndpointID string `json:"destinationEndpointId,omitempty"`

	// DestinationEndpointRef names the ServiceIntegrationEndpoint object of the
	// endpoint that the integration leads to. Use this or destinationEndpointId, not
	// both. It cannot be changed.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +kubebuilder:validation:XValidation:rule="!self.name.contains('/')",message="destinationEndpointRef.name must not contain a namespace"
	// +optional
	DestinationEndpointRef *EndpointReference `json:"destinationEndpointRef,omitempty"`

	// Autoscaler holds the settings of an integration of the type autoscaler.
	// +optional
	Autoscaler *autoscaler.UserConfig `json:"autoscaler,omitempty"`

	// ClickhouseKafka holds the settings of an integration of the type clickhouse_kafka.
	// +optional
	ClickhouseKafka *clickhousekafka.UserConfig `json:"clickhouseKafka,omitempty"`

	// ClickhousePostgreSQL holds the settings of an integration of the type clickhouse_postgresql.
	// +optional
	ClickhousePostgreSQL *clickhousepostgresql.UserConfig `json:"clickhousePostgresql,omitempty"`

	// Datadog holds the settings of an integration of the type datadog.
	// +optional
	Datadog *datadog.UserConfig `json:"datadog,omitempty"`

	// ExternalAWSCloudwatchMetrics holds the settings of an integration of the type external_aws_cloudwatch_metrics.
	// +optional
	ExternalAWSCloudwatchMetrics *externalawscloudwatchmetrics.UserConfig `json:"externalAWSCloudwatchMetrics,omitempty"`

	// KafkaConnect holds the settings of an integration of the type kafka_connect.
	// +optional
	KafkaConnect *kafkaconnect.UserConfig `json:"kafkaConnect,omitempty"`

	// KafkaLogs holds the settings of an integration of the type kafka_logs.
	// +optional
	KafkaLogs *kafkalogs.UserConfig `json:"kafkaLogs,omitempty"`

	// KafkaMirrormaker holds the settings of an integration of the type kafka_mirrormaker.
	// +optional
	KafkaMirrormaker *kafkamirrormaker.UserConfig `json:"kafkaMirrormaker,omitempty"`

	// Logs holds the settings of an integration of the type logs.
	// +optional
	Logs *logs.UserConfig `json:"logs,omitempty"`

	// Metrics holds the settings of an integration of the type metrics.
	// +optional
	Metrics *metrics.UserConfig `json:"metrics,omitempty"`
}

// EndpointReference names a ServiceIntegrationEndpoint object of the same
// namespace.
type EndpointReference struct {
	// Name of the object.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
}

// ServiceIntegrationStatus is the observed state of a ServiceIntegration.
type ServiceIntegrationStatus struct {
	CommonStatus `json:",inline"`

	// ID that Aiven gave to the integration.
	// +optional
	ID string `json:"id,omitempty"`

	// UserConfigSettings are the settings that the spec has given to the integration. One
	// that leaves the spec goes back to its default.
	// +listType=atomic
	// +optional
	UserConfigSettings []string `json:"userConfigSettings,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// ServiceIntegrationList is a list of ServiceIntegration objects.
type ServiceIntegrationList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []ServiceIntegration `json:"items"`
}

var _ Object = &ServiceIntegration{}

// Conditions implements Object.
func (in *ServiceIntegration) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *ServiceIntegration) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *ServiceIntegration) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *ServiceIntegration) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object: an integration is not part of a service.
func (in *ServiceIntegration) ServiceRef() (project, service string) { return in.Spec.Project, "" }

// RemoteName implements Object. Aiven makes an integration's id, so its type and
// its ends are its name.
func (in *ServiceIntegration) RemoteName() string {
	return composite(in.Spec.IntegrationType,
		integrationEnd(in.Spec.SourceEndpointID, firstNonEmpty(in.Spec.SourceProjectName, in.Spec.Project), in.Spec.SourceServiceName),
		in.destination())
}

// destination names the end that the integration leads to. An endpoint that is
// named by its object is known by it, as its id may not be known yet.
func (in *ServiceIntegration) destination() string {
	if ref := in.Spec.DestinationEndpointRef; ref != nil {
		return "object:" + in.Namespace + "/" + ref.Name
	}
	return integrationEnd(in.Spec.DestinationEndpointID, firstNonEmpty(in.Spec.DestinationProjectName, in.Spec.Project), in.Spec.DestinationServiceName)
}

// integrationEnd names an end of an integration: an endpoint, or else a service.
func integrationEnd(endpoint, project, service string) string {
	if endpoint != "" {
		return "endpoint:" + endpoint
	}
	return project + "/" + service
}

// UserConfig returns the settings of the object's type, nil when they are not
// set or the type has none. The result marshals to the JSON object that Aiven
// expects as user_config.
func (in *ServiceIntegration) UserConfig() any {
	switch in.Spec.IntegrationType {
	case "autoscaler":
		return anyOrNil(in.Spec.Autoscaler)
	case "clickhouse_kafka":
		return anyOrNil(in.Spec.ClickhouseKafka)
	case "clickhouse_postgresql":
		return anyOrNil(in.Spec.ClickhousePostgreSQL)
	case "datadog":
		return anyOrNil(in.Spec.Datadog)
	case "external_aws_cloudwatch_metrics":
		return anyOrNil(in.Spec.ExternalAWSCloudwatchMetrics)
	case "kafka_connect":
		return anyOrNil(in.Spec.KafkaConnect)
	case "kafka_logs":
		return anyOrNil(in.Spec.KafkaLogs)
	case "kafka_mirrormaker":
		return anyOrNil(in.Spec.KafkaMirrormaker)
	case "logs":
		return anyOrNil(in.Spec.Logs)
	case "metrics":
		return anyOrNil(in.Spec.Metrics)
	default:
		return nil
	}
}
