// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"unique"

	"github.com/aiven/go-client-codegen/handler/kafkatopic"
)

// topicPage is how many topics one request for configurations names.
const topicPage = 200

// Topic is a Kafka topic without what changes with every message in it.
type Topic struct {
	Name             string
	State            kafkatopic.TopicStateType
	Partitions       int
	Replication      int
	Tags             []kafkatopic.TagOut
	Description      string
	OwnerUserGroupID string
	// Config is unknown while Aiven lists the topic and does not describe it yet.
	Config TopicConfig

	// unread stands for a topic that was written and not read since.
	unread bool
}

// TopicConfig is what Aiven says of a topic's settings. As most topics of a
// service have the same ones, each text is kept once; decoded, the thirty
// settings of a topic would take more memory than all else about it.
type TopicConfig struct {
	text unique.Handle[string]
}

// NewTopicConfig returns the settings in an answer: a JSON object of objects,
// each with its value.
func NewTopicConfig(text []byte) TopicConfig {
	return TopicConfig{text: unique.Make(string(text))}
}

// Known is false for the zero value.
func (c TopicConfig) Known() bool { return c != TopicConfig{} }

// Values returns the settings by name.
func (c TopicConfig) Values() (map[string]any, error) {
	if !c.Known() {
		return nil, nil
	}
	var settings map[string]struct {
		Value any `json:"value"`
	}
	if err := json.Unmarshal([]byte(c.text.Value()), &settings); err != nil {
		return nil, fmt.Errorf("decode the settings of a topic: %w", err)
	}
	out := make(map[string]any, len(settings))
	for name, s := range settings {
		out[name] = s.Value
	}
	return out, nil
}

// topicsFacet reads all topics of a service: the list, and the configurations
// in pages. While topics are created one after another it reads the list and the
// configurations of the new ones: reading all for each would grow with the
// square of their number.
type topicsFacet struct{}

func (topicsFacet) fetch(ctx context.Context, d Doer, key entryKey, known snapshot) (snapshot, error) {
	topics := kafkatopic.NewHandler(d)
	list, err := topics.ServiceKafkaTopicList(ctx, key.project, key.service)
	if ClassOf(err) == NotFound {
		return &topicsSnapshot{}, nil
	}
	if err != nil {
		return nil, err
	}
	items := make([]*Topic, 0, len(list))
	names := make([]string, 0, len(list))
	for i := range list {
		t := &list[i]
		item := &Topic{
			Name:             t.TopicName,
			State:            t.State,
			Partitions:       t.Partitions,
			Replication:      t.Replication,
			Tags:             t.Tags,
			Description:      t.TopicDescription,
			OwnerUserGroupID: t.OwnerUserGroupId,
		}
		items = append(items, item)
		if !item.describedBy(known) {
			names = append(names, t.TopicName)
		}
	}
	found := newSet(items, func(t *Topic) string { return t.Name })
	for page := range slices.Chunk(names, topicPage) {
		if err := describe(ctx, d, key, page, found); err != nil {
			return nil, err
		}
	}
	return &topicsSnapshot{ofService: true, topics: found}, nil
}

// describedBy takes the settings from the same topic in known, if they are there
// and nothing is on its way.
func (t *Topic) describedBy(known snapshot) bool {
	s, ok := known.(*topicsSnapshot)
	if !ok {
		return false
	}
	was := s.topics.get(t.Name)
	if was == nil || was.unread || !was.Config.Known() || t.State != kafkatopic.TopicStateTypeActive {
		return false
	}
	described := *t
	described.Config = was.Config
	if !reflect.DeepEqual(&described, was) {
		return false
	}
	t.Config = was.Config
	return true
}

// describe adds the settings of the named topics. It takes them from the answer
// as they are, which the typed call would decode.
func describe(ctx context.Context, d Doer, key entryKey, names []string, topics *set[Topic]) error {
	path := fmt.Sprintf("/v2/project/%s/service/%s/topic", url.PathEscape(key.project), url.PathEscape(key.service))
	answer, err := d.Do(ctx, "ServiceKafkaTopicListV2", http.MethodPost, path, &kafkatopic.ServiceKafkaTopicListV2In{TopicNames: names})
	if err != nil {
		return err
	}
	var out struct {
		Topics []struct {
			Name   string          `json:"topic_name"`
			Config json.RawMessage `json:"config"`
		} `json:"topics"`
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return err
	}
	for _, described := range out.Topics {
		if t := topics.get(described.Name); t != nil && len(described.Config) > 0 {
			t.Config = NewTopicConfig(described.Config)
		}
	}
	return nil
}

// concerns: creating, changing and deleting the service or a topic; everything
// else inside a service leaves topics alone.
func (topicsFacet) concerns(w *write, key entryKey, _ snapshot) bool {
	return w.project == key.project && slices.Contains(w.services, key.service) &&
		(w.about() == "" || w.about() == "topic")
}

// fold: no answer carries a topic. But a write of one topic says nothing about
// the others, so that only the readers of that one have to wait for a fetch.
func (topicsFacet) fold(w *write, _ []byte) change {
	name := topicOf(w)
	if name == "" {
		return nil
	}
	return func(now snapshot) (snapshot, []part) {
		s := *now.(*topicsSnapshot)
		if !s.ofService {
			return now, nil
		}
		s.topics = s.topics.with(name, &Topic{Name: name, unread: true})
		s.unread = true
		return &s, []part{{partTopic, name}, {partTopics, ""}}
	}
}

// topicOf returns the name of the one topic that a write is about, if it is.
func topicOf(w *write) string {
	if w.about() != "topic" {
		return ""
	}
	if len(w.rest) > 1 {
		return w.rest[1]
	}
	if in, ok := w.in.(*kafkatopic.ServiceKafkaTopicCreateIn); ok && in != nil {
		return in.TopicName
	}
	return ""
}

type topicsSnapshot struct {
	ofService bool // that exists
	topics    *set[Topic]
	// unread is set if a topic is.
	unread bool
}

const (
	partExists = "exists"
	partTopic  = "topic"
	partTopics = "topics"
)

func (s *topicsSnapshot) identity(p part) any {
	switch p.kind {
	case partExists:
		return s.ofService
	case partTopic:
		return s.topics.get(p.name)
	default:
		return s.topics
	}
}

func (s *topicsSnapshot) settled() bool {
	for _, t := range s.topics.all() {
		if t.State != kafkatopic.TopicStateTypeActive || !t.Config.Known() {
			return false
		}
	}
	return true
}

func (s *topicsSnapshot) exists() bool   { return s.ofService }
func (s *topicsSnapshot) complete() bool { return !s.unread }

func (s *topicsSnapshot) adopt(earlier snapshot) {
	s.topics = s.topics.adopt(earlier.(*topicsSnapshot).topics)
}
