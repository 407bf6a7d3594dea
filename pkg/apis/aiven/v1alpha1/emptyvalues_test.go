// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bailiwick-operator/bailiwick/generated/clientset/versioned/fake"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// An empty list or map in a spec says something else than none: no IP filter lets
// everybody in, an empty one nobody. Whoever writes objects with the Go types, or
// with the apply configurations, can say both.
func TestEmptyListsSurviveGoClients(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.Install(scheme); err != nil {
		t.Fatal(err)
	}
	var roots []reflect.Type
	for kind := range scheme.KnownTypes(v1alpha1.SchemeGroupVersion) {
		o, err := scheme.New(v1alpha1.SchemeGroupVersion.WithKind(kind))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := o.(v1alpha1.Object); ok {
			roots = append(roots, reflect.TypeOf(o).Elem())
		}
	}
	clients := reflect.ValueOf(fake.NewClientset().AivenV1alpha1())
	for _, method := range clients.Methods() {
		if method.Type().NumIn() == 1 && method.Type().In(0).Kind() == reflect.String {
			apply := method.Call([]reflect.Value{reflect.ValueOf("default")})[0].MethodByName("Apply")
			roots = append(roots, apply.Type().In(1).Elem())
		}
	}
	if len(roots) != 60 {
		t.Fatalf("found %d types, want two of each kind", len(roots))
	}
	for _, root := range roots {
		lists := 0
		eachList(root, nil, func(path []string, empty string) {
			if path[0] != "spec" {
				return // what the operator writes is in Go types of its own
			}
			lists++
			doc := empty
			for i := len(path) - 1; i >= 0; i-- {
				if path[i] == "[]" {
					doc = "[" + doc + "]"
				} else {
					doc = fmt.Sprintf("{%q:%s}", path[i], doc)
				}
			}
			value := reflect.New(root)
			if err := json.Unmarshal([]byte(doc), value.Interface()); err != nil {
				t.Fatalf("%s: %s: %v", root, doc, err)
			}
			raw, err := json.Marshal(value.Interface())
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("%q:%s", path[len(path)-1], empty); !strings.Contains(string(raw), want) {
				t.Errorf("%s: %s is lost", root, strings.Join(path, "."))
			}
		})
		if lists == 0 && strings.HasSuffix(root.Name(), "PostgreSQL") {
			t.Errorf("%s: no list was tried", root)
		}
	}
}

// eachList calls f for every list and map in a type, with the path to it in JSON.
func eachList(t reflect.Type, path []string, f func(path []string, empty string)) {
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		typ := field.Type
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		at := path
		switch {
		case name == "-", typ == reflect.TypeFor[runtime.RawExtension](), name == "metadata":
			continue
		case name == "" && !field.Anonymous:
			continue
		case name != "":
			at = append(append([]string{}, path...), name)
		}
		switch typ.Kind() {
		case reflect.Map:
			f(at, "{}")
			continue
		case reflect.Slice:
			f(at, "[]")
			if typ = typ.Elem(); typ.Kind() != reflect.Struct {
				continue
			}
			at = append(at, "[]")
		}
		if typ.Kind() == reflect.Struct && strings.Contains(typ.PkgPath(), "/bailiwick/") {
			eachList(typ, at, f)
		}
	}
}
