// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	codegen "github.com/aiven/go-client-codegen/handler/kafkatopic"
)

// topicDefaults are the broker's values of the topic configuration (Apache
// Kafka's documented defaults). The map is
// made once and read-only.
var topicDefaults = sync.OnceValue(func() map[string]any {
	return map[string]any{
		"cleanup_policy":                      "delete",
		"compression_type":                    "producer",
		"delete_retention_ms":                 float64(86400000),
		"file_delete_delay_ms":                float64(60000),
		"flush_messages":                      float64(math.MaxInt64),
		"flush_ms":                            float64(math.MaxInt64),
		"index_interval_bytes":                float64(4096),
		"local_retention_bytes":               float64(-2),
		"local_retention_ms":                  float64(-2),
		"max_compaction_lag_ms":               float64(math.MaxInt64),
		"max_message_bytes":                   float64(1048588),
		"message_downconversion_enable":       true,
		"message_format_version":              "3.0-IV1",
		"message_timestamp_after_max_ms":      float64(math.MaxInt64),
		"message_timestamp_before_max_ms":     float64(math.MaxInt64),
		"message_timestamp_difference_max_ms": float64(math.MaxInt64),
		"message_timestamp_type":              "CreateTime",
		"min_cleanable_dirty_ratio":           0.5,
		"min_compaction_lag_ms":               float64(0),
		"min_insync_replicas":                 float64(1),
		"preallocate":                         false,
		"remote_storage_enable":               false,
		"retention_bytes":                     float64(-1),
		"retention_ms":                        float64(604800000),
		"segment_bytes":                       float64(209715200),
		"segment_index_bytes":                 float64(10485760),
		"segment_jitter_ms":                   float64(0),
		"segment_ms":                          float64(604800000),
		"unclean_leader_election_enable":      false,
	}
})

// configEntry is one value of a topic's configuration as the API shows it.
type configEntry struct {
	Source   string          `json:"source"`
	Synonyms []configSynonym `json:"synonyms,omitempty"`
	Value    json.RawMessage `json:"value"`
}

type configSynonym struct {
	Name   string          `json:"name"`
	Source string          `json:"source"`
	Value  json.RawMessage `json:"value"`
}

// configView shows every key with where its value comes from, as Kafka does: a
// key that was set has the topic's value first and the default as a synonym.
func configView(set map[string]any) map[string]configEntry {
	out := map[string]configEntry{}
	for key, fallback := range topicDefaults() {
		name := strings.ReplaceAll(key, "_", ".")
		base := configSynonym{Name: "log." + name, Source: "default_config", Value: rawValue(fallback)}
		value, ok := set[key]
		if !ok {
			out[key] = configEntry{Source: base.Source, Synonyms: []configSynonym{base}, Value: base.Value}
			continue
		}
		own := configSynonym{Name: name, Source: "topic_config", Value: rawValue(value)}
		out[key] = configEntry{Source: own.Source, Synonyms: []configSynonym{own, base}, Value: own.Value}
	}
	return out
}

// rawValue writes a configuration value. JSON numbers are kept exact: the
// largest of them do not survive a float.
func rawValue(v any) json.RawMessage {
	if f, ok := v.(float64); ok && f >= math.MaxInt64 {
		v = int64(math.MaxInt64)
	}
	if n, ok := v.(json.Number); ok {
		return json.RawMessage(n.String())
	}
	data, err := json.Marshal(v)
	if err != nil {
		panic("aivensim: topic configuration value: " + err.Error())
	}
	return data
}

// changeConfig applies the config object of a request. Null takes a key off a topic,
// which Kafka's own tools can do, and nothing is known of the API that does.
func changeConfig(current map[string]any, raw json.RawMessage, fromAPI bool) (map[string]any, error) {
	next := maps.Clone(current)
	if next == nil {
		next = map[string]any{}
	}
	if len(raw) == 0 || string(raw) == "null" {
		return next, nil
	}
	known := topicDefaults()
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	var in map[string]any
	if err := dec.Decode(&in); err != nil {
		return nil, badRequest("Invalid 'config': %v", err)
	}
	for _, key := range slices.Sorted(maps.Keys(in)) {
		value := in[key]
		if _, ok := known[key]; !ok && key != "diskless_enable" {
			return nil, badRequest("Invalid 'config': Additional properties are not allowed ('%s' was unexpected)", key)
		}
		switch {
		case value == nil && fromAPI:
			return nil, badRequest("Invalid 'config.%s': null is not of the type of the setting", key)
		case value == nil:
			delete(next, key)
			continue
		}
		next[key] = value
	}
	return next, nil
}

// checkConfig refuses values out of their choices; types were checked by decode.
func checkConfig(in *codegen.ConfigIn) error {
	if in == nil {
		return nil
	}
	if err := oneOf("config.cleanup_policy", in.CleanupPolicy, codegen.CleanupPolicyTypeChoices()); err != nil {
		return err
	}
	if err := oneOf("config.compression_type", in.CompressionType, codegen.CompressionTypeChoices()); err != nil {
		return err
	}
	if err := oneOf("config.message_timestamp_type", in.MessageTimestampType, codegen.MessageTimestampTypeChoices()); err != nil {
		return err
	}
	if in.MinInsyncReplicas != nil && *in.MinInsyncReplicas < 1 {
		return badRequest("Invalid 'config.min_insync_replicas': %d is less than 1", *in.MinInsyncReplicas)
	}
	if in.RemoteStorageEnable != nil && *in.RemoteStorageEnable {
		return badRequest("Invalid 'config.remote_storage_enable': tiered storage is not enabled for the service")
	}
	if in.DisklessEnable != nil && *in.DisklessEnable {
		return badRequest("Invalid 'config.diskless_enable': diskless topics are not enabled for the service")
	}
	return nil
}

// number reads a numeric value of the effective configuration.
func (t *Topic) number(key string) int {
	value, ok := t.Config[key]
	if !ok {
		value = topicDefaults()[key]
	}
	switch v := value.(type) {
	case json.Number:
		n, err := v.Int64()
		if err == nil {
			return int(n)
		}
	case float64:
		return int(v)
	}
	return 0
}
