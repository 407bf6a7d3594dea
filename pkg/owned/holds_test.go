// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package owned

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
)

func TestHolds(t *testing.T) {
	for name, c := range map[string]struct {
		live, wanted string
		want         bool
	}{
		"equal":                       {`{"spec":{"a":1}}`, `{"spec":{"a":1}}`, true},
		"a default":                   {`{"spec":{"a":1,"b":"x"}}`, `{"spec":{"a":1}}`, true},
		"another value":               {`{"spec":{"a":2}}`, `{"spec":{"a":1}}`, false},
		"another type":                {`{"spec":{"a":"1"}}`, `{"spec":{"a":1}}`, false},
		"missing":                     {`{"spec":{}}`, `{"spec":{"a":1}}`, false},
		"missing object":              {`{}`, `{"spec":{"a":1}}`, false},
		"false for absent":            {`{}`, `{"a":false}`, true},
		"zero for absent":             {`{}`, `{"a":0}`, true},
		"empty text for absent":       {`{}`, `{"a":""}`, true},
		"false for true":              {`{"a":true}`, `{"a":false}`, false},
		"empty object for absent":     {`{}`, `{"a":{}}`, true},
		"empty list for absent":       {`{}`, `{"a":[]}`, true},
		"empty list for a list":       {`{"a":[1]}`, `{"a":[]}`, false},
		"object for a list":           {`{"a":[1]}`, `{"a":{}}`, false},
		"defaults in a list":          {`{"a":[{"name":"x","protocol":"TCP"}]}`, `{"a":[{"name":"x"}]}`, true},
		"order of a list":             {`{"a":["x","y"]}`, `{"a":["y","x"]}`, false},
		"longer list":                 {`{"a":["x","y"]}`, `{"a":["x"]}`, false},
		"shorter list":                {`{"a":["x"]}`, `{"a":["x","y"]}`, false},
		"an annotation of others":     {`{"metadata":{"annotations":{"a":"1","other":"2"}}}`, `{"metadata":{"annotations":{"a":"1"}}}`, true},
		"an annotation that is wrong": {`{"metadata":{"annotations":{"a":"2"}}}`, `{"metadata":{"annotations":{"a":"1"}}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			var live, wanted map[string]any
			if err := json.Unmarshal([]byte(c.live), &live); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(c.wanted), &wanted); err != nil {
				t.Fatal(err)
			}
			if got := holds(live, wanted); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
		})
	}
}

// TestHoldsNumbers compares numbers as the API's decoder and encoding/json have them.
func TestHoldsNumbers(t *testing.T) {
	if !holds(map[string]any{"a": int64(3)}, map[string]any{"a": float64(3)}) {
		t.Error("the same number in two types differs")
	}
	if holds(map[string]any{"a": int64(3)}, map[string]any{"a": float64(4)}) {
		t.Error("different numbers are equal")
	}
}

func TestEncode(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	pod.Status.Phase = corev1.PodRunning
	pod.Spec.Containers = []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1024Mi")},
	}}}
	wanted, err := encode(scheme.Scheme, pod)
	if err != nil {
		t.Fatal(err)
	}
	if wanted.GetKind() != "Pod" || wanted.GetAPIVersion() != "v1" {
		t.Errorf("got kind %s of %s", wanted.GetKind(), wanted.GetAPIVersion())
	}
	if _, there := wanted.Object["status"]; there {
		t.Error("a status is sent")
	}
	if _, there := wanted.Object["metadata"].(map[string]any)["creationTimestamp"]; there {
		t.Error("a creation time without a value is sent")
	}
	live := pod.DeepCopy()
	live.Spec.Containers[0].Resources.Requests[corev1.ResourceMemory] = resource.MustParse("1Gi")
	stored, err := encode(scheme.Scheme, live)
	if err != nil {
		t.Fatal(err)
	}
	if !holds(stored.Object, wanted.Object) {
		t.Error("one quantity in two spellings differs")
	}
}
