// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl"
)

// ruleSet is a policy as a server evaluates it, by path as written. Where several
// policies or blocks have the same path, they add up.
type ruleSet map[string]*aclRule

// aclRule is what a policy grants on one path.
type aclRule struct {
	capabilities []string
	deny         bool
	// allowed are the permitted values by parameter in lower case; nil permits
	// every parameter.
	allowed  map[string][]any
	required []string
	// other means that there are conditions that are not understood here.
	other bool
}

// parseRules reads the texts of policies that one token has.
func parseRules(texts ...string) (ruleSet, error) {
	set := ruleSet{}
	for _, text := range texts {
		var policy map[string]any
		if err := hcl.Decode(&policy, text); err != nil {
			return nil, fmt.Errorf("parse the policy: %w", err)
		}
		for path, bodies := range blocks(policy["path"]) {
			path = strings.TrimPrefix(path, "/")
			for _, body := range bodies {
				rule := set[path]
				if rule == nil {
					rule = &aclRule{}
					set[path] = rule
				}
				rule.add(body)
			}
		}
	}
	return set, nil
}

func (r *aclRule) add(body map[string]any) {
	for key, value := range body {
		switch key {
		case "capabilities":
			for _, capability := range strs(value) {
				r.deny = r.deny || capability == "deny"
				if !slices.Contains(r.capabilities, capability) {
					r.capabilities = append(r.capabilities, capability)
				}
			}
		case "allowed_parameters":
			for _, block := range bodies(value) {
				for name, values := range block {
					r.allow(strings.ToLower(name), values)
				}
			}
		case "required_parameters":
			for _, name := range strs(value) {
				r.required = append(r.required, strings.ToLower(name))
			}
		case "comment":
		default:
			r.other = true
		}
	}
}

func (r *aclRule) allow(name string, values any) {
	list, ok := values.([]any)
	if !ok {
		r.other = true
		return
	}
	if r.allowed == nil {
		r.allowed = map[string][]any{}
	}
	before, exists := r.allowed[name]
	if exists && (len(before) == 0 || len(list) == 0) {
		// An empty list permits every value.
		list = nil
	}
	r.allowed[name] = slices.Concat(before, list)
	if len(list) == 0 {
		r.allowed[name] = nil
	}
}

// find returns the rule that a server applies to a path, nil if there is none:
// that of the path itself, else the most specific pattern (vault/acl.go,
// AllowOperation and CheckAllowedFromNonExactPaths).
func (s ruleSet) find(path string) *aclRule {
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
	return slices.Sorted(slices.Values(rule.capabilities))
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
func allows(text, capability, path string, data map[string]any) bool {
	set, err := parseRules(text)
	if err != nil {
		return false
	}
	rule := set.find(path)
	if rule == nil || rule.deny || rule.other || !slices.Contains(rule.capabilities, capability) {
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
	if rule.allowed == nil {
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
