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
		"no tags":     {change: func(s *v1alpha1.KafkaTopicSpec) { s.Tags = s.Tags[:0] }, want: []string{"tags"}},
		"silence":     {change: func(s *v1alpha1.KafkaTopicSpec) { s.Tags = nil }},
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
			got, err := compareTopic(&v1alpha1.KafkaTopic{Spec: spec}, &topic)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.differs, tt.want) || len(got.notes) > 0 {
				t.Errorf("differs in %q with the notes %q, want %q", got.differs, got.notes, tt.want)
			}
		})
	}
}

// A setting that leaves the spec stays as it is, since Aiven has no reset for it, and
// is reported until the spec names it again. Tags go.
func TestTopicSettingsThatLeftTheSpec(t *testing.T) {
	topic := aiven.Topic{
		Partitions: 3, Replication: 2, Tags: []kafkatopic.TagOut{{Key: "a", Value: "1"}},
		Config: aiven.NewTopicConfig([]byte(`{"retention_ms": {"value": 604800000}, "cleanup_policy": {"value": "delete"}}`)),
	}
	obj := &v1alpha1.KafkaTopic{Spec: v1alpha1.KafkaTopicSpec{Partitions: 3, Replication: 2}}
	obj.Status.Settings = []string{"config.cleanup_policy", "config.retention_ms", "tags"}
	got, err := compareTopic(obj, &topic)
	if err != nil || !slices.Equal(got.differs, []string{"tags"}) || !slices.Equal(got.resets, []string{"tags"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if note := joinNotes(got.notes...); !strings.Contains(note, "spec.config.retention_ms was removed") ||
		!strings.Contains(note, "604800000") || !strings.Contains(note, `"delete"`) {
		t.Errorf("the note is %q", note)
	}
	obj.Spec.Config = &v1alpha1.KafkaTopicConfig{RetentionMs: new(int64(604800000)), CleanupPolicy: "delete"}
	obj.Spec.Tags = []v1alpha1.KafkaTopicTag{}
	if got, err = compareTopic(obj, &topic); err != nil || len(got.notes) > 0 {
		t.Errorf("got %+v, %v", got, err)
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
	obj := &v1alpha1.KafkaTopic{Spec: v1alpha1.KafkaTopicSpec{
		Partitions: 3, Replication: 2,
		Config: &v1alpha1.KafkaTopicConfig{RetentionMs: new(int64(1000)), CleanupPolicy: "delete"},
	}}
	b.ReportAllocs()
	for b.Loop() {
		if got, err := compareTopic(obj, &topic); err != nil || len(got.differs) > 0 {
			b.Fatal(got, err)
		}
	}
}
