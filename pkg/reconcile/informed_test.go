// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubeinformers "k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
)

func TestInformed(t *testing.T) {
	stored := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "x"}}
	for name, tc := range map[string]struct {
		await           error
		drained, ended  bool
		works, hasError bool
	}{
		"served":                      {works: true},
		"never served":                {await: errors.New("no"), hasError: true},
		"drained before it is served": {await: context.Canceled, drained: true},
		"ended before it is served":   {await: context.Canceled, ended: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				informer := kubeinformers.NewSharedInformerFactory(fake.NewClientset(stored), 0).Core().V1().Secrets().Informer()
				life := &Informed{Name: "test", Await: func(ctx context.Context, _ schema.GroupVersionResource) error {
					if errors.Is(tc.await, context.Canceled) {
						<-ctx.Done()
					}
					return tc.await
				}}
				if !life.HasSynced() {
					t.Error("what is not served yet has to count as filled")
				}
				ctx, end := context.WithCancel(t.Context())
				defer end()
				drain := make(chan struct{})
				if tc.drained {
					close(drain)
				}
				if tc.ended {
					end()
				}
				heard, worked := 0, false
				err := life.Run(ctx, drain, []Watch{{informer, cache.ResourceEventHandlerFuncs{AddFunc: func(any) { heard++ }}}}, func(ctx, waiting context.Context) {
					worked = true
					if !life.HasSynced() || heard != 1 {
						t.Errorf("it works, its caches have filled: %t, and it has heard of %d objects", life.HasSynced(), heard)
					}
					if _, ok := Cached[*corev1.Secret](map[string]cache.SharedIndexInformer{metav1.NamespaceAll: informer}, cache.NewObjectName("ns", "x")); !ok {
						t.Error("the object is not found")
					}
					if _, ok := Cached[*corev1.Secret](map[string]cache.SharedIndexInformer{"other": informer}, cache.NewObjectName("ns", "x")); ok {
						t.Error("an object of a namespace that is not watched is found")
					}
					close(drain)
					<-waiting.Done()
					if ctx.Err() != nil || informer.IsStopped() {
						t.Error("the informers end before the work")
					}
				})
				if worked != tc.works || (err != nil) != tc.hasError {
					t.Errorf("worked: %t, and got %v", worked, err)
				}
				if worked && !informer.IsStopped() {
					t.Error("the informer outlives Run")
				}
			})
		})
	}
}
