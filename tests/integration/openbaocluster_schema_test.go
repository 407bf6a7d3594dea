// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

const clusterManifests = "testdata/openbaocluster"

// clusterDocs returns the documents of the manifests in a file, or in all files.
func clusterDocs(t *testing.T, file string) []map[string]any {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(clusterManifests, file))
	if err != nil || len(files) == 0 {
		t.Fatalf("No files %s: %v", file, err)
	}
	var out []map[string]any
	for _, f := range files {
		if file == "*.yaml" && filepath.Base(f) == "status.yaml" {
			continue
		}
		out = append(out, yamlDocs(t, f)...)
	}
	return out
}

func yamlDocs(t *testing.T, file string) []map[string]any {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(raw), 4096)
	for {
		var doc map[string]any
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out = append(out, doc)
	}
}

// clustersOf returns a client of OpenBaoClusters that says whatever the API
// server says, and a namespace for it.
func clustersOf(t *testing.T) dynamic.ResourceInterface {
	t.Helper()
	client, err := dynamic.NewForConfig(shared.Kubernetes.Config())
	if err != nil {
		t.Fatal(err)
	}
	resource := schema.GroupVersionResource{Group: v1alpha1.GroupName, Version: "v1alpha1", Resource: "openbaoclusters"}
	return client.Resource(resource).Namespace(shared.Kubernetes.Namespace(t))
}

// strictly validates on the API server, unknown fields included, and stores nothing.
var strictly = metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}

// A manifest is accepted, and neither the API server nor our types lose a field.
func TestClusterManifests(t *testing.T) {
	t.Parallel()
	clusters := clustersOf(t)
	for _, doc := range clusterDocs(t, "*.yaml") {
		name := doc["metadata"].(map[string]any)["name"].(string)
		t.Run(name, func(t *testing.T) {
			object := &unstructured.Unstructured{Object: doc}
			stored, err := clusters.Create(t.Context(), object.DeepCopy(), strictly)
			if err != nil {
				t.Fatal(err)
			}
			for _, lost := range lostFields("spec", doc["spec"], stored.Object["spec"]) {
				t.Errorf("the API server lost %s", lost)
			}
			for _, lost := range lostFields("spec", doc["spec"], throughTypes(t, doc)["spec"]) {
				t.Errorf("the types lost %s", lost)
			}
			// What the API server has defaulted goes through the types as well.
			for _, lost := range lostFields("spec", stored.Object["spec"], throughTypes(t, stored.Object)["spec"]) {
				t.Errorf("the types lost %s, a default", lost)
			}
		})
	}
}

// What the openbao-operator reports stays, and our types lose nothing of it.
func TestClusterStatus(t *testing.T) {
	t.Parallel()
	clusters := clustersOf(t)
	object, err := clusters.Create(t.Context(), &unstructured.Unstructured{Object: clusterDocs(t, "development.yaml")[0]}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	status := clusterDocs(t, "status.yaml")[0]
	object.Object["status"] = status
	stored, err := clusters.UpdateStatus(t.Context(), object, metav1.UpdateOptions{FieldValidation: metav1.FieldValidationStrict})
	if err != nil {
		t.Fatal(err)
	}
	for _, lost := range lostFields("status", status, stored.Object["status"]) {
		t.Errorf("the API server lost %s", lost)
	}
	for _, lost := range lostFields("status", status, throughTypes(t, stored.Object)["status"]) {
		t.Errorf("the types lost %s", lost)
	}
}

// The manifests of the tests above show every field that there is, but for what
// the bootstrapper reports.
func TestClusterManifestsShowEveryField(t *testing.T) {
	shown := map[string]bool{}
	for _, doc := range clusterDocs(t, "*.yaml") {
		show(shown, "spec", doc["spec"])
	}
	show(shown, "status", clusterDocs(t, "status.yaml")[0])

	crd := yamlDocs(t, manifests+"/crds/openbao.org_openbaoclusters.yaml")[0]
	versions, _, err := unstructured.NestedSlice(crd, "spec", "versions")
	if err != nil {
		t.Fatal(err)
	}
	root, _, err := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema", "properties")
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]bool{}
	for _, part := range []string{"spec", "status"} {
		declared(fields, part, root[part].(map[string]any))
	}
	if len(fields) < 300 {
		t.Errorf("the CRD has %d fields only", len(fields))
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if !shown[field] && !strings.HasPrefix(field, "status.authorization") && field != "status.observedGeneration" {
			t.Errorf("no manifest shows %s", field)
		}
	}
}

// throughTypes decodes an object into our types, which must know all its fields,
// and encodes it again.
func throughTypes(t *testing.T, object map[string]any) map[string]any {
	t.Helper()
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var typed v1alpha1.OpenBaoCluster
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&typed); err != nil {
		t.Fatal(err)
	}
	if raw, err = json.Marshal(typed.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// lostFields returns the paths below which got does not hold what want holds.
// Fields that want has not do not count.
func lostFields(path string, want, got any) []string {
	var out []string
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return []string{path}
		}
		for key, value := range want {
			field, ok := object[key]
			if !ok {
				out = append(out, path+"."+key)
				continue
			}
			out = append(out, lostFields(path+"."+key, value, field)...)
		}
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return []string{path}
		}
		for i := range want {
			out = append(out, lostFields(path+"["+strconv.Itoa(i)+"]", want[i], list[i])...)
		}
	default:
		if !reflect.DeepEqual(number(want), number(got)) {
			return []string{path}
		}
	}
	return out
}

// number makes the numbers of all decoders one type.
func number(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case int:
		return float64(v)
	}
	return v
}

// show collects the paths of the fields of a document.
func show(into map[string]bool, path string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, field := range value {
			into[path+"."+key] = true
			show(into, path+"."+key, field)
		}
	case []any:
		for _, entry := range value {
			show(into, path, entry)
		}
	}
}

// declared collects the paths of the fields of a schema.
func declared(into map[string]bool, path string, schema map[string]any) {
	if items, ok := schema["items"].(map[string]any); ok {
		declared(into, path, items)
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, property := range properties {
		into[path+"."+name] = true
		declared(into, path+"."+name, property.(map[string]any))
	}
}
