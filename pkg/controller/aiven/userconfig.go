// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
)

// createOnly are the settings that Aiven accepts only when it creates a service, a
// fork's source among them. It need not show them.
var createOnly = [...]settingPath{
	{"admin_password"}, {"admin_username"}, {"custom_code"}, {"flink_version"}, {"inkless", "enabled"}, {"mysql", "lower_case_table_names"},
	{"pg_service_to_fork_from"}, {"project_to_fork_from"}, {"recovery_target_time"}, {"service_to_fork_from"},
}

// withoutCreateOnly returns a user configuration for a service that exists.
func withoutCreateOnly(config map[string]any) map[string]any {
	for _, path := range createOnly {
		config = without(config, path)
	}
	return config
}

// without returns config without the setting at path, and without the objects that
// are empty then.
func without(config map[string]any, path settingPath) map[string]any {
	value, ok := config[path[0]]
	if !ok {
		return config
	}
	out := maps.Clone(config)
	if len(path) == 1 {
		delete(out, path[0])
		return out
	}
	block, ok := value.(map[string]any)
	if !ok {
		return config
	}
	rest := without(block, path[1:])
	out[path[0]] = rest
	if len(rest) == 0 && len(block) > 0 {
		delete(out, path[0])
	}
	return out
}

// removedSettings returns what has to be reset when the settings in before were
// given and config is the configuration now. Of a block that is wholly gone it is
// just the block, since some can't do without some of their settings.
func removedSettings(before []settingPath, config map[string]any) []settingPath {
	var removed []settingPath
	for _, path := range before {
		if prefix := missing(config, path); prefix != nil &&
			!slices.ContainsFunc(removed, func(p settingPath) bool { return slices.Equal(p, prefix) }) {
			removed = append(removed, prefix)
		}
	}
	return removed
}

// missing returns the first part of path that config does not have, nil if it has
// something there, or another value in place of an object around it.
func missing(config map[string]any, path settingPath) settingPath {
	for i, name := range path {
		// Earlier versions recorded a name with dots as if it were several.
		if _, ok := config[path[i:].String()]; ok {
			return nil
		}
		value, ok := config[name]
		if !ok {
			return path[:i+1]
		}
		if config, ok = value.(map[string]any); !ok {
			return nil
		}
	}
	return nil
}

// withResets returns a user configuration that also resets settings: null returns
// one to its default.
func withResets(config map[string]any, paths []settingPath) map[string]any {
	if len(paths) == 0 {
		return config
	}
	out := maps.Clone(config)
	if out == nil {
		out = map[string]any{}
	}
	for _, path := range paths {
		if len(path) == 1 {
			out[path[0]] = nil
			continue
		}
		inner, _ := out[path[0]].(map[string]any)
		out[path[0]] = withResets(inner, []settingPath{path[1:]})
	}
	return out
}

// configDiffers returns the paths of settings in want that have another value in
// got. Settings that only got has are defaults, or somebody else's.
func configDiffers(want, got map[string]any, given givenSettings) []settingPath {
	var paths []settingPath
	eachSetting(want, nil, func(path settingPath, value any) {
		shown := lookup(got, path)
		if shown == nil && isEmptyList(value) {
			// Aiven may show an empty list as none, but none that was never set is
			// another thing: the default.
			if !given.has(path) {
				paths = append(paths, path)
			}
			return
		}
		if !settingEqual(value, shown) || given.lost(path, value) {
			paths = append(paths, path)
		}
	})
	return paths
}

func isEmptyList(value any) bool {
	list, ok := value.([]any)
	return ok && len(list) == 0
}

// lookup returns the value at path, nil if there is none.
func lookup(config map[string]any, path settingPath) any {
	for _, name := range path[:len(path)-1] {
		config, _ = config[name].(map[string]any)
	}
	return config[path[len(path)-1]]
}

// settingEqual compares two settings. Aiven answers with an entry of a list in
// the short form or with its default fields filled in, so entries compare by
// what the spec says of them.
func settingEqual(want, got any) bool {
	wantList, isList := want.([]any)
	if gotList, ok := got.([]any); ok && isList {
		return slices.EqualFunc(wantList, gotList, settingEqual)
	}
	wantMap, ok := want.(map[string]any)
	if !ok {
		return scalarEqual(want, got)
	}
	if short, ok := got.(string); ok {
		// An IP filter entry without a description.
		return len(wantMap) == 1 && wantMap["network"] == short
	}
	gotMap, ok := got.(map[string]any)
	if !ok {
		return false
	}
	for name, value := range wantMap {
		if !settingEqual(value, gotMap[name]) {
			return false
		}
	}
	return true
}

// scalarEqual compares what is neither an object nor a list. What Aiven shows has
// been through floats, so numbers compare as floats.
func scalarEqual(want, got any) bool {
	if a, ok := asFloat(want); ok {
		b, ok := asFloat(got)
		return ok && a == b
	}
	return reflect.DeepEqual(want, got)
}

func asFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	case float64:
		return n, true
	}
	return 0, false
}
