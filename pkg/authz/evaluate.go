// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// find returns the rule that a server applies to a path, nil if there is none:
// that of the path itself, else the most specific pattern (vault/acl.go,
// AllowOperation and CheckAllowedFromNonExactPaths).
func (s ruleSet) find(path string) *rule {
	if rule, ok := s[path]; ok && !isPattern(path) {
		return rule
	}
	var best string
	for pattern := range s {
		if isPattern(pattern) && matches(pattern, path) && (best == "" || moreSpecific(pattern, best) > 0) {
			best = pattern
		}
	}
	return s[best]
}

// capabilitiesOn returns what is granted on a path, sorted.
func (s ruleSet) capabilitiesOn(path string) []string {
	// A server looks for the capabilities as for those of a list, which the rule of
	// the path without the slash at its end covers as well.
	if _, exact := s[path]; !exact {
		if trimmed := strings.TrimSuffix(path, "/"); s[trimmed] != nil && !isPattern(trimmed) {
			path = trimmed
		}
	}
	rule := s.find(path)
	if rule == nil || rule.deny {
		return nil
	}
	return slices.Compact(slices.Sorted(slices.Values(rule.capabilities)))
}

func isPattern(path string) bool { return strings.HasSuffix(path, "*") || hasSegmentWildcard(path) }

func hasSegmentWildcard(path string) bool {
	return path == "+" || strings.Contains(path, "/+") || strings.HasPrefix(path, "+/")
}

// matches reports whether a pattern covers a path: + stands for one segment, and
// * at the end for any rest.
func matches(pattern, path string) bool {
	prefix, glob := strings.CutSuffix(pattern, "*")
	if !hasSegmentWildcard(pattern) {
		return glob && strings.HasPrefix(path, prefix)
	}
	want, have := strings.Split(prefix, "/"), strings.Split(path, "/")
	if len(have) < len(want) || (!glob && len(have) != len(want)) {
		return false
	}
	for i, segment := range want {
		last := glob && i == len(want)-1
		if segment != "+" && segment != have[i] && (!last || !strings.HasPrefix(have[i], segment)) {
			return false
		}
	}
	return true
}

// moreSpecific orders patterns that match the same path.
func moreSpecific(a, b string) int {
	first := func(p string) int {
		if hasSegmentWildcard(p) {
			return strings.Index(p, "+")
		}
		return len(p) - 1
	}
	glob := func(p string) int {
		if strings.HasSuffix(p, "*") {
			return 0
		}
		return 1
	}
	wildcards := func(p string) int {
		return -len(slices.DeleteFunc(strings.Split(strings.TrimSuffix(p, "*"), "/"), func(s string) bool { return s != "+" }))
	}
	a, b, full := strings.TrimSuffix(a, "*"), strings.TrimSuffix(b, "*"), [2]string{a, b}
	return cmp.Or(
		cmp.Compare(first(full[0]), first(full[1])),
		cmp.Compare(glob(full[0]), glob(full[1])),
		cmp.Compare(wildcards(a), wildcards(b)),
		cmp.Compare(len(a), len(b)),
		cmp.Compare(a, b),
	)
}

// allows reports whether a token that has only the policy could make a request.
// Conditions that are not understood here do not allow it.
func (s ruleSet) allows(capability, path string, data map[string]any) bool {
	rule := s.find(path)
	if rule == nil || rule.deny || len(rule.other) > 0 || !slices.Contains(rule.capabilities, capability) {
		return false
	}
	if capability != "read" && capability != "create" && capability != "update" && capability != "patch" {
		return true
	}
	decoded, err := asJSON(data)
	if err != nil {
		return false
	}
	for _, name := range rule.required {
		if _, ok := decoded[name]; !ok {
			return false
		}
	}
	if len(rule.allowed) == 0 {
		return true
	}
	_, everything := rule.allowed["*"]
	for name, value := range decoded {
		values, ok := rule.allowed[strings.ToLower(name)]
		if !ok && !everything {
			return false
		}
		if ok && len(values) > 0 && !slices.ContainsFunc(values, func(v any) bool { return permits(v, value) }) {
			return false
		}
	}
	return true
}

// asJSON returns data in the types that it has when a server has decoded it.
func asJSON(data map[string]any) (map[string]any, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	var decoded map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	return decoded, decoder.Decode(&decoded)
}

// permits reports whether a value of allowed_parameters covers that of a request.
// Texts may begin and end with *; all else must be of the same type and equal.
func permits(allowed, value any) bool {
	pattern, ok := allowed.(string)
	text, isText := value.(string)
	if !ok || !isText {
		return reflect.DeepEqual(allowed, value)
	}
	if len(pattern) < 2 {
		return pattern == text
	}
	rest, suffix := strings.CutPrefix(pattern, "*")
	rest, prefix := strings.CutSuffix(rest, "*")
	switch {
	case prefix && suffix:
		return strings.Contains(text, rest)
	case prefix:
		return strings.HasPrefix(text, rest)
	case suffix:
		return strings.HasSuffix(text, rest)
	}
	return pattern == text
}
