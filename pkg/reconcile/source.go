// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// source is the informers of one kind, one per watched namespace, read as one.
type source[T Object] struct {
	informers map[string]cache.SharedIndexInformer
	synced    []cache.DoneChecker
}

func newSource[T Object](namespaces []string, informer func(namespace string) cache.SharedIndexInformer) *source[T] {
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	s := &source[T]{informers: map[string]cache.SharedIndexInformer{}}
	for _, ns := range namespaces {
		s.informers[ns] = informer(ns)
	}
	return s
}

// register adds indexers and handlers to every informer. It must be called
// before run.
func (s *source[T]) register(ctx context.Context, indexers cache.Indexers, handler cache.ResourceEventHandler) error {
	logger := klog.FromContext(ctx)
	for _, inf := range s.informers {
		if err := inf.AddIndexers(indexers); err != nil {
			return fmt.Errorf("add indexers: %w", err)
		}
		reg, err := inf.AddEventHandlerWithOptions(handler, cache.HandlerOptions{Logger: &logger})
		if err != nil {
			return fmt.Errorf("add event handler: %w", err)
		}
		s.synced = append(s.synced, reg.HasSyncedChecker())
	}
	return nil
}

// run runs the informers until ctx ends.
func (s *source[T]) run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, inf := range s.informers {
		wg.Go(func() { inf.RunWithContext(ctx) })
	}
	wg.Wait()
}

// get returns the cached object, which must not be changed.
func (s *source[T]) get(name cache.ObjectName) (obj T, ok bool) { return Cached[T](s.informers, name) }

// byIndex returns the cached objects with this index value.
func (s *source[T]) byIndex(index, value string) []T {
	var out []T
	for _, inf := range s.informers {
		// The index is one of register's.
		items, err := inf.GetIndexer().ByIndex(index, value)
		if err != nil {
			continue
		}
		for _, item := range items {
			if obj, ok := item.(T); ok {
				out = append(out, obj)
			}
		}
	}
	return out
}

// indexValues returns the values that an index has objects for.
func (s *source[T]) indexValues(index string) []string {
	var out []string
	for _, inf := range s.informers {
		out = append(out, inf.GetIndexer().ListIndexFuncValues(index)...)
	}
	return out
}
