// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=kafkaconnectors,shortName=avconnector,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Service Name",type="string",JSONPath=".spec.serviceName"
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Connector Class",type="string",JSONPath=".spec.connectorClass"
// +kubebuilder:printcolumn:name="State",type="string",JSONPath=".status.state"
// +kubebuilder:printcolumn:name="Tasks Total",type="integer",JSONPath=".status.tasksStatus.total"
// +kubebuilder:printcolumn:name="Tasks Running",type="integer",JSONPath=".status.tasksStatus.running"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// KafkaConnector is a connector that a Kafka or KafkaConnect service runs. Its
// name at Aiven is the name of the object.
type KafkaConnector struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec KafkaConnectorSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status KafkaConnectorStatus `json:"status,omitempty"`
}

// KafkaConnectorSpec is the desired state of a KafkaConnector.
type KafkaConnectorSpec struct {
	ServiceDependantSpec `json:",inline"`

	// ConnectorClass is the Java class of the connector.
	// +kubebuilder:validation:MaxLength=1024
	ConnectorClass string `json:"connectorClass"`

	// UserConfig is the configuration of the connector. The values are Go
	// templates, in which {{ fromSecret "name" "key" }} stands for a value of a
	// Secret of the same namespace.
	UserConfig map[string]string `json:"userConfig"`
}

// KafkaConnectorStatus is the observed state of a KafkaConnector.
type KafkaConnectorStatus struct {
	CommonStatus `json:",inline"`

	// State that Aiven reports: RUNNING, PAUSED, FAILED or UNASSIGNED.
	// +optional
	State string `json:"state,omitempty"`

	// PluginStatus describes the plugin that the connector is made of.
	// +optional
	PluginStatus *KafkaConnectorPluginStatus `json:"pluginStatus,omitempty"`

	// TasksStatus counts the tasks of the connector.
	// +optional
	TasksStatus *KafkaConnectorTasksStatus `json:"tasksStatus,omitempty"`
}

// KafkaConnectorPluginStatus describes a connector plugin.
type KafkaConnectorPluginStatus struct {
	// Author of the plugin.
	// +optional
	Author string `json:"author,omitempty"`

	// Class is the Java class of the plugin.
	// +optional
	Class string `json:"class,omitempty"`

	// DocURL is the address of the plugin's documentation.
	// +optional
	DocURL string `json:"docUrl,omitempty"`

	// Title of the plugin.
	// +optional
	Title string `json:"title,omitempty"`

	// Type of the plugin: sink or source.
	// +optional
	Type string `json:"type,omitempty"`

	// Version of the plugin.
	// +optional
	Version string `json:"version,omitempty"`
}

// KafkaConnectorTasksStatus counts the tasks of a connector by their state.
type KafkaConnectorTasksStatus struct {
	// Total number of tasks.
	// +optional
	Total int64 `json:"total"`

	// Running is the number of tasks that run.
	// +optional
	Running int64 `json:"running,omitempty"`

	// Failed is the number of tasks that have failed.
	// +optional
	Failed int64 `json:"failed,omitempty"`

	// Paused is the number of tasks that are paused.
	// +optional
	Paused int64 `json:"paused,omitempty"`

	// Unassigned is the number of tasks that no worker has.
	// +optional
	Unassigned int64 `json:"unassigned,omitempty"`

	// Unknown is the number of tasks in any other state.
	// +optional
	Unknown int64 `json:"unknown,omitempty"`

	// StackTrace of a task that has failed.
	// +optional
	StackTrace string `json:"stackTrace,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// KafkaConnectorList is a list of KafkaConnector objects.
type KafkaConnectorList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []KafkaConnector `json:"items"`
}

var _ Object = &KafkaConnector{}

// Conditions implements Object.
func (in *KafkaConnector) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *KafkaConnector) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *KafkaConnector) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *KafkaConnector) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *KafkaConnector) ServiceRef() (project, service string) {
	return in.Spec.Project, in.Spec.ServiceName
}

// RemoteName implements Object: the name of the connector at Aiven.
func (in *KafkaConnector) RemoteName() string { return in.Name }
