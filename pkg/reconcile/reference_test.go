// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// An object that names another in its tags is looked at again when that one
// appears, changes or goes, and only then.
func TestReferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := func(o *v1alpha1.KafkaTopic) { o.Spec.Tags = []v1alpha1.KafkaTopicTag{{Key: "b"}} }
		var seen atomic.Int32
		remote := map[string]bool{"a": true, "b": true, "c": true}
		w := &world{remote: remote, observed: func(name string) {
			if name == "a" {
				seen.Add(1)
			}
		}}
		f := run(t, w, topic("a", names))
		ref := Reference{Kind: "KafkaTopic", Name: cache.NewObjectName("ns", "b")}
		if obj, err := f.engine.Object(ref); obj != nil || err != nil {
			t.Fatalf("got %v, %v for what does not exist", obj, err)
		}
		looks := func() int { return int(seen.Swap(0)) }
		looks()
		f.add(topic("c"))
		f.settle()
		if n := looks(); n != 0 {
			t.Errorf("%d looks for another object", n)
		}
		f.add(topic("b"))
		f.settle()
		if looks() == 0 {
			t.Error("no look when the object appears")
		}
		if obj, err := f.engine.Object(ref); err != nil || obj == nil || obj.GetName() != "b" {
			t.Errorf("got %v, %v", obj, err)
		}
		f.update("b", func(o *v1alpha1.KafkaTopic) { o.Status.State = "other" })
		if looks() == 0 {
			t.Error("no look when the object changes")
		}
		if err := f.client.AivenV1alpha1().KafkaTopics("ns").Delete(f.ctx, "b", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		f.settle()
		if looks() == 0 {
			t.Error("no look when the object goes")
		}
		if got := f.engine.Referenced("KafkaTopic"); len(got) != 1 || got[0] != ref.Name {
			t.Errorf("objects refer to %v, want only %s", got, ref.Name)
		}
		if got := f.engine.Referenced(KindSecret); len(got) != 0 {
			t.Errorf("objects refer to the Secrets %v", got)
		}
		looks()
		f.engine.WakeReferrers(Reference{Kind: "KafkaTopic", Name: cache.NewObjectName("ns", "c")})
		f.settle()
		if n := looks(); n != 0 {
			t.Errorf("%d looks for what the object does not name", n)
		}
		f.engine.WakeReferrers(ref)
		f.settle()
		if looks() == 0 {
			t.Error("no look when the object is woken by what it names")
		}
		var problem *Problem
		if _, err := f.engine.Object(Reference{Kind: "Other", Name: ref.Name}); !errors.As(err, &problem) || problem.Reason != ReasonReferenceUnknown {
			t.Errorf("got %v for a kind without a controller", err)
		}
	})
}
