// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=kafkatopics,shortName=avtopic,categories=aiven
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Service Name",type="string",JSONPath=".spec.serviceName"
// +kubebuilder:printcolumn:name="Project",type="string",JSONPath=".spec.project"
// +kubebuilder:printcolumn:name="Partitions",type="string",JSONPath=".spec.partitions"
// +kubebuilder:printcolumn:name="Replication",type="string",JSONPath=".spec.replication"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",priority=1,JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"

// KafkaTopic is a topic of a Kafka service.
type KafkaTopic struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the desired state.
	// +optional
	Spec KafkaTopicSpec `json:"spec,omitempty"`
	// Status is the state as it was last seen.
	// +optional
	Status KafkaTopicStatus `json:"status,omitempty"`
}

// KafkaTopicSpec is the desired state of a KafkaTopic.
type KafkaTopicSpec struct {
	ServiceDependantSpec `json:",inline"`

	// TopicName is the name of the topic. The default is the name of the object. It
	// cannot be changed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=249
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"
	// +optional
	TopicName string `json:"topicName,omitempty"`

	// Partitions is the number of partitions. It can grow, not shrink.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Partitions int64 `json:"partitions"`

	// Replication is the number of replicas of every partition.
	// +kubebuilder:validation:Minimum=2
	Replication int64 `json:"replication"`

	// Tags are attached to the topic, and no others are. Left out, the topic keeps the
	// tags that it has.
	// +listType=atomic
	// +optional
	Tags []KafkaTopicTag `json:"tags,omitzero"`

	// Config holds the settings of the topic. What is left out follows the service. A
	// setting that is removed keeps its value, since Aiven has no way to reset it; the
	// condition Ready says so.
	// +optional
	Config *KafkaTopicConfig `json:"config,omitempty"`

	// TerminationProtection keeps the operator from deleting the topic while it is
	// true. Aiven itself knows no such protection.
	// +optional
	TerminationProtection *bool `json:"termination_protection,omitempty"`
}

// KafkaTopicTag is a tag of a topic.
type KafkaTopicTag struct {
	// Key of the tag.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_-]+$`
	Key string `json:"key"`

	// Value of the tag.
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_-]+$`
	// +optional
	Value string `json:"value,omitempty"`
}

// KafkaTopicConfig holds the settings of a topic, named as Aiven names them.
type KafkaTopicConfig struct {
	// CleanupPolicy is what happens to old records: delete, compact or both.
	// +optional
	CleanupPolicy string `json:"cleanup_policy,omitempty"`

	// CompressionType is the compression of the topic's data: a codec, producer or
	// uncompressed.
	// +optional
	CompressionType string `json:"compression_type,omitempty"`

	// DeleteRetentionMs is how long delete markers are kept in a compacted topic,
	// in milliseconds.
	// +optional
	DeleteRetentionMs *int64 `json:"delete_retention_ms,omitempty"`

	// DisklessEnable stores the topic's data in object storage only. It takes
	// effect when the topic is created.
	// +optional
	DisklessEnable *bool `json:"diskless_enable,omitempty"`

	// FileDeleteDelayMs is the wait before a deleted segment file is removed, in
	// milliseconds.
	// +optional
	FileDeleteDelayMs *int64 `json:"file_delete_delay_ms,omitempty"`

	// FlushMessages is the number of records after which data is forced to disk.
	// +optional
	FlushMessages *int64 `json:"flush_messages,omitempty"`

	// FlushMs is the time after which data is forced to disk, in milliseconds.
	// +optional
	FlushMs *int64 `json:"flush_ms,omitempty"`

	// IndexIntervalBytes is the amount of data between two entries of the offset
	// index, in bytes.
	// +optional
	IndexIntervalBytes *int64 `json:"index_interval_bytes,omitempty"`

	// LocalRetentionBytes is how much of a tiered partition is kept on local
	// disks, in bytes; -2 means as much as retention_bytes.
	// +optional
	LocalRetentionBytes *int64 `json:"local_retention_bytes,omitempty"`

	// LocalRetentionMs is how long segments of a tiered topic are kept on local
	// disks, in milliseconds; -2 means as long as retention_ms.
	// +optional
	LocalRetentionMs *int64 `json:"local_retention_ms,omitempty"`

	// MaxCompactionLagMs is the longest time that a record may stay uncompacted,
	// in milliseconds.
	// +optional
	MaxCompactionLagMs *int64 `json:"max_compaction_lag_ms,omitempty"`

	// MaxMessageBytes is the largest batch of records that the topic accepts, in
	// bytes.
	// +optional
	MaxMessageBytes *int64 `json:"max_message_bytes,omitempty"`

	// MessageDownconversionEnable lets brokers convert records to an older format
	// for older consumers.
	// +optional
	MessageDownconversionEnable *bool `json:"message_downconversion_enable,omitempty"`

	// MessageFormatVersion is the record format that brokers write.
	// +optional
	MessageFormatVersion string `json:"message_format_version,omitempty"`

	// MessageTimestampDifferenceMaxMs is the largest accepted difference between a
	// record's timestamp and the broker's clock, in milliseconds.
	// +optional
	MessageTimestampDifferenceMaxMs *int64 `json:"message_timestamp_difference_max_ms,omitempty"`

	// MessageTimestampType is what a record's timestamp means: CreateTime or
	// LogAppendTime.
	// +optional
	MessageTimestampType string `json:"message_timestamp_type,omitempty"`

	// MinCleanableDirtyRatio is the share of uncompacted data at which compaction
	// starts, from 0 to 1.
	// +optional
	MinCleanableDirtyRatio *float64 `json:"min_cleanable_dirty_ratio,omitempty"`

	// MinCompactionLagMs is the shortest time that a record stays uncompacted, in
	// milliseconds.
	// +optional
	MinCompactionLagMs *int64 `json:"min_compaction_lag_ms,omitempty"`

	// MinInsyncReplicas is the number of replicas that must confirm a write made
	// with acks=all.
	// +optional
	MinInsyncReplicas *int64 `json:"min_insync_replicas,omitempty"`

	// Preallocate reserves the space of a segment file when it is created.
	// +optional
	Preallocate *bool `json:"preallocate,omitempty"`

	// RemoteStorageEnable moves old segments to object storage, where the service
	// has tiered storage.
	// +optional
	RemoteStorageEnable *bool `json:"remote_storage_enable,omitempty"`

	// RetentionBytes is the size at which old segments of a partition are removed,
	// in bytes; -1 means never.
	// +optional
	RetentionBytes *int64 `json:"retention_bytes,omitempty"`

	// RetentionMs is the age at which segments are removed, in milliseconds; -1
	// means never.
	// +optional
	RetentionMs *int64 `json:"retention_ms,omitempty"`

	// SegmentBytes is the size of a segment file, in bytes.
	// +optional
	SegmentBytes *int64 `json:"segment_bytes,omitempty"`

	// SegmentIndexBytes is the size of a segment's offset index, in bytes.
	// +optional
	SegmentIndexBytes *int64 `json:"segment_index_bytes,omitempty"`

	// SegmentJitterMs is the largest random amount taken off segment_ms, in
	// milliseconds, so that segments do not all roll at once.
	// +optional
	SegmentJitterMs *int64 `json:"segment_jitter_ms,omitempty"`

	// SegmentMs is the age at which a new segment is begun, in milliseconds.
	// +optional
	SegmentMs *int64 `json:"segment_ms,omitempty"`

	// UncleanLeaderElectionEnable lets a replica that lags behind become leader,
	// at the price of lost records.
	// +optional
	UncleanLeaderElectionEnable *bool `json:"unclean_leader_election_enable,omitempty"`
}

// KafkaTopicStatus is the observed state of a KafkaTopic.
type KafkaTopicStatus struct {
	CommonStatus   `json:",inline"`
	SettingsStatus `json:",inline"`

	// State that Aiven reports: ACTIVE, CONFIGURING or DELETING.
	// +optional
	State string `json:"state,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
// +kubebuilder:object:root=true

// KafkaTopicList is a list of KafkaTopic objects.
type KafkaTopicList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []KafkaTopic `json:"items"`
}

var _ Object = &KafkaTopic{}

// Conditions implements Object.
func (in *KafkaTopic) Conditions() *[]metav1.Condition { return &in.Status.Conditions }

// ObservedGeneration implements Object.
func (in *KafkaTopic) ObservedGeneration() *int64 { return &in.Status.ObservedGeneration }

// Adopted implements Object.
func (in *KafkaTopic) Adopted() *bool { return &in.Status.Adopted }

// AuthSecret implements Object.
func (in *KafkaTopic) AuthSecret() *AuthSecretReference { return in.Spec.AuthSecretRef }

// ServiceRef implements Object.
func (in *KafkaTopic) ServiceRef() (project, service string) {
	return in.Spec.Project, in.Spec.ServiceName
}

// RemoteName implements Object: the name of the topic at Aiven.
func (in *KafkaTopic) RemoteName() string { return firstNonEmpty(in.Spec.TopicName, in.Name) }
