// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"slices"
	"testing"

	"github.com/aiven/go-client-codegen/handler/kafkatopic"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

func TestTopicDiffers(t *testing.T) {
	config := aiven.NewTopicConfig([]byte(`{
		"retention_ms": {"source": "topic_config", "value": 1000},
		"cleanup_policy": {"source": "default_config", "value": "delete"},
		"min_cleanable_dirty_ratio": {"source": "default_config", "value": 0.5}
	}`))
	topic := aiven.Topic{Partitions: 3, Replication: 2, Tags: []kafkatopic.TagOut{{Key: "b", Value: "2"}, {Key: "a", Value: "1"}}, Config: config}
	same := v1alpha1.KafkaTopicSpec{Partitions: 3, Replication: 2, Tags: []v1alpha1.KafkaTopicTag{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}}

	tests := map[string]struct {
		change func(*v1alpha1.KafkaTopicSpec)
		want   []string
	}{
		"same":        {change: func(*v1alpha1.KafkaTopicSpec) {}},
		"partitions":  {change: func(s *v1alpha1.KafkaTopicSpec) { s.Partitions = 4 }, want: []string{"partitions"}},
		"replication": {change: func(s *v1alpha1.KafkaTopicSpec) { s.Replication = 3 }, want: []string{"replication"}},
		"tag":         {change: func(s *v1alpha1.KafkaTopicSpec) { s.Tags = s.Tags[:1] }, want: []string{"tags"}},
		"same config": {change: func(s *v1alpha1.KafkaTopicSpec) {
			s.Config = &v1alpha1.KafkaTopicConfig{RetentionMs: new(int64(1000)), CleanupPolicy: "delete", MinCleanableDirtyRatio: new(0.5)}
		}},
		"other config": {change: func(s *v1alpha1.KafkaTopicSpec) {
			s.Config = &v1alpha1.KafkaTopicConfig{RetentionMs: new(int64(2000)), CleanupPolicy: "compact"}
		}, want: []string{"config.cleanup_policy", "config.retention_ms"}},
		"config that is not reported": {change: func(s *v1alpha1.KafkaTopicSpec) {
			s.Config = &v1alpha1.KafkaTopicConfig{Preallocate: new(true)}
		}, want: []string{"config.preallocate"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			spec := *same.DeepCopy()
			tt.change(&spec)
			got, err := topicDiffers(&spec, &topic)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("differs in %q, want %q", got, tt.want)
			}
		})
	}
}
