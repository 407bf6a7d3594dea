// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import "testing"

// TestAllows checks the conditions on parameters. What the bootstrapper's whole
// policy allows is tested on a server.
func TestAllows(t *testing.T) {
	const policy = `
		path "pinned" {
			capabilities = ["read", "update", "delete"]
			allowed_parameters = { "Text" = ["one", "two"] "list" = [["a", "b"]] "none" = [[]] "flag" = [false] "any" = [] }
			required_parameters = ["text"]
		}
		path "open"    { capabilities = ["update"] }
		path "others"  { capabilities = ["update"] allowed_parameters = { "text" = ["x"] "*" = [] } }
		path "pattern" { capabilities = ["update"] allowed_parameters = { "text" = ["a*", "*b", "*c*", "*"] } }
		path "number"  { capabilities = ["update"] allowed_parameters = { "n" = [3600] } }
		path "empty"   { capabilities = ["update"] allowed_parameters = {} }
		path "denied"  { capabilities = ["update", "deny"] }
		path "unclear" { capabilities = ["update"] denied_parameters = { "x" = [] } }
		path "merged"  { capabilities = ["update"] allowed_parameters = { "text" = ["x"] } }
		path "merged"  { capabilities = ["create"] allowed_parameters = { "text" = ["y"] } required_parameters = ["text"] }
		path "opened"  { capabilities = ["update"] allowed_parameters = { "text" = ["x"] } }
		path "opened"  { capabilities = ["update"] allowed_parameters = { "text" = [] } }
		path "opened"  { capabilities = ["update"] allowed_parameters = { "text" = ["z"] } }`
	for _, tc := range []struct {
		capability, path string
		data             map[string]any
		want             bool
	}{
		{"update", "pinned", map[string]any{"text": "one"}, true},
		{"update", "pinned", map[string]any{"text": "two", "list": []string{"a", "b"}, "none": []string{}, "flag": false, "any": 5}, true},
		{"update", "pinned", map[string]any{"text": "three"}, false},
		{"update", "pinned", map[string]any{"text": []string{"one"}}, false},
		{"update", "pinned", map[string]any{"text": "one", "list": []string{"b", "a"}}, false},
		{"update", "pinned", map[string]any{"text": "one", "list": "a,b"}, false},
		{"update", "pinned", map[string]any{"text": "one", "list": []string{}}, false},
		{"update", "pinned", map[string]any{"text": "one", "none": []string{"x"}}, false},
		{"update", "pinned", map[string]any{"text": "one", "none": nil}, false},
		{"update", "pinned", map[string]any{"text": "one", "flag": true}, false},
		{"update", "pinned", map[string]any{"text": "one", "flag": "false"}, false},
		{"update", "pinned", map[string]any{"text": "one", "more": ""}, false},
		{"update", "pinned", map[string]any{"any": 1}, false},
		{"update", "pinned", nil, false},
		{"create", "pinned", map[string]any{"text": "one"}, false},
		{"delete", "pinned", nil, true},
		// A rule that requires parameters refuses reads, which have none.
		{"read", "pinned", nil, false},
		{"update", "open", map[string]any{"x": 1}, true},
		{"update", "elsewhere", nil, false},
		{"update", "others", map[string]any{"text": "x", "y": 1}, true},
		{"update", "others", map[string]any{"text": "y"}, false},
		{"update", "pattern", map[string]any{"text": "abc"}, true},
		{"update", "pattern", map[string]any{"text": "xb"}, true},
		{"update", "pattern", map[string]any{"text": "xcx"}, true},
		{"update", "pattern", map[string]any{"text": "x"}, false},
		{"update", "pattern", map[string]any{"text": "*"}, true},
		// Numbers of a request are never equal to those of a policy.
		{"update", "number", map[string]any{"n": 3600}, false},
		{"update", "empty", map[string]any{"x": 1}, true},
		{"update", "denied", nil, false},
		{"update", "unclear", nil, false},
		{"update", "merged", map[string]any{"text": "y"}, true},
		{"create", "merged", map[string]any{"text": "x"}, true},
		{"update", "merged", nil, false},
		{"update", "opened", map[string]any{"text": "anything"}, true},
		{"update", "opened", map[string]any{"other": "x"}, false},
	} {
		if got := rulesOf(policy).allows(tc.capability, tc.path, tc.data); got != tc.want {
			t.Errorf("%s %s %v: got %t", tc.capability, tc.path, tc.data, got)
		}
	}
	if rulesOf(`path "x" {`).allows("read", "x", nil) {
		t.Error("a policy that does not parse allows something")
	}
}
