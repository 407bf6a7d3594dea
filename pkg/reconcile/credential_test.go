// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// naming has each object of two kinds have the credential that its topic names.
type naming struct {
	engine *Engine
	kinds  []cache.ResourceEventHandler
	ended  []string
}

func newNaming(t *testing.T) *naming {
	t.Helper()
	n := &naming{engine: NewEngine(Options{Lanes: NewLanes(1), PollInterval: time.Hour})}
	for _, name := range []string{"one", "two"} {
		c := New(t.Context(), n.engine, Kind[*v1alpha1.KafkaTopic, struct{}, struct{}]{
			Name:               name + "-controller",
			GVK:                v1alpha1.SchemeGroupVersion.WithKind(name),
			Informer:           func(string) cache.SharedIndexInformer { return nil },
			Lane:               func(*v1alpha1.KafkaTopic) string { return "" },
			Identity:           func(*v1alpha1.KafkaTopic) string { return "" },
			Credential:         func(o *v1alpha1.KafkaTopic) string { return o.Spec.TopicName },
			CredentialUnused:   func(o *v1alpha1.KafkaTopic) { n.ended = append(n.ended, o.Spec.TopicName) },
			AnnotationsChanged: func(context.Context, *v1alpha1.KafkaTopic, *v1alpha1.KafkaTopic) {},
		})
		n.kinds = append(n.kinds, c.handlers(t.Context()))
	}
	return n
}

// holder is an object of that UID with that credential.
func holder(uid, credential string) *v1alpha1.KafkaTopic {
	o := topic(uid, named(credential))
	o.UID, o.ResourceVersion = types.UID(uid), uid
	return o
}

func (n *naming) wantEnded(t *testing.T, what string, want ...string) {
	t.Helper()
	if !slices.Equal(n.ended, want) {
		t.Errorf("%s ended %v, want %v", what, n.ended, want)
	}
	n.ended = nil
}

func TestCredentialEndsWithItsLastObject(t *testing.T) {
	n := newNaming(t)
	one, two := n.kinds[0], n.kinds[1]
	one.OnAdd(holder("a", "s"), true)
	two.OnAdd(holder("b", "s"), false)
	deleting := holder("a", "s")
	deleting.DeletionTimestamp = new(metav1.Now())
	one.OnUpdate(holder("a", "s"), deleting)
	one.OnDelete(deleting)
	n.wantEnded(t, "the first of two")
	two.OnUpdate(holder("b", "s"), holder("b", "s"))
	n.wantEnded(t, "an update")
	two.OnUpdate(holder("b", "s"), holder("b", "t"))
	n.wantEnded(t, "another credential", "s")
	if n.engine.NamesCredential("s") || !n.engine.NamesCredential("t") {
		t.Error("it has the one from before")
	}
	two.OnDelete(holder("b", "t"))
	n.wantEnded(t, "the last", "t")
	if left := len(n.engine.credentials.objects); left != 0 {
		t.Errorf("%d credentials are left", left)
	}
}

// What went while nobody watched can have gone before what names the same
// credential now, with its namespace.
func TestCredentialsOfWhatWasMissed(t *testing.T) {
	n := newNaming(t)
	kind := n.kinds[0]
	kind.OnAdd(holder("a", "s"), true)
	kind.OnAdd(holder("b", "s"), true)
	kind.OnUpdate(holder("a", "s"), holder("c", "s"))
	n.wantEnded(t, "a namesake", "s")
	kind.OnAdd(holder("d", "s"), false)
	kind.OnDelete(cache.DeletedFinalStateUnknown{Key: "b", Obj: holder("b", "s")})
	n.wantEnded(t, "a deletion at an unknown time", "s")
	kind.OnDelete(holder("c", "s"))
	n.wantEnded(t, "one of two")
	kind.OnDelete(holder("d", "s"))
	n.wantEnded(t, "the last", "s")
}

// A random walk: what is counted is what there is, and the end is told when the
// last one goes.
func TestCredentialsRandomWalk(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		n := newNaming(t)
		objects := []map[string]*v1alpha1.KafkaTopic{{}, {}}
		for step := range 300 {
			kind := r.IntN(2)
			name, credential := fmt.Sprint("o", r.IntN(6)), fmt.Sprint("s", r.IntN(3))
			old, next := objects[kind][name], holder(fmt.Sprint(name, "-", step), credential)
			switch {
			case old == nil:
				n.kinds[kind].OnAdd(next, false)
				objects[kind][name] = next
			case r.IntN(2) == 0:
				n.kinds[kind].OnDelete(old)
				delete(objects[kind], name)
			default:
				if r.IntN(4) > 0 {
					next.UID = old.UID
				}
				n.kinds[kind].OnUpdate(old, next)
				objects[kind][name] = next
			}
			has := map[string]int{}
			for _, of := range objects {
				for _, o := range of {
					has[o.Spec.TopicName]++
				}
			}
			for i := range 3 {
				credential := fmt.Sprint("s", i)
				if n.engine.NamesCredential(credential) != (has[credential] > 0) {
					t.Fatalf("seed %d, step %d: %d objects have %s", seed, step, has[credential], credential)
				}
			}
			if old != nil && has[old.Spec.TopicName] == 0 && !slices.Contains(n.ended, old.Spec.TopicName) {
				t.Fatalf("seed %d, step %d: the end of %s was not told", seed, step, old.Spec.TopicName)
			}
			n.ended = nil
		}
	}
}

// One object at a time tries a credential: one that was stopped by it, if there is
// one.
func TestWakeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{connect: &Problem{Reason: "TokenRejected", Message: "No."}}
		var objects []*v1alpha1.KafkaTopic
		for i := range 10 {
			objects = append(objects, topic(fmt.Sprint("t", i)))
		}
		f := run(t, w, objects...)
		for i := range 10 {
			f.wantReady(fmt.Sprint("t", i), metav1.ConditionFalse, "TokenRejected")
		}
		f.change(func(w *world) { w.connect = nil })
		ready := func() (n int) {
			for i := range 10 {
				if isReady(f.get(fmt.Sprint("t", i))) {
					n++
				}
			}
			return n
		}
		for range 3 {
			f.engine.WakeOne("another", "TokenRejected")
			f.settle()
		}
		if n := ready(); n != 0 {
			t.Fatalf("%d were woken for another credential", n)
		}
		for i := range 3 {
			f.engine.WakeOne("token", "TokenRejected")
			f.settle()
			if n := ready(); n != i+1 {
				t.Fatalf("%d were woken by %d calls", n, i+1)
			}
		}
		f.engine.WakeCredential("token")
		f.settle()
		if n := ready(); n != 10 {
			t.Errorf("%d were woken with all", n)
		}
		f.engine.WakeOne("token", "TokenRejected") // none is left that was stopped
	})
}
