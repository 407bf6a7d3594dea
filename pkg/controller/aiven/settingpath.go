// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// settingPath leads to a setting of a user configuration: the names of the objects
// around it, and its own. Some names have dots in them, pg_partman_bgw.interval for
// example.
type settingPath []string

// String is for people.
func (p settingPath) String() string { return strings.Join(p, ".") }

var escapeName = strings.NewReplacer(`\`, `\\`, `.`, `\.`)

// text is the form in which a status keeps a path: a dot in a name has a backslash
// before it.
func (p settingPath) text() string {
	names := make([]string, len(p))
	for i, name := range p {
		names[i] = escapeName.Replace(name)
	}
	return strings.Join(names, ".")
}

// parseSettingPath reads what text made.
func parseSettingPath(text string) settingPath {
	var path settingPath
	var name strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			name.WriteByte(text[i])
		case text[i] == '.':
			path = append(path, name.String())
			name.Reset()
		default:
			name.WriteByte(text[i])
		}
	}
	return append(path, name.String())
}

func (p settingPath) child(name string) settingPath { return append(slices.Clip(p), name) }

// settingPaths returns the paths of the settings in a user configuration, sorted.
// A list is one setting, an object as many as it has, and an empty object none.
func settingPaths(config map[string]any) []settingPath {
	var paths []settingPath
	eachSetting(config, nil, func(path settingPath, _ any) { paths = append(paths, path) })
	return paths
}

func eachSetting(config map[string]any, path settingPath, f func(settingPath, any)) {
	for _, name := range slices.Sorted(maps.Keys(config)) {
		at := path.child(name)
		if inner, ok := config[name].(map[string]any); ok {
			eachSetting(inner, at, f)
			continue
		}
		f(at, config[name])
	}
}

// givenSettings is what a status remembers of the user configuration that its
// remote was given: the paths of the settings and, for the fields of entries of
// lists, how many entries had one. A list is sent as a whole, and what Aiven shows
// of an entry may have more fields than it was given, so this is how a field is
// noticed that has left an entry.
type givenSettings struct {
	paths  []settingPath
	fields map[string]int
}

// fieldMark separates a list from a field of its entries.
const fieldMark = "[]."

// parseGiven reads what a status remembers.
func parseGiven(status []string) givenSettings {
	given := givenSettings{fields: map[string]int{}}
	for _, text := range status {
		if field, count, ok := strings.Cut(text, "="); ok && strings.Contains(field, fieldMark) {
			if n, err := strconv.Atoi(count); err == nil {
				given.fields[field] = n
			}
			continue
		}
		given.paths = append(given.paths, parseSettingPath(text))
	}
	return given
}

// givenBy returns what there is to remember once a remote has accepted a user
// configuration.
func givenBy(config map[string]any) []string {
	var out []string
	eachSetting(config, nil, func(path settingPath, value any) {
		out = append(out, path.text())
		fields := entryFields(path, value)
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			out = append(out, fmt.Sprintf("%s=%d", field, fields[field]))
		}
	})
	return out
}

// entryFields counts the fields of the entries of a list.
func entryFields(path settingPath, value any) map[string]int {
	counts := map[string]int{}
	list, _ := value.([]any)
	for _, entry := range list {
		object, _ := entry.(map[string]any)
		for name := range object {
			counts[path.text()+fieldMark+escapeName.Replace(name)]++
		}
	}
	return counts
}

// has reports whether the remote was given the setting at path.
func (g givenSettings) has(path settingPath) bool {
	return slices.ContainsFunc(g.paths, func(p settingPath) bool { return slices.Equal(p, path) })
}

// lost reports whether fewer entries of the list at path have some field than were
// given.
func (g givenSettings) lost(path settingPath, value any) bool {
	if len(g.fields) == 0 {
		return false
	}
	now := entryFields(path, value)
	for field, count := range g.fields {
		if strings.HasPrefix(field, path.text()+fieldMark) && now[field] < count {
			return true
		}
	}
	return false
}

// asMap converts to the JSON object that Aiven sees, numbers to the last digit. Nil
// becomes an empty map.
func asMap(v any) (map[string]any, error) {
	out := map[string]any{}
	if v == nil {
		return out, nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("convert user config: %w", err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	if err := decoder.Decode(&out); err != nil {
		return nil, fmt.Errorf("convert user config: %w", err)
	}
	return out, nil
}
