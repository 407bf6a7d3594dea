// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
)

// sourceWorld is a sourceWatch on a fake API server.
type sourceWorld struct {
	*sourceWatch
	client *fake.FakeMetadataClient

	world sync.Mutex
	named []cache.ObjectName
	told  []cache.ObjectName
}

func newSourceWorld(t *testing.T) *sourceWorld {
	scheme := fake.NewTestScheme()
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	w := &sourceWorld{client: fake.NewSimpleMetadataClient(scheme)}
	w.sourceWatch = newSourceWatch(w.client,
		func() []cache.ObjectName {
			w.world.Lock()
			defer w.world.Unlock()
			return w.named
		},
		func(name cache.ObjectName) {
			w.world.Lock()
			defer w.world.Unlock()
			w.told = append(w.told, name)
		})
	return w
}

// name says which Secrets specs name.
func (w *sourceWorld) name(names ...cache.ObjectName) {
	w.world.Lock()
	defer w.world.Unlock()
	w.named = names
}

func (w *sourceWorld) secret(t *testing.T, name, version string) {
	t.Helper()
	object := &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: "uid", ResourceVersion: version},
	}
	gvr := corev1.SchemeGroupVersion.WithResource("secrets")
	_ = w.client.Tracker().Delete(gvr, "ns", name) // there need not be one
	if err := w.client.Tracker().Create(gvr, object, "ns"); err != nil {
		t.Fatal(err)
	}
}

// takeTold returns what was told since.
func (w *sourceWorld) takeTold() []cache.ObjectName {
	w.world.Lock()
	defer w.world.Unlock()
	told := w.told
	w.told = nil
	return told
}

// reads returns how many Secrets were read since.
func (w *sourceWorld) reads() int {
	n := len(w.client.Actions())
	w.client.ClearActions()
	return n
}

// Whatever happens to a Secret after a sync has read it is told within half a minute,
// and one that appears within seconds.
func TestSourceWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSourceWorld(t)
		name := func(s string) cache.ObjectName { return cache.NewObjectName("ns", s) }
		w.name(name("a"), name("b"), name("unread"))
		w.secret(t, "a", "1")
		w.secret(t, "unread", "1")
		w.read(name("a"), "uid/1")
		w.read(name("b"), "")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.run(ctx)
		}()
		after := func(d time.Duration) []cache.ObjectName {
			time.Sleep(d)
			synctest.Wait()
			return w.takeTold()
		}
		if told := after(time.Minute); len(told) != 0 {
			t.Errorf("told of %v though nothing has changed", told)
		}
		w.secret(t, "b", "2")
		if told := after(4 * time.Second); !slices.Equal(told, []cache.ObjectName{name("b")}) {
			t.Errorf("told of %v when b appears", told)
		}
		w.read(name("b"), "uid/2")
		w.secret(t, "a", "3")
		if told := after(16 * time.Second); !slices.Equal(told, []cache.ObjectName{name("a")}) {
			t.Errorf("told of %v when a changes", told)
		}
		w.read(name("a"), "uid/3")
		if told := w.takeTold(); len(told) != 0 {
			t.Errorf("told of %v when the change is read", told)
		}

		// One of two objects that name a Secret reads a change before the other.
		w.read(name("a"), "uid/4")
		if told := w.takeTold(); !slices.Equal(told, []cache.ObjectName{name("a")}) {
			t.Errorf("told of %v when another object reads a change", told)
		}
		w.secret(t, "a", "4")

		// What the operator publishes itself is looked at immediately.
		w.secret(t, "b", "5")
		w.published(name("b"))
		w.published(name("unread"))
		if told := after(0); !slices.Equal(told, []cache.ObjectName{name("b")}) {
			t.Errorf("told of %v when b is published", told)
		}

		_ = w.client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("secrets"), "ns", "a")
		if told := after(16 * time.Second); !slices.Equal(told, []cache.ObjectName{name("a")}) {
			t.Errorf("told of %v when a goes", told)
		}

		// What nobody names is neither read nor remembered.
		w.name()
		after(4 * time.Second)
		w.reads()
		if after(time.Minute); w.reads() != 0 {
			t.Error("a Secret was read that nobody names")
		}
		cancel()
		<-done
		if len(w.seen) != 0 {
			t.Errorf("remembers %v", w.seen)
		}
	})
}

// A Secret that can't be read is nothing to tell of: whoever names it reports that.
func TestSourceWatchWithoutRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSourceWorld(t)
		a := cache.NewObjectName("ns", "a")
		w.name(a)
		w.read(a, "uid/1")
		w.client.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(corev1.Resource("secrets"), "a", nil)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w.run(ctx)
		if told := w.takeTold(); len(told) != 0 {
			t.Errorf("told of %v", told)
		}
	})
}

// Events of a watch tell of a change immediately, once.
func TestSourceEvents(t *testing.T) {
	w := newSourceWorld(t)
	a := cache.NewObjectName("ns", "a")
	w.read(a, "")
	secret := func(name, version string) *metav1.PartialObjectMetadata {
		trimmed, err := trimToVersion(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: name, UID: "uid", ResourceVersion: version, Annotations: map[string]string{"a": "b"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if got := trimmed.(*metav1.PartialObjectMetadata); got.Annotations != nil {
			t.Errorf("annotations are kept: %v", got)
		}
		return trimmed.(*metav1.PartialObjectMetadata)
	}
	h := w.handler()
	h.OnAdd(secret("other", "1"), false)
	h.OnAdd(secret("a", "2"), false)
	h.OnUpdate(nil, secret("a", "2"))
	if told := w.takeTold(); !slices.Equal(told, []cache.ObjectName{a}) {
		t.Errorf("told of %v when it appears", told)
	}
	h.OnUpdate(nil, secret("a", "3"))
	h.OnDelete(cache.DeletedFinalStateUnknown{Key: "ns/a", Obj: secret("a", "3")})
	if told := w.takeTold(); !slices.Equal(told, []cache.ObjectName{a, a}) {
		t.Errorf("told of %v when it changes and goes", told)
	}
}
