// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// Informed is the life of a controller that has its informers for itself.
type Informed struct {
	// Name names its logger.
	Name string
	// Resource is what it is about. Await returns once the API server serves it, or with
	// the error of a context that ended first; nil does not wait.
	Resource schema.GroupVersionResource
	Await    func(ctx context.Context, resource schema.GroupVersionResource) error

	served, synced atomic.Bool
}

// Watch is an informer, and what hears of its events.
type Watch struct {
	Informer cache.SharedIndexInformer
	Handler  cache.ResourceEventHandler
}

// HasSynced reports whether the caches have filled. A kind that the API server does not
// serve yet counts as filled.
func (i *Informed) HasSynced() bool { return !i.served.Load() || i.synced.Load() }

// Run runs the informers, and calls work once their caches have filled. The informers live
// until it returns, and no longer. waiting is what it gets for anything else that it
// starts, which ends with drain. Run returns when all of its goroutines have.
func (i *Informed) Run(ctx context.Context, drain <-chan struct{}, watches []Watch, work func(ctx, waiting context.Context)) error {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()

	// While nothing runs yet, drain has nothing to wait for.
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() {
		select {
		case <-drain:
			cancel()
		case <-waiting.Done():
		}
	})
	if i.Await != nil {
		if err := i.Await(waiting, i.Resource); err != nil {
			if waiting.Err() != nil {
				return nil
			}
			return fmt.Errorf("wait for %s to be served: %w", i.Resource.GroupResource(), err)
		}
	}
	i.served.Store(true)
	logger := klog.LoggerWithName(klog.FromContext(ctx), i.Name)
	var synced []cache.DoneChecker
	for _, watch := range watches {
		registration, err := watch.Informer.AddEventHandlerWithOptions(watch.Handler, cache.HandlerOptions{Logger: &logger})
		if err != nil {
			return fmt.Errorf("add event handler: %w", err)
		}
		synced = append(synced, registration.HasSyncedChecker())
		wg.Go(func() { watch.Informer.RunWithContext(klog.NewContext(ctx, logger)) })
	}
	if !cache.WaitFor(waiting, "", synced...) {
		return nil
	}
	i.synced.Store(true)
	work(ctx, waiting)
	return nil
}

// InformerOf returns the informer of a namespace, nil if it is not watched.
func InformerOf(informers map[string]cache.SharedIndexInformer, namespace string) cache.SharedIndexInformer {
	if informer, ok := informers[namespace]; ok {
		return informer
	}
	return informers[metav1.NamespaceAll]
}

// Cached returns an object of one of the informers, which are by namespace. It must not be
// changed.
func Cached[T any](informers map[string]cache.SharedIndexInformer, name cache.ObjectName) (object T, ok bool) {
	informer := InformerOf(informers, name.Namespace)
	if informer == nil {
		return object, false
	}
	// An error of GetByKey is that of a store which cannot fail.
	item, exists, err := informer.GetIndexer().GetByKey(name.String())
	if err != nil || !exists {
		return object, false
	}
	object, ok = item.(T)
	return object, ok
}
