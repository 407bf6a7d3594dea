// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"fmt"
	"slices"
	"strings"
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

// BenchmarkTopicDiffers is one look at a topic whose thirty settings Aiven shows.
func BenchmarkTopicDiffers(b *testing.B) {
	var text strings.Builder
	for i := range 28 {
		fmt.Fprintf(&text, `"setting_%d": {"source": "default_config", "value": %d, "synonyms": [{"name": "log.setting.%d", "source": "default_config", "value": %d}]}, `, i, i, i, i)
	}
	config := aiven.NewTopicConfig([]byte(`{` + text.String() + `"retention_ms": {"value": 1000}, "cleanup_policy": {"value": "delete"}}`))
	topic := aiven.Topic{Partitions: 3, Replication: 2, Config: config}
	spec := v1alpha1.KafkaTopicSpec{
		Partitions: 3, Replication: 2,
		Config: &v1alpha1.KafkaTopicConfig{RetentionMs: new(int64(1000)), CleanupPolicy: "delete"},
	}
	b.ReportAllocs()
	for b.Loop() {
		if differs, err := topicDiffers(&spec, &topic); err != nil || len(differs) > 0 {
			b.Fatal(differs, err)
		}
	}
}
