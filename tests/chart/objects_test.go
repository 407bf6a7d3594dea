// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

const manifests = "../../manifests"

// objects are by kind, namespace and name.
type objects map[string]*unstructured.Unstructured

// parse reads documents of YAML. Two of the same object are an error.
func parse(t testing.TB, text string) objects {
	t.Helper()
	out := objects{}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict(document, &object.Object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if len(object.Object) == 0 {
			continue
		}
		key := fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName())
		if out[key] != nil {
			t.Errorf("%s is there twice", key)
		}
		out[key] = object
	}
}

// kustomize renders a folder of the manifests.
func kustomize(t testing.TB, folder string) objects {
	t.Helper()
	kubectl, err := stack.Tool("kubectl")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), kubectl, "kustomize", manifests+"/"+folder).Output()
	if err != nil {
		t.Fatalf("kubectl kustomize %s: %v", folder, err)
	}
	return parse(t, string(out))
}

// render is helm template of the release bailiwick in bailiwick-system, without tests.
func render(t testing.TB, h *Helm, values string, args ...string) objects {
	t.Helper()
	return parse(t, renderText(t, h, "bailiwick", "bailiwick-system", values, args...))
}

func renderText(t testing.TB, h *Helm, release, namespace, values string, args ...string) string {
	t.Helper()
	out, err := h.Run(t.Context(), append([]string{
		"template", release, Dir, "--namespace", namespace, "--skip-tests", "--values", Values(t, values),
	}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// withoutHelm takes out what only Helm has: its labels, and the annotation that keeps
// CRDs.
func withoutHelm(o objects) objects {
	for _, object := range o {
		strip(object.Object)
		if a := object.GetAnnotations(); a["helm.sh/resource-policy"] == "keep" {
			delete(a, "helm.sh/resource-policy")
			object.SetAnnotations(a)
		}
	}
	return o
}

func strip(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, label := range []string{"helm.sh/chart", "app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by"} {
			delete(v, label)
		}
		for _, field := range v {
			strip(field)
		}
	case []any:
		for _, entry := range v {
			strip(entry)
		}
	}
}

// equal reports every difference.
func equal(t testing.TB, got, want objects) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] == nil {
			t.Errorf("the chart has no %s", key)
			continue
		}
		for _, d := range differences("", got[key].Object, want[key].Object) {
			t.Errorf("%s: %s", key, d)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if want[key] == nil {
			t.Errorf("only the chart has %s", key)
		}
	}
}

func differences(path string, got, want any) []string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		var out []string
		both := maps.Clone(w)
		maps.Copy(both, g)
		for _, name := range slices.Sorted(maps.Keys(both)) {
			out = append(out, differences(path+"."+name, g[name], w[name])...)
		}
		return out
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			break
		}
		var out []string
		for i := range w {
			out = append(out, differences(fmt.Sprintf("%s[%d]", path, i), g[i], w[i])...)
		}
		return out
	default:
		if got == want {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s is %v, want %v", path, got, want)}
}

// deployments are those of a rendering, by name.
func deployments(t testing.TB, o objects) map[string]*appsv1.Deployment {
	t.Helper()
	found := map[string]*appsv1.Deployment{}
	for _, object := range o {
		if object.GetKind() == "Deployment" {
			d := &appsv1.Deployment{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, d, true); err != nil {
				t.Fatal(err)
			}
			found[d.Name] = d
		}
	}
	return found
}

// deployment is the one of a rendering that does not run servers.
func deployment(t testing.TB, o objects) *appsv1.Deployment {
	t.Helper()
	found := deployments(t, o)
	maps.DeleteFunc(found, func(name string, _ *appsv1.Deployment) bool { return strings.HasSuffix(name, "-servers") })
	for _, d := range found {
		if len(found) == 1 {
			return d
		}
	}
	t.Fatalf("%d Deployments, want one", len(found))
	return nil
}
