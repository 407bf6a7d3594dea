// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// emptyCase is one value of one setting: what the manifest says, and what Aiven
// must get for it.
type emptyCase struct {
	// path leads to the setting; a step into an entry of a list is "[]".
	path []string
	// manifest is JSON; empty means that the manifest lacks the setting.
	manifest string
	// wire is JSON; empty means that the request lacks the setting.
	wire string
}

func (c emptyCase) String() string {
	return fmt.Sprintf("%s=%s", strings.Join(c.path, "."), c.manifest)
}

// emptyCases walks a type of settings. A null in a manifest says no more than
// leaving the setting out, which is what the API server makes of it. On the wire
// it would mean "the default", which for an IP filter is everybody.
func emptyCases(t reflect.Type, path []string) []emptyCase {
	var out []emptyCase
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		at := append(append([]string{}, path...), name)
		typ := field.Type
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		empty := ""
		switch {
		case typ == reflect.TypeFor[runtime.RawExtension](), typ.Kind() == reflect.Struct, typ.Kind() == reflect.Map:
			empty = "{}"
		case typ.Kind() == reflect.Slice:
			empty = "[]"
		case typ.Kind() == reflect.Bool:
			empty = "false"
		case typ.Kind() == reflect.Int64, typ.Kind() == reflect.Float64:
			empty = "0"
		case typ.Kind() == reflect.String && field.Type.Kind() == reflect.Pointer:
			empty = `""`
		}
		if empty != "" {
			out = append(out, emptyCase{at, empty, empty})
		}
		if options != "" {
			out = append(out, emptyCase{at, "null", ""}, emptyCase{at, "", ""})
		}
		if typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct {
			typ, at = typ.Elem(), append(at, "[]")
		}
		if typ.Kind() == reflect.Struct && typ != reflect.TypeFor[runtime.RawExtension]() {
			out = append(out, emptyCases(typ, at)...)
		}
	}
	return out
}

// document is the JSON of the settings with one value at a path.
func document(path []string, value string) string {
	if len(path) == 0 {
		return value
	}
	inner := document(path[1:], value)
	if path[0] == "[]" {
		if inner == "" {
			inner = "{}"
		}
		return "[" + inner + "]"
	}
	if inner == "" {
		return "{}"
	}
	return fmt.Sprintf("{%q:%s}", path[0], inner)
}

// jsonAt returns the JSON at a path, "" if there is nothing.
func jsonAt(t *testing.T, value any, path []string) string {
	t.Helper()
	for _, step := range path {
		switch v := value.(type) {
		case map[string]any:
			inner, ok := v[step]
			if !ok {
				return ""
			}
			value = inner
		case []any:
			if len(v) != 1 {
				return ""
			}
			value = v[0]
		default:
			return ""
		}
	}
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// settingsOf calls f for every field of every kind's spec that holds settings in
// Aiven's own terms, with what converts them to the wire.
func settingsOf(t *testing.T, f func(t *testing.T, kind, field string, typ reflect.Type, wire func(block any) any)) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.Install(scheme); err != nil {
		t.Fatal(err)
	}
	for kind := range scheme.KnownTypes(v1alpha1.SchemeGroupVersion) {
		root, err := scheme.New(v1alpha1.SchemeGroupVersion.WithKind(kind))
		if err != nil {
			t.Fatal(err)
		}
		spec, ok := reflect.TypeOf(root).Elem().FieldByName("Spec")
		if !ok {
			continue
		}
		for field := range spec.Type.Fields() {
			if field.Type.Kind() != reflect.Pointer {
				continue
			}
			wire := func(block any) any {
				config, err := asMap(block)
				if err != nil {
					t.Fatal(err)
				}
				return asSent(t, config)
			}
			switch typ := field.Type.Elem(); {
			case strings.Contains(typ.PkgPath(), "/userconfig/"):
			case typ == reflect.TypeFor[v1alpha1.KafkaTopicConfig]():
				wire = func(block any) any {
					config, err := topicConfig(&v1alpha1.KafkaTopicSpec{Config: block.(*v1alpha1.KafkaTopicConfig)})
					if err != nil {
						t.Fatal(err)
					}
					return asSent(t, config)
				}
			default:
				continue
			}
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			t.Run(kind+"."+name, func(t *testing.T) { f(t, kind, name, field.Type.Elem(), wire) })
		}
	}
}

// asSent is what a server reads of a request with these settings.
func asSent(t *testing.T, settings any) any {
	t.Helper()
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// checkReset checks what becomes of a setting that had another value before: one that
// is empty now is sent so and compared, and only one that is gone is reset.
func checkReset(t *testing.T, c emptyCase, block any) {
	t.Helper()
	config, err := asMap(block)
	if err != nil {
		t.Fatal(err)
	}
	path := settingPath(c.path)
	removed := removedSettings([]settingPath{path}, config)
	sent := jsonAt(t, asSent(t, withResets(config, removed)), c.path)
	if c.wire == "" {
		if len(removed) != 1 || sent != "null" && !slices.Equal(removed[0], path[:len(removed[0])]) {
			t.Errorf("%s: an update resets %v and sends %q", c, removed, sent)
		}
		return
	}
	if len(removed) > 0 || sent == "null" {
		t.Errorf("%s: an update resets %v and sends %q", c, removed, sent)
	}
	if c.wire == "{}" {
		return // an object that says nothing of what is in it
	}
	for _, shown := range []any{"other", []any{"other"}, 4.2, nil} {
		remote := map[string]any{}
		inner := remote
		for _, name := range path[:len(path)-1] {
			next := map[string]any{}
			inner[name], inner = next, next
		}
		if inner[path[len(path)-1]] = shown; shown == nil {
			delete(inner, path[len(path)-1])
		}
		differs := configDiffers(config, remote, givenSettings{})
		if !slices.ContainsFunc(differs, func(p settingPath) bool { return slices.Equal(p, path) }) {
			t.Errorf("%s counts as equal to %v", c, shown)
		}
	}
}

// Absent, empty and null are three different things from the manifest to Aiven,
// for every setting of every kind.
func TestEmptyValuesOfEverySetting(t *testing.T) {
	blocks, walked := 0, 0
	settingsOf(t, func(t *testing.T, kind, field string, typ reflect.Type, wire func(any) any) {
		blocks++
		for _, c := range emptyCases(typ, nil) {
			walked++
			block := reflect.New(typ)
			if err := json.Unmarshal([]byte(document(c.path, c.manifest)), block.Interface()); err != nil {
				t.Fatalf("%s: %v", c, err)
			}
			// A Go client sends what it has in these types, and reads it back.
			raw, err := json.Marshal(block.Interface())
			if err != nil {
				t.Fatalf("%s: %v", c, err)
			}
			again := reflect.New(typ)
			if err := json.Unmarshal(raw, again.Interface()); err != nil {
				t.Fatalf("%s: %v", c, err)
			}
			// What is cached is copied before it is used.
			copied := again.MethodByName("DeepCopy").Call(nil)[0]
			got := jsonAt(t, wire(copied.Interface()), c.path)
			ok := got == c.wire
			if c.wire == "{}" {
				// What is required in an object is there, too.
				ok = strings.HasPrefix(got, "{")
			}
			if !ok {
				t.Errorf("%s reaches Aiven as %q, want %q", c, got, c.wire)
			}
			if kind != "KafkaTopic" && !slices.Contains(c.path, "[]") {
				checkReset(t, c, copied.Interface())
			}
		}
	})
	// 9 services, 10 integrations, 14 endpoints and the topics.
	if blocks != 34 || walked < 3000 {
		t.Errorf("%d blocks of settings with %d cases", blocks, walked)
	}
}
