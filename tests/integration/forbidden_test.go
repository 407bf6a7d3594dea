// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// forbidden is a change of a spec that the API server refuses.
type forbidden struct {
	// path leads to the field.
	path []string
	// before and after are values that the field may have at creation.
	before, after any
	// words are the refusal, exactly.
	words string
}

// patch returns the merge patch that gives the field a value, nil for none.
func (f forbidden) patch(t testing.TB, value any) string {
	t.Helper()
	for _, name := range slices.Backward(f.path) {
		value = map[string]any{name: value}
	}
	raw, err := json.Marshal(map[string]any{"spec": value})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// refusals are the words for an immutable field where they are not the usual ones,
// by kind and field, or by field alone.
var refusals = map[string]string{
	"connInfoSecretTargetDisabled": "connInfoSecretTargetDisabled is immutable.",
	"ServiceUser.username":         "username is immutable.",
	"ConnectionPool.username":      "username is immutable",
	"ConnectionPool.databaseName":  "databaseName is immutable",
}

const immutableWords = "Value is immutable"

// specialValues are two values for the fields that take no short lower-case text.
var specialValues = map[string][2]any{
	"project":                {project, "other-project"},
	"admin_password":         {"alpha-alpha", "bravo-bravo"},
	"billingGroupId":         {aivensim.DefaultBillingGroupID, "00000000-0000-4000-8000-000000000002"},
	"destinationEndpointRef": {map[string]any{"name": "alpha"}, map[string]any{"name": "bravo"}},
	"serviceIntegrations": {
		[]any{map[string]any{"integrationType": "read_replica", "sourceServiceName": "alpha"}},
		[]any{map[string]any{"integrationType": "read_replica", "sourceServiceName": "bravo"}},
	},
}

// immutables returns what can't change in the spec of a kind, as its schema tells:
// a field whose rule is that it is what it was.
func immutables(t testing.TB, kind string) []forbidden {
	t.Helper()
	var out []forbidden
	var walk func(path []string, schema map[string]any)
	walk = func(path []string, schema map[string]any) {
		rules, _ := schema["x-kubernetes-validations"].([]any)
		if len(path) > 0 && slices.ContainsFunc(rules, func(item any) bool {
			rule, _ := item.(map[string]any)
			return rule["rule"] == "self == oldSelf"
		}) {
			out = append(out, forbiddenOf(kind, path, schema))
		}
		properties, _ := schema["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			if inner, ok := properties[name].(map[string]any); ok {
				walk(append(slices.Clone(path), name), inner)
			}
		}
	}
	_, spec := definition(t, shared.Kubernetes, kind)
	walk(nil, spec)
	return out
}

func forbiddenOf(kind string, path []string, schema map[string]any) forbidden {
	f := forbidden{path: path, before: "alpha", after: "bravo", words: immutableWords}
	name := path[len(path)-1]
	for _, key := range []string{kind + "." + name, name} {
		if words, ok := refusals[key]; ok {
			f.words = words
			break
		}
	}
	values, special := specialValues[name]
	choices, _ := schema["enum"].([]any)
	switch {
	case special:
		f.before, f.after = values[0], values[1]
	case len(choices) > 1:
		f.before, f.after = choices[0], choices[1]
	case schema["type"] == "boolean":
		f.before, f.after = false, true
	}
	return f
}

// presences are the fields that an object has from its creation on or never has.
func presences(t testing.TB, kind string) []forbidden {
	t.Helper()
	var out []forbidden
	if kindCases[kind].publishes {
		out = append(out, forbidden{path: []string{"connInfoSecretTargetDisabled"}, after: true, words: "connInfoSecretTargetDisabled can only be set during resource creation."})
	}
	switch kind {
	case "Database":
		out = append(out, forbidden{path: []string{"databaseName"}, after: "bravo", words: "databaseName can only be set during resource creation."})
	case "ServiceUser":
		out = append(out, forbidden{path: []string{"username"}, after: "bravo", words: "username can only be set during resource creation."})
	}
	return out
}

// Every immutable field of every kind, changed from one good value to another.
func TestImmutableFields(t *testing.T) {
	t.Parallel()
	e := newEnv(t, aivensim.Options{})
	for _, kind := range slices.Sorted(maps.Keys(kindCases)) {
		fields := immutables(t, kind)
		if len(fields) == 0 {
			t.Errorf("%s has no immutable field", kind)
		}
		for i, f := range fields {
			obj := e.object(kind, fmt.Sprintf("x%d", i), func(spec map[string]any) {
				// The settings of one type forbid another.
				delete(spec, "kafkaLogs")
				delete(spec, "rsyslog")
			})
			if err := unstructured.SetNestedField(obj.Object, f.before, append([]string{"spec"}, f.path...)...); err != nil {
				t.Fatal(err)
			}
			if _, err := e.client(kind).Create(e.ctx, obj, metav1.CreateOptions{}); err != nil {
				t.Errorf("%s with %s: %v", kind, strings.Join(f.path, "."), err)
				continue
			}
			e.wantInvalid(e.tryPatch(kind, obj.GetName(), f.patch(t, f.after)), f.words)
		}
	}
	// Once set, the name of a ClickHouse database stays set; before, it may be.
	e.create(e.object("ClickhouseDatabase", "presence"))
	e.patch("ClickhouseDatabase", "presence", `{"spec":{"databaseName":"alpha"}}`)
	e.wantInvalid(e.tryPatch("ClickhouseDatabase", "presence", `{"spec":{"databaseName":null}}`), "databaseName is required once set")
	// A pool without a user has none, whether its name is absent or empty.
	e.create(e.object("ConnectionPool", "presence", func(spec map[string]any) { delete(spec, "username") }))
	e.patch("ConnectionPool", "presence", `{"spec":{"username":""}}`)
	e.wantInvalid(e.tryPatch("ConnectionPool", "presence", `{"spec":{"username":"alpha"}}`), "username is immutable")
	// Of a native ACL nothing changes, not even the token's Secret.
	e.create(e.object("KafkaNativeACL", "whole"))
	e.wantInvalid(e.tryPatch("KafkaNativeACL", "whole", `{"spec":{"operation":"Write"}}`), immutableWords)
	e.wantInvalid(e.tryPatch("KafkaNativeACL", "whole", `{"spec":{"authSecretRef":{"name":"a","key":"b"}}}`), immutableWords)
}

// wantForbidden tries every forbidden change of an object that is Ready, and
// checks that Aiven hears of none.
func (e *env) wantForbidden(kind, name string) {
	e.Helper()
	before, writes, tried := e.get(kind, name), e.sim.Count(aivensim.Mutating), 0
	for _, f := range slices.Concat(immutables(e, kind), presences(e, kind)) {
		value, has, err := unstructured.NestedFieldNoCopy(before.Object, append([]string{"spec"}, f.path...)...)
		if err != nil {
			e.Fatal(err)
		}
		if presence := f.before == nil; has == presence {
			continue
		}
		other := f.after
		if fmt.Sprint(value) == fmt.Sprint(other) {
			other = f.before
		}
		e.wantInvalid(e.tryPatch(kind, name, f.patch(e, other)), f.words)
		tried++
	}
	if tried == 0 {
		e.Errorf("%s: no change is forbidden", kind)
	}
	if after := e.get(kind, name); after.GetGeneration() != before.GetGeneration() {
		e.Errorf("the generation went from %d to %d", before.GetGeneration(), after.GetGeneration())
	}
	if n := e.sim.Count(aivensim.Mutating); n != writes {
		e.Errorf("%d requests changed something at Aiven", n-writes)
	}
}
