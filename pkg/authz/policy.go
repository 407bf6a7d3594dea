// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl"
)

// EqualPolicies reports whether two policy texts grant the same. Order, white
// space, comments and repetitions do not matter. Texts that do not parse are equal
// only byte by byte.
func EqualPolicies(a, b string) bool {
	if a == b {
		return true
	}
	ra, err := parseRules(a)
	if err != nil {
		return false
	}
	rb, err := parseRules(b)
	if err != nil {
		return false
	}
	return reflect.DeepEqual(ra.normal(), rb.normal())
}

// ruleSet is a policy as a server evaluates it, by path as written. Blocks that
// have the same path add up.
type ruleSet map[string]*rule

// rule is what a policy grants on one path.
type rule struct {
	capabilities []string
	deny         bool
	// allowed are the permitted values by parameter in lower case, none for all
	// values; a nil map permits every parameter.
	allowed  map[string][]any
	required []string
	// other are the conditions that are not evaluated here, as texts.
	other []string
}

// parseRules reads the text of a policy.
func parseRules(text string) (ruleSet, error) {
	var policy map[string]any
	if err := hcl.Decode(&policy, text); err != nil {
		return nil, fmt.Errorf("parse the policy: %w", err)
	}
	set := ruleSet{}
	for path, bodies := range blocks(policy["path"]) {
		// The server ignores one leading slash.
		path = strings.TrimPrefix(path, "/")
		if set[path] == nil {
			set[path] = &rule{}
		}
		for _, body := range bodies {
			set[path].add(body)
		}
	}
	return set, nil
}

// add adds the body of a block.
func (r *rule) add(body map[string]any) {
	for key, value := range body {
		switch key {
		case "comment":
		case "capabilities":
			r.capabilities = append(r.capabilities, strs(value)...)
			r.deny = r.deny || slices.Contains(r.capabilities, "deny")
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
		default:
			r.other = append(r.other, key+"="+encoded(value))
		}
	}
}

// allow adds permitted values of a parameter. An empty list permits all, and
// stays empty whatever else is added (vault/acl.go, NewACL).
func (r *rule) allow(name string, values any) {
	list, ok := values.([]any)
	if !ok {
		r.other = append(r.other, "allowed_parameters."+name+"="+encoded(values))
		return
	}
	if r.allowed == nil {
		r.allowed = map[string][]any{}
	}
	before, exists := r.allowed[name]
	if len(list) == 0 || (exists && len(before) == 0) {
		r.allowed[name] = nil
		return
	}
	r.allowed[name] = append(before, list...)
}

// normal returns one form for all policies that grant the same.
func (s ruleSet) normal() map[string][]string {
	form := make(map[string][]string, len(s))
	for path, r := range s {
		if r.deny {
			form[path] = []string{"deny"}
			continue
		}
		terms := []string{
			"capabilities=" + joined(slices.Clone(r.capabilities)),
			"required=" + joined(slices.Clone(r.required)),
		}
		for _, name := range slices.Sorted(maps.Keys(r.allowed)) {
			var values []string
			for _, value := range r.allowed[name] {
				values = append(values, fmt.Sprintf("%T %s", value, encoded(value)))
			}
			terms = append(terms, "allowed "+name+"="+joined(values))
		}
		form[path] = append(terms, joined(slices.Clone(r.other)))
	}
	return form
}

// blocks collects the bodies of the path blocks. The parser makes a list of one
// map per block, and a list of bodies in each; JSON policies come as plain maps.
func blocks(value any) map[string][]map[string]any {
	found := map[string][]map[string]any{}
	for _, byPath := range bodies(value) {
		for path, body := range byPath {
			found[path] = append(found[path], bodies(body)...)
		}
	}
	return found
}

func bodies(value any) []map[string]any {
	switch v := value.(type) {
	case map[string]any:
		return []map[string]any{v}
	case []map[string]any:
		return v
	}
	return nil
}
