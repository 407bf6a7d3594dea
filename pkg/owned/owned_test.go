// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package owned

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
)

var configMaps = corev1.SchemeGroupVersion.WithResource("configmaps")

// ownerOf returns an owner of a UID, which is also the controller of what it makes.
func ownerOf(uid types.UID) Owner {
	return Owner{Reference: metav1.OwnerReference{APIVersion: "openbao.org/v1alpha1", Kind: "OpenBaoCluster", Name: "prod", UID: uid, Controller: new(true)}}
}

// configMap returns an object of an owner. One that outlives has no owner reference.
func configMap(uid types.UID, outlives bool, value string) *corev1.ConfigMap {
	object := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "prod", OwnerReferences: []metav1.OwnerReference{ownerOf(uid).Reference}},
		Data:       map[string]string{"a": value},
	}
	if outlives {
		Outlive(object, ownerOf(uid))
	}
	return object
}

// stored is configMap as an API server has it.
func stored(object *corev1.ConfigMap) *corev1.ConfigMap {
	wanted, err := encode(scheme.Scheme, object)
	if err == nil {
		err = mark(wanted)
	}
	if err != nil {
		panic(err)
	}
	object.Annotations = wanted.GetAnnotations()
	object.UID, object.ResourceVersion = "stored-uid", "7"
	return object
}

// newClient returns a client that holds objects. The fake of client-go cannot apply to an
// unstructured object: the request is recorded, and answered with what is stored.
func newClient(objects ...runtime.Object) *dynamicfake.FakeDynamicClient {
	client := dynamicfake.NewSimpleDynamicClient(scheme.Scheme, objects...)
	client.PrependReactor("patch", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		got, err := client.Tracker().Get(action.GetResource(), action.GetNamespace(), action.(clienttesting.PatchAction).GetName())
		return true, got, err
	})
	return client
}

// writes returns the verbs of the requests that change something.
func writes(client *dynamicfake.FakeDynamicClient) []string {
	var verbs []string
	for _, action := range client.Actions() {
		if verb := action.GetVerb(); verb != "get" {
			verbs = append(verbs, verb)
		}
	}
	return verbs
}

func TestApply(t *testing.T) {
	for name, c := range map[string]struct {
		stored  *corev1.ConfigMap
		wanted  *corev1.ConfigMap
		change  Change
		written string
		foreign bool
	}{
		"there is none":         {nil, configMap("1", false, "x"), Created, "create", false},
		"it is as it should be": {stored(configMap("1", false, "x")), configMap("1", false, "x"), Unchanged, "", false},
		"it differs":            {stored(configMap("1", false, "y")), configMap("1", false, "x"), Applied, "patch", false},
		"it has data that is not wanted": {func() *corev1.ConfigMap {
			more := stored(configMap("1", false, "x"))
			more.Data["b"] = "y"
			return more
		}(), configMap("1", false, "x"), Applied, "patch", false},
		"it has a label that was wanted": {func() *corev1.ConfigMap {
			labelled := configMap("1", false, "x")
			labelled.Labels = map[string]string{"once": "wanted"}
			return stored(labelled)
		}(), configMap("1", false, "x"), Applied, "patch", false},
		"an earlier owner's":              {stored(configMap("2", false, "y")), configMap("1", false, "x"), Unchanged, "", true},
		"an earlier owner's, same value":  {stored(configMap("2", false, "x")), configMap("1", false, "x"), Unchanged, "", true},
		"nobody's":                        {stored(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "prod"}}), configMap("1", false, "x"), Unchanged, "", true},
		"outlives":                        {stored(configMap("1", true, "y")), configMap("1", true, "x"), Applied, "patch", false},
		"outlives and is another owner's": {stored(configMap("2", true, "x")), configMap("1", true, "x"), Unchanged, "", true},
		"outlives and is garbage-collected with somebody": {
			stored(configMap("1", false, "x")), configMap("1", true, "x"), Unchanged, "", true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var objects []runtime.Object
			if c.stored != nil {
				objects = append(objects, c.stored)
			}
			client := newClient(objects...)
			_, change, err := New(client, scheme.Scheme, "tester", nil).Apply(context.Background(), ownerOf("1"), configMaps, c.wanted)
			var conflict *ConflictError
			if errors.As(err, &conflict) != c.foreign || err != nil && !c.foreign {
				t.Fatalf("got the error %v, want a conflict: %t", err, c.foreign)
			}
			if conflict != nil && conflict.Outlives != (c.wanted.Annotations[OwnerUIDAnnotation] != "") {
				t.Errorf("the conflict says that the object outlives its owner: %t", conflict.Outlives)
			}
			if change != c.change {
				t.Errorf("got the change %q, want %q", change, c.change)
			}
			var want []string
			if c.written != "" {
				want = []string{c.written}
			}
			if got := writes(client); len(got) != len(want) || len(want) == 1 && got[0] != want[0] {
				t.Errorf("got the writes %v, want %v", got, want)
			}
		})
	}
}

// TestApplyNamesTheObjectThatItRead wants the UID in the request: the API server refuses
// it if the object is another one by then, and creates none if it is gone.
func TestApplyNamesTheObjectThatItRead(t *testing.T) {
	client := newClient(stored(configMap("1", false, "y")))
	if _, _, err := New(client, scheme.Scheme, "tester", nil).Apply(context.Background(), ownerOf("1"), configMaps, configMap("1", false, "x")); err != nil {
		t.Fatal(err)
	}
	for _, action := range client.Actions() {
		patch, ok := action.(clienttesting.PatchAction)
		if !ok {
			continue
		}
		if patch.GetPatchType() != types.ApplyPatchType {
			t.Errorf("got a patch of type %s", patch.GetPatchType())
		}
		var sent corev1.ConfigMap
		if err := runtime.DecodeInto(scheme.Codecs.UniversalDeserializer(), patch.GetPatch(), &sent); err != nil {
			t.Fatal(err)
		}
		if sent.UID != "stored-uid" {
			t.Errorf("the request names the UID %q", sent.UID)
		}
		return
	}
	t.Error("nothing was applied")
}

// TestApplyFromCache wants no request for what a cache holds as it should be, and a look
// at the API server otherwise.
func TestApplyFromCache(t *testing.T) {
	cached := stored(configMap("1", false, "x"))
	lookup := func(schema.GroupVersionResource, string, string) (runtime.Object, bool) { return cached, true }
	client := newClient(stored(configMap("1", false, "x")))
	keeper := New(client, scheme.Scheme, "tester", lookup)
	if _, change, err := keeper.Apply(context.Background(), ownerOf("1"), configMaps, configMap("1", false, "x")); err != nil || change != Unchanged {
		t.Fatalf("got %q, %v", change, err)
	}
	if got := client.Actions(); len(got) != 0 {
		t.Errorf("there are requests: %v", got)
	}
	cached.Data["a"] = "old"
	if _, change, err := keeper.Apply(context.Background(), ownerOf("1"), configMaps, configMap("1", false, "x")); err != nil || change != Unchanged {
		t.Fatalf("got %q, %v", change, err)
	}
	if got := client.Actions(); len(got) != 1 || got[0].GetVerb() != "get" {
		t.Errorf("an old cache led to %v", got)
	}
}

func TestAbsent(t *testing.T) {
	for name, c := range map[string]struct {
		stored *corev1.ConfigMap
		change Change
	}{
		"there is none":      {nil, Unchanged},
		"the owner's":        {stored(configMap("1", false, "x")), Deleted},
		"outlives the owner": {stored(configMap("1", true, "x")), Deleted},
		"another owner's":    {stored(configMap("2", false, "x")), Unchanged},
		"nobody's":           {stored(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "prod"}}), Unchanged},
	} {
		t.Run(name, func(t *testing.T) {
			var objects []runtime.Object
			if c.stored != nil {
				objects = append(objects, c.stored)
			}
			client := newClient(objects...)
			change, err := New(client, scheme.Scheme, "tester", nil).Absent(context.Background(), ownerOf("1"), configMaps, "ns", "prod")
			if err != nil || change != c.change {
				t.Fatalf("got %q, %v, want %q", change, err, c.change)
			}
			deleted := 0
			for _, action := range client.Actions() {
				remove, ok := action.(clienttesting.DeleteActionImpl)
				if !ok {
					continue
				}
				deleted++
				p := remove.DeleteOptions.Preconditions
				if p == nil || p.UID == nil || *p.UID != "stored-uid" || p.ResourceVersion == nil || *p.ResourceVersion != "7" {
					t.Errorf("the request has the preconditions %+v", p)
				}
			}
			if (deleted == 1) != (c.change == Deleted) {
				t.Errorf("there are %d requests to delete", deleted)
			}
		})
	}
}
