// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aiven/go-client-codegen/handler/kafkatopic"
	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// kafkaTopic handles KafkaTopic objects.
type kafkaTopic struct{}

func (kafkaTopic) Observe(_ context.Context, r *remote, obj *v1alpha1.KafkaTopic) (reconcile.Observation, error) {
	view, err := r.runningService(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	topics, err := r.Topics(obj.Spec.Project, obj.Spec.ServiceName)
	if err != nil {
		return reconcile.Observation{}, err
	}
	topic, ok, err := topics.Topic(obj.RemoteName())
	if err != nil {
		return reconcile.Observation{}, err
	}
	if !ok {
		obj.Status.State = ""
		// Aiven lists a new topic late.
		return reconcile.Observation{Recheck: topics.Recheck}, enoughNodes(view, obj)
	}
	obj.Status.State = string(topic.State)
	difference, err := compareTopic(obj, topic)
	if err != nil {
		return reconcile.Observation{}, err
	}
	obs := reconcile.Observation{
		Exists: true, Ready: topic.State == kafkatopic.TopicStateTypeActive,
		Differs: difference.differs, Note: joinNotes(difference.notes...),
	}
	if len(obs.Differs) == 0 {
		rememberGiven(obj, &obj.Status.SettingsStatus, difference)
	}
	if !obs.Ready {
		obs.Message = fmt.Sprintf("Topic is %s.", topic.State)
		topics.Recheck()
	}
	return obs, nil
}

// enoughNodes waits for as many brokers as the topic has replicas, or all that
// the plan has: Aiven refuses the topic before.
func enoughNodes(view *aiven.ServiceView, obj *v1alpha1.KafkaTopic) error {
	nodes := view.Nodes()
	running := 0
	for _, n := range nodes {
		if n.State == service.NodeStateTypeRunning {
			running++
		}
	}
	if want := min(int64(len(nodes)), obj.Spec.Replication); int64(running) < want {
		return reconcile.Waiting(reasonWaitingForService,
			fmt.Sprintf("%d of the %d nodes that the topic needs are running in service %s/%s.", running, want, obj.Spec.Project, obj.Spec.ServiceName))
	}
	return nil
}

// compareTopic compares a topic with the spec. Settings that the spec leaves out are
// the service's business.
func compareTopic(obj *v1alpha1.KafkaTopic, topic *aiven.Topic) (optionalFields, error) {
	spec := &obj.Spec
	fields := []optionalField{{
		name: fieldTags, named: spec.Tags != nil,
		equal: slices.Equal(sortedTags(spec.Tags, func(t v1alpha1.KafkaTopicTag) [2]string { return [2]string{t.Key, t.Value} }),
			sortedTags(topic.Tags, func(t kafkatopic.TagOut) [2]string { return [2]string{t.Key, t.Value} })),
	}}
	config, err := topicConfigFields(obj, topic)
	if err != nil {
		return optionalFields{}, err
	}
	out := compareOptional(obj.Status.Settings, append(fields, config...)...)
	var differs differences
	differs.add(int(spec.Partitions) != topic.Partitions, "partitions")
	differs.add(int(spec.Replication) != topic.Replication, "replication")
	out.differs = append(differs, out.differs...)
	return out, nil
}

// topicConfigFields compares the settings. Aiven's API has no way to take one off a
// topic.
func topicConfigFields(obj *v1alpha1.KafkaTopic, topic *aiven.Topic) ([]optionalField, error) {
	want, err := asMap(obj.Spec.Config)
	if err != nil {
		return nil, err
	}
	names := slices.Collect(maps.Keys(want))
	for _, name := range obj.Status.Settings {
		if key, ok := strings.CutPrefix(name, topicConfigPrefix); ok {
			names = append(names, key)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	slices.Sort(names)
	got, err := topic.Config.Values()
	if err != nil {
		return nil, err
	}
	var fields []optionalField
	for _, name := range slices.Compact(names) {
		value, named := want[name]
		shown, visible := got[name]
		f := optionalField{name: topicConfigPrefix + name, named: named}
		switch {
		case !topic.Config.Known():
			// It is compared once Aiven describes the topic.
			f.equal, f.kept = true, keptNote(f.name, "not shown yet")
		case !named && visible:
			f.kept = keptNote(f.name, shownValue(shown))
		default:
			f.equal = visible && settingEqual(value, shown) || !named
		}
		fields = append(fields, f)
	}
	return fields, nil
}

const topicConfigPrefix = "config."

func sortedTags[T any](tags []T, of func(T) [2]string) [][2]string {
	out := make([][2]string, 0, len(tags))
	for _, t := range tags {
		out = append(out, of(t))
	}
	slices.SortFunc(out, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	return out
}

// topicConfig converts by way of JSON: both sides use Aiven's names.
func topicConfig(spec *v1alpha1.KafkaTopicSpec) (*kafkatopic.ConfigIn, error) {
	if spec.Config == nil {
		return nil, nil
	}
	raw, err := json.Marshal(spec.Config)
	if err != nil {
		return nil, fmt.Errorf("convert topic config: %w", err)
	}
	config := new(kafkatopic.ConfigIn)
	if err := json.Unmarshal(raw, config); err != nil {
		return nil, fmt.Errorf("convert topic config: %w", err)
	}
	return config, nil
}

// topicTags is nil where the spec says nothing of tags.
func topicTags(spec *v1alpha1.KafkaTopicSpec) *[]kafkatopic.TagIn {
	if spec.Tags == nil {
		return nil
	}
	tags := make([]kafkatopic.TagIn, 0, len(spec.Tags))
	for _, t := range spec.Tags {
		tags = append(tags, kafkatopic.TagIn{Key: t.Key, Value: t.Value})
	}
	return &tags
}

func (kafkaTopic) Create(ctx context.Context, r *remote, obj *v1alpha1.KafkaTopic) error {
	config, err := topicConfig(&obj.Spec)
	if err != nil {
		return err
	}
	err = r.kafkaTopics().ServiceKafkaTopicCreate(ctx, obj.Spec.Project, obj.Spec.ServiceName, &kafkatopic.ServiceKafkaTopicCreateIn{
		TopicName:   obj.RemoteName(),
		Partitions:  toInt(&obj.Spec.Partitions),
		Replication: toInt(&obj.Spec.Replication),
		Tags:        topicTags(&obj.Spec),
		Config:      config,
	})
	if err != nil {
		return err
	}
	// A new topic has nothing from before. What it was given is remembered when it is
	// seen, with all else that is written then.
	obj.Status.Settings = nil
	return nil
}

func (kafkaTopic) Update(ctx context.Context, r *remote, obj *v1alpha1.KafkaTopic) error {
	config, err := topicConfig(&obj.Spec)
	if err != nil {
		return err
	}
	topics, err := r.Topics(obj.Spec.Project, obj.Spec.ServiceName)
	if err != nil {
		return err
	}
	topic, ok, err := topics.Topic(obj.RemoteName())
	if err != nil {
		return err
	}
	if !ok {
		return reconcile.Retryable("the topic vanished during an update")
	}
	difference, err := compareTopic(obj, topic)
	if err != nil {
		return err
	}
	in := &kafkatopic.ServiceKafkaTopicUpdateIn{
		Partitions:  toInt(&obj.Spec.Partitions),
		Replication: toInt(&obj.Spec.Replication),
		Tags:        topicTags(&obj.Spec),
		Config:      config,
	}
	if slices.Contains(difference.resets, fieldTags) {
		in.Tags = &[]kafkatopic.TagIn{}
	}
	if err := r.kafkaTopics().ServiceKafkaTopicUpdate(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.RemoteName(), in); err != nil {
		return err
	}
	rememberGiven(obj, &obj.Status.SettingsStatus, difference)
	return nil
}

func (kafkaTopic) Delete(ctx context.Context, r *remote, obj *v1alpha1.KafkaTopic) (bool, error) {
	if isTrue(obj.Spec.TerminationProtection) {
		return false, protected()
	}
	topics, err := r.Topics(obj.Spec.Project, obj.Spec.ServiceName)
	if err != nil {
		return false, err
	}
	topic, ok, err := topics.Topic(obj.RemoteName())
	if err != nil {
		return false, err
	}
	if !ok {
		return true, nil
	}
	if topic.State == kafkatopic.TopicStateTypeDeleting {
		topics.Recheck()
		return false, nil
	}
	err = r.kafkaTopics().ServiceKafkaTopicDelete(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.RemoteName())
	return false, err
}
