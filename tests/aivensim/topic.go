// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	codegen "github.com/aiven/go-client-codegen/handler/kafkatopic"
)

// Topic is a Kafka topic.
type Topic struct {
	Name        string
	Partitions  int
	Replication int
	// Config holds what was set; the rest has the broker's defaults.
	Config      map[string]any
	Tags        []TopicTag
	Description string
	OwnerGroup  string
	State       string

	visibleAt time.Time
	activeAt  time.Time
}

// TopicTag is a label of a topic.
type TopicTag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func topicRoutes() []route {
	const pattern = servicePattern + "/topic"
	return []route{
		{operation: "ServiceKafkaTopicList", method: http.MethodGet, pattern: pattern, handle: (*call).topicList},
		{operation: "ServiceKafkaTopicCreate", method: http.MethodPost, pattern: pattern, handle: (*call).topicCreate},
		{operation: "ServiceKafkaTopicGet", method: http.MethodGet, pattern: pattern + "/{topic_name}", handle: (*call).topicGet},
		{operation: "ServiceKafkaTopicUpdate", method: http.MethodPut, pattern: pattern + "/{topic_name}", handle: (*call).topicUpdate},
		{operation: "ServiceKafkaTopicDelete", method: http.MethodDelete, pattern: pattern + "/{topic_name}", handle: (*call).topicDelete},
		{operation: "ServiceKafkaTopicListV2", method: http.MethodPost, reads: true,
			pattern: "/v2/project/{project}/service/{service_name}/topic", handle: (*call).topicListV2},
	}
}

const (
	topicActive      = "ACTIVE"
	topicConfiguring = "CONFIGURING"
	maxPartitions    = 1_000_000
)

func (t *Topic) settle(now time.Time) {
	if t.State == topicConfiguring && !now.Before(t.activeAt) {
		t.State = topicActive
	}
}

// kafka refuses what a topic operation needs: the type and a running service.
func (c *call) kafka() error {
	if err := c.only("kafka"); err != nil {
		return err
	}
	return c.service.writable()
}

// topic returns the topic of a name if it has shown up already.
func (c *call) topic(name string) (*Topic, error) {
	for _, t := range c.service.Topics {
		if t.Name == name && !c.now.Before(t.visibleAt) {
			t.settle(c.now)
			return t, nil
		}
	}
	return nil, notFound("Topic '%s' not found", name)
}

// summary is a topic as lists show it.
func (t *Topic) summary() map[string]any {
	view := t.common()
	view["partitions"] = t.Partitions
	view["remote_storage_enable"] = false
	return view
}

func (t *Topic) common() map[string]any {
	retention := t.number("retention_ms")
	if retention > 0 {
		retention /= int(time.Hour / time.Millisecond)
	}
	policy, ok := t.Config["cleanup_policy"]
	if !ok {
		policy = "delete"
	}
	tags := t.Tags
	if tags == nil {
		tags = []TopicTag{}
	}
	return map[string]any{
		"topic_name": t.Name, "state": t.State, "replication": t.Replication, "tags": tags,
		"cleanup_policy": policy, "min_insync_replicas": t.number("min_insync_replicas"),
		"retention_bytes": t.number("retention_bytes"), "retention_hours": retention,
		"topic_description": t.Description, "owner_user_group_id": nullable(t.OwnerGroup),
	}
}

// detail is a topic with its partitions and configuration.
func (t *Topic) detail() map[string]any {
	partitions := []any{}
	for i := range t.Partitions {
		partitions = append(partitions, map[string]any{
			"partition": i, "isr": t.Replication, "earliest_offset": 0, "latest_offset": 0, "size": 0,
			"consumer_groups": []any{}, "share_groups": []any{},
		})
	}
	view := t.common()
	view["partitions"], view["config"] = partitions, configView(t.Config)
	return view
}

func (c *call) topicList() (any, error) {
	if err := c.kafka(); err != nil {
		return nil, err
	}
	return map[string]any{"topics": c.service.topicViews(c.now)}, nil
}

// topicViews lists the topics that have shown up.
func (sv *Service) topicViews(now time.Time) []any {
	out := []any{}
	for _, t := range sv.Topics {
		if t.settle(now); !now.Before(t.visibleAt) {
			out = append(out, t.summary())
		}
	}
	return out
}

func (c *call) topicListV2() (any, error) {
	var in codegen.ServiceKafkaTopicListV2In
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if in.TopicNames == nil {
		return nil, badRequest("'topic_names' is a required property")
	}
	if err := c.kafka(); err != nil {
		return nil, err
	}
	out := []any{}
	for _, name := range in.TopicNames {
		t, err := c.topic(name)
		if err != nil {
			return nil, err
		}
		out = append(out, t.detail())
	}
	return map[string]any{"topics": out}, nil
}

func (c *call) topicGet() (any, error) {
	if err := c.kafka(); err != nil {
		return nil, err
	}
	t, err := c.topic(c.vars["topic_name"])
	if err != nil {
		return nil, err
	}
	return map[string]any{"topic": t.detail()}, nil
}

// topicChange is what creation and update have in common.
type topicChange struct {
	config            *codegen.ConfigIn
	raw               json.RawMessage
	partitions        *int
	replication       *int
	minInsyncReplicas *int
	retentionBytes    *int
	retentionHours    *int
	tags              *[]codegen.TagIn
	description       *string
	owner             *string
	// fromAPI is false for what Kafka's own tools do.
	fromAPI bool
}

func (ch topicChange) apply(sv *Service, t *Topic) error {
	if err := checkConfig(ch.config); err != nil {
		return err
	}
	config, err := changeConfig(t.Config, ch.raw, ch.fromAPI)
	if err != nil {
		return err
	}
	for key, value := range map[string]*int{"min_insync_replicas": ch.minInsyncReplicas, "retention_bytes": ch.retentionBytes} {
		if value != nil {
			config[key] = float64(*value)
		}
	}
	if ch.retentionHours != nil {
		config["retention_ms"] = float64(*ch.retentionHours) * float64(time.Hour/time.Millisecond)
	}
	t.Config = config
	if ch.partitions != nil {
		if *ch.partitions < t.Partitions {
			return badRequest("Invalid 'partitions': the number of partitions cannot be reduced from %d to %d", t.Partitions, *ch.partitions)
		}
		t.Partitions = *ch.partitions
	}
	if ch.replication != nil {
		t.Replication = *ch.replication
	}
	if t.Partitions < 1 || t.Partitions > maxPartitions {
		return badRequest("Invalid 'partitions': %d is not between 1 and %d", t.Partitions, maxPartitions)
	}
	if nodes := sv.kind.planNodes(sv.Plan); t.Replication < 1 || t.Replication > nodes {
		return badRequest("Invalid 'replication': %d is not between 1 and the %d nodes of the service", t.Replication, nodes)
	}
	if ch.tags != nil {
		t.Tags = nil
		for _, tag := range *ch.tags {
			t.Tags = append(t.Tags, TopicTag(tag))
		}
	}
	if ch.description != nil {
		t.Description = *ch.description
	}
	if ch.owner != nil {
		t.OwnerGroup = *ch.owner
	}
	return nil
}

func (c *call) topicCreate() (any, error) {
	var in codegen.ServiceKafkaTopicCreateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := required("topic_name", in.TopicName); err != nil {
		return nil, err
	}
	if err := checkKafkaName(in.TopicName); err != nil {
		return nil, err
	}
	if err := oneOf("cleanup_policy", in.CleanupPolicy, codegen.CleanupPolicyTypeChoices()); err != nil {
		return nil, err
	}
	if err := c.kafka(); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(c.service.Topics, func(t *Topic) bool { return t.Name == in.TopicName }) {
		return nil, conflict("Topic '%s' already exists", in.TopicName)
	}
	t := &Topic{
		Name: in.TopicName, Partitions: 1, Replication: min(3, c.service.kind.planNodes(c.service.Plan)), State: topicConfiguring,
		visibleAt: deadline(c.now, c.server.timing.TopicVisible), activeAt: deadline(c.now, c.server.timing.TopicActive),
		Config: map[string]any{},
	}
	if in.CleanupPolicy != "" {
		t.Config["cleanup_policy"] = string(in.CleanupPolicy)
	}
	change := topicChange{
		config: in.Config, raw: presentFields(c.body)["config"], replication: in.Replication,
		minInsyncReplicas: in.MinInsyncReplicas, retentionBytes: in.RetentionBytes, retentionHours: in.RetentionHours,
		tags: in.Tags, description: in.TopicDescription, owner: in.OwnerUserGroupId, fromAPI: c.token != nil,
	}
	if in.Partitions != nil {
		t.Partitions = *in.Partitions
	}
	if err := change.apply(c.service, t); err != nil {
		return nil, err
	}
	t.settle(c.now)
	c.service.Topics = append(c.service.Topics, t)
	c.log("service_topic_create", c.service.Name, "Created topic %s", t.Name)
	return message("created"), nil
}

func (c *call) topicUpdate() (any, error) {
	var in codegen.ServiceKafkaTopicUpdateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := c.kafka(); err != nil {
		return nil, err
	}
	t, err := c.topic(c.vars["topic_name"])
	if err != nil {
		return nil, err
	}
	next := *t
	change := topicChange{
		config: in.Config, raw: presentFields(c.body)["config"], partitions: in.Partitions, replication: in.Replication,
		minInsyncReplicas: in.MinInsyncReplicas, retentionBytes: in.RetentionBytes, retentionHours: in.RetentionHours,
		tags: in.Tags, description: in.TopicDescription, owner: in.OwnerUserGroupId, fromAPI: c.token != nil,
	}
	if err := change.apply(c.service, &next); err != nil {
		return nil, err
	}
	*t = next
	c.log("service_topic_update", c.service.Name, "Updated topic %s", t.Name)
	return message("updated"), nil
}

func (c *call) topicDelete() (any, error) {
	if err := c.kafka(); err != nil {
		return nil, err
	}
	t, err := c.topic(c.vars["topic_name"])
	if err != nil {
		return nil, err
	}
	c.service.Topics = slices.DeleteFunc(c.service.Topics, func(o *Topic) bool { return o == t })
	c.log("service_topic_delete", c.service.Name, "Deleted topic %s", t.Name)
	return message("deleted"), nil
}

// FinishTopic makes a new topic visible and ACTIVE at once.
func (s *Server) FinishTopic(project, service, topic string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.projects[project]; p != nil && p.services[service] != nil {
		for _, t := range p.services[service].Topics {
			if t.Name == topic {
				now := time.Now()
				t.visibleAt, t.activeAt = now, now
				t.settle(now)
				s.wake()
				return nil
			}
		}
	}
	return notFound("Topic '%s' not found", topic)
}
