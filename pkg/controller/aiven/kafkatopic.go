// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aiven/go-client-codegen/handler/kafkatopic"
	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// kafkaTopic handles KafkaTopic objects.
type kafkaTopic struct{}

func (kafkaTopic) Observe(_ context.Context, r *remote, obj *v1alpha1.KafkaTopic) (reconcile.Observation, error) {
	view, err := r.host(obj)
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
	differs, err := topicDiffers(&obj.Spec, topic)
	if err != nil {
		return reconcile.Observation{}, err
	}
	obs := reconcile.Observation{Exists: true, Ready: topic.State == kafkatopic.TopicStateTypeActive, Differs: differs}
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

// topicDiffers names the settings in which a topic is not what the spec says.
// Settings that the spec leaves out are the service's business.
func topicDiffers(spec *v1alpha1.KafkaTopicSpec, topic *aiven.Topic) ([]string, error) {
	var differs []string
	if int(spec.Partitions) != topic.Partitions {
		differs = append(differs, "partitions")
	}
	if int(spec.Replication) != topic.Replication {
		differs = append(differs, "replication")
	}
	if !slices.Equal(sortedTags(spec.Tags, func(t v1alpha1.KafkaTopicTag) [2]string { return [2]string{t.Key, t.Value} }),
		sortedTags(topic.Tags, func(t kafkatopic.TagOut) [2]string { return [2]string{t.Key, t.Value} })) {
		differs = append(differs, "tags")
	}
	if spec.Config == nil || !topic.Config.Known() {
		return differs, nil
	}
	want, err := asMap(spec.Config)
	if err != nil {
		return nil, err
	}
	got, err := topic.Config.Values()
	if err != nil {
		return nil, err
	}
	for key, value := range want {
		if shown, ok := got[key]; !ok || shown != value {
			differs = append(differs, "config."+key)
		}
	}
	slices.Sort(differs)
	return differs, nil
}

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

func topicTags(spec *v1alpha1.KafkaTopicSpec) *[]kafkatopic.TagIn {
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
	return err
}

func (kafkaTopic) Update(ctx context.Context, r *remote, obj *v1alpha1.KafkaTopic) error {
	config, err := topicConfig(&obj.Spec)
	if err != nil {
		return err
	}
	return r.kafkaTopics().ServiceKafkaTopicUpdate(ctx, obj.Spec.Project, obj.Spec.ServiceName, obj.RemoteName(), &kafkatopic.ServiceKafkaTopicUpdateIn{
		Partitions:  toInt(&obj.Spec.Partitions),
		Replication: toInt(&obj.Spec.Replication),
		Tags:        topicTags(&obj.Spec),
		Config:      config,
	})
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
