// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"maps"
	"slices"
	"strings"
)

// createOnly are the settings that Aiven takes when it creates a service, a fork's
// source among them, and refuses to change after that. It need not show them.
var createOnly = [...]string{
	"admin_password", "admin_username", "custom_code", "flink_version", "inkless.enabled", "mysql.lower_case_table_names",
	"pg_service_to_fork_from", "project_to_fork_from", "recovery_target_time", "service_to_fork_from",
}

// withoutCreateOnly returns a user configuration for a service that exists.
func withoutCreateOnly(userConfig map[string]any) map[string]any {
	out := maps.Clone(userConfig)
	for _, path := range createOnly {
		key, inner, nested := strings.Cut(path, ".")
		if !nested {
			delete(out, key)
			continue
		}
		if block, ok := out[key].(map[string]any); ok {
			block = maps.Clone(block)
			delete(block, inner)
			out[key] = block
			if len(block) == 0 {
				delete(out, key)
			}
		}
	}
	return out
}

// settingPaths returns the paths of the settings in a user configuration, sorted.
// A list is one setting, an object as many as it has.
func settingPaths(userConfig map[string]any) []string {
	var paths []string
	for _, key := range slices.Sorted(maps.Keys(userConfig)) {
		inner, ok := userConfig[key].(map[string]any)
		if !ok {
			paths = append(paths, key)
			continue
		}
		for _, path := range settingPaths(inner) {
			paths = append(paths, key+"."+path)
		}
	}
	return paths
}

// removedSettings returns what has to be reset when the settings in before were
// given and those in now are: of a block that is wholly gone just the block, since
// some can't do without some of their settings.
func removedSettings(before, now []string) []string {
	used := func(path string) bool {
		return slices.ContainsFunc(now, func(p string) bool { return p == path || strings.HasPrefix(p, path+".") })
	}
	var removed []string
	for _, path := range before {
		if used(path) {
			continue
		}
		parts := strings.Split(path, ".")
		for n := range parts {
			prefix := strings.Join(parts[:n+1], ".")
			if !used(prefix) {
				if !slices.Contains(removed, prefix) && !slices.Contains(now, strings.Join(parts[:n], ".")) {
					removed = append(removed, prefix)
				}
				break
			}
		}
	}
	return removed
}

// withResets returns a user configuration that also resets settings: null returns
// one to its default.
func withResets(userConfig map[string]any, paths []string) map[string]any {
	if len(paths) == 0 {
		return userConfig
	}
	out := maps.Clone(userConfig)
	for _, path := range paths {
		key, rest, nested := strings.Cut(path, ".")
		if !nested {
			out[key] = nil
			continue
		}
		inner, _ := out[key].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
		}
		out[key] = withResets(inner, []string{rest})
	}
	return out
}
