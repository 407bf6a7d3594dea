// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/yaml"

	aivenac "github.com/bailiwick-operator/bailiwick/generated/applyconfiguration/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/generated/clientset/versioned/fake"
)

// TestFakeApply shows that the fake clientset merges our types as the API server
// does: conditions by type and per field manager. It fails when the apply
// configurations are generated without the OpenAPI definitions.
func TestFakeApply(t *testing.T) {
	ctx := t.Context()
	topics := fake.NewClientset().AivenV1alpha1().KafkaTopics("default")
	spec := aivenac.KafkaTopic("orders", "default").WithSpec(
		aivenac.KafkaTopicSpec().WithProject("p").WithServiceName("s").WithPartitions(3).WithReplication(2))
	if _, err := topics.Apply(ctx, spec, metav1.ApplyOptions{FieldManager: "user"}); err != nil {
		t.Fatalf("Apply: %v", err)
	}

	for manager, condition := range map[string]string{"first": "Ready", "second": "Running"} {
		status := aivenac.KafkaTopic("orders", "default").WithStatus(aivenac.KafkaTopicStatus().WithConditions(
			metav1ac.Condition().WithType(condition).WithStatus(metav1.ConditionTrue).
				WithReason("Test").WithMessage("").WithLastTransitionTime(metav1.Now())))
		if _, err := topics.ApplyStatus(ctx, status, metav1.ApplyOptions{FieldManager: manager}); err != nil {
			t.Fatalf("ApplyStatus by %s: %v", manager, err)
		}
	}

	got, err := topics.Get(ctx, "orders", metav1.GetOptions{})
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	if got.Spec.Partitions != 3 || got.Spec.Project != "p" {
		t.Errorf("spec is %+v, want the applied one", got.Spec)
	}
	for _, condition := range []string{"Ready", "Running"} {
		if !meta.IsStatusConditionTrue(got.Status.Conditions, condition) {
			t.Errorf("condition %s is gone, status is %+v", condition, got.Status)
		}
	}
}

// TestClientResources compares the resource names of the typed clients, which
// client-gen derives from the kinds, with those of the CRDs.
func TestClientResources(t *testing.T) {
	plurals := crdPlurals(t)
	cs := fake.NewClientset()
	group := reflect.ValueOf(cs.AivenV1alpha1())
	for i := range group.NumMethod() {
		method := group.Method(i)
		name := group.Type().Method(i).Name
		if method.Type().NumIn() != 1 || method.Type().In(0).Kind() != reflect.String {
			continue
		}
		cs.ClearActions()
		list := method.Call([]reflect.Value{reflect.ValueOf("default")})[0].MethodByName("List")
		list.Call([]reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(metav1.ListOptions{})})
		resource := cs.Actions()[0].GetResource()
		if !plurals[resource.GroupResource().String()] {
			t.Errorf("%s() uses the resource %s, which no CRD serves", name, resource.GroupResource())
		}
		delete(plurals, resource.GroupResource().String())
	}
	for name := range plurals {
		t.Errorf("no client for the CRD %s", name)
	}
}

// crdPlurals returns the names of our CRDs, plural.group.
func crdPlurals(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../../../../manifests/crds/aiven.io_*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no CRDs found: %v", err)
	}
	out := map[string]bool{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd metav1.PartialObjectMetadata
		if err := yaml.Unmarshal(data, &crd); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out[crd.Name] = true
	}
	return out
}
