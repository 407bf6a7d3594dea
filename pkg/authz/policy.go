// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl"
)

// EqualPolicies reports whether two policy texts grant the same. Order, white
// space, comments and repetitions do not matter. Texts that the server could
// not parse are equal only byte by byte.
func EqualPolicies(a, b string) bool {
	if a == b {
		return true
	}
	na, err := normalPolicy(a)
	if err != nil {
		return false
	}
	nb, err := normalPolicy(b)
	if err != nil {
		return false
	}
	return slices.Equal(na, nb)
}

// normalPolicy returns the rules of a policy, each as one text, sorted.
func normalPolicy(text string) ([]string, error) {
	var policy map[string]any
	if err := hcl.Decode(&policy, text); err != nil {
		return nil, fmt.Errorf("parse the policy: %w", err)
	}
	var rules []string
	plain := map[string][]string{}
	for key, value := range policy {
		if key != "path" {
			rules = append(rules, key+"="+encoded(value))
			continue
		}
		for path, block := range blocks(value) {
			// The server ignores one leading slash.
			path = strings.TrimPrefix(path, "/")
			for _, b := range block {
				capabilities := strs(b["capabilities"])
				delete(b, "capabilities")
				if len(b) == 0 {
					// Rules of the same path that only list capabilities add up.
					plain[path] = append(plain[path], capabilities...)
					continue
				}
				rules = append(rules, rule(path, capabilities, b))
			}
		}
	}
	for path, capabilities := range plain {
		rules = append(rules, rule(path, capabilities, nil))
	}
	slices.Sort(rules)
	return rules, nil
}

func rule(path string, capabilities []string, rest map[string]any) string {
	if slices.Contains(capabilities, "deny") {
		capabilities = []string{"deny"}
	}
	slices.Sort(capabilities)
	data, err := json.Marshal([]any{path, slices.Compact(capabilities), rest})
	if err != nil {
		return fmt.Sprint(path, capabilities, rest)
	}
	return string(data)
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
