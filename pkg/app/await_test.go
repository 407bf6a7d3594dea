// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

type fakeDiscovery struct {
	mu        sync.Mutex
	resources map[string][]string
	err       error
	calls     map[string]int
}

func (f *fakeDiscovery) ServerResourcesForGroupVersionWithContext(_ context.Context, gv string) (*metav1.APIResourceList, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[gv]++
	if f.err != nil {
		return nil, f.err
	}
	if f.resources[gv] == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{}, "")
	}
	list := &metav1.APIResourceList{}
	for _, r := range f.resources[gv] {
		list.APIResources = append(list.APIResources, metav1.APIResource{Name: r})
	}
	return list, nil
}

func (f *fakeDiscovery) set(gv string, resources ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resources[gv] = resources
}

// count returns how often a group version was asked for.
func (f *fakeDiscovery) count(gv string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[gv]
}

func TestAwait(t *testing.T) {
	kafka := schema.GroupVersionResource{Group: "aiven.io", Version: "v1alpha1", Resource: "kafkas"}
	topics := kafka.GroupVersion().WithResource("kafkatopics")
	bao := schema.GroupVersionResource{Group: "openbao.org", Version: "v1alpha1", Resource: "openbaoclusters"}
	synctest.Test(t, func(t *testing.T) {
		f := &fakeDiscovery{resources: map[string][]string{}, calls: map[string]int{}, err: errors.New("starting")}
		w := newResourceWaiter(f)
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan string, 100)
		wait := func(r schema.GroupVersionResource) {
			go func() {
				if err := w.await(ctx, r); err == nil {
					served <- r.Resource
				}
			}()
		}
		for range 20 {
			wait(kafka)
			wait(topics)
		}
		wait(bao)
		synctest.Wait()
		if f.count("aiven.io/v1alpha1") != 1 {
			t.Errorf("%d requests for one group version at once", f.count("aiven.io/v1alpha1"))
		}
		f.mu.Lock()
		f.err = nil
		f.mu.Unlock()

		time.Sleep(10*time.Second - 1)
		if n := f.count("aiven.io/v1alpha1"); n != 5 {
			t.Errorf("%d requests in the first 10 s, want one every 2 s", n)
		}
		f.set("aiven.io/v1alpha1", "kafkas")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(served) != 20 {
			t.Errorf("%d of 20 were told", len(served))
		}
		for len(served) > 0 {
			if r := <-served; r != "kafkas" {
				t.Errorf("%s counts as served", r)
			}
		}

		time.Sleep(2 * time.Minute)
		before := f.count("aiven.io/v1alpha1")
		time.Sleep(10 * time.Minute)
		if n := f.count("aiven.io/v1alpha1") - before; n != 60 {
			t.Errorf("%d requests in 10 minutes, want one every 10 s", n)
		}
		f.set("aiven.io/v1alpha1", "kafkas", "kafkatopics")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(served) != 20 {
			t.Errorf("%d of 20 were told", len(served))
		}

		before = f.count("aiven.io/v1alpha1")
		time.Sleep(time.Hour)
		if n := f.count("aiven.io/v1alpha1") - before; n != 0 {
			t.Errorf("%d requests with nobody waiting", n)
		}
		stop()
		if err := w.await(ctx, bao); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// Only what the API server said counts: before an answer, and after a failure,
// nothing is known to be absent.
func TestAbsent(t *testing.T) {
	kafka := schema.GroupVersionResource{Group: "aiven.io", Version: "v1alpha1", Resource: "kafkas"}
	synctest.Test(t, func(t *testing.T) {
		f := &fakeDiscovery{resources: map[string][]string{}, calls: map[string]int{}, err: errors.New("starting")}
		w := newResourceWaiter(f)
		check := func(when string, want bool) {
			t.Helper()
			if got := w.absent(kafka); got != want {
				t.Errorf("absent %s = %v, want %v", when, got, want)
			}
		}
		check("before anybody asked", false)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = w.await(ctx, kafka) }()
		synctest.Wait()
		check("after a failure", false)
		f.mu.Lock()
		f.err = nil
		f.mu.Unlock()
		time.Sleep(discoverSoon + time.Second)
		check("after an answer without it", true)
		f.set("aiven.io/v1alpha1", "kafkas")
		time.Sleep(discoverSoon + time.Second)
		check("after an answer with it", false)
		stop()
		<-ended
	})
}
