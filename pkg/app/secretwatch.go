// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// accessRetry is how long to wait before asking again what this process may do.
const accessRetry = 10 * time.Second

// secretWatch reports to a handler changes to the metadata of Secrets, in the
// namespaces where this process may watch Secrets. Where it may not, they are read
// less often and nothing is lost.
type secretWatch struct {
	// otherwise says what happens without the watch.
	otherwise  string
	reviews    authorizationclient.SelfSubjectAccessReviewInterface
	metadata   metadata.Interface
	namespaces []string
	// selector limits the watch to some Secrets; empty means all.
	selector string
	trim     cache.TransformFunc
	// granted, if not nil, is called with a namespace that is going to be watched.
	granted func(namespace string)
	handler cache.ResourceEventHandler
}

// run watches until ctx ends.
func (w *secretWatch) run(ctx context.Context) {
	namespaces := w.namespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	var wg sync.WaitGroup
	for _, ns := range namespaces {
		wg.Go(func() {
			logger := klog.LoggerWithValues(klog.FromContext(ctx), "namespace", ns)
			if err := w.watch(klog.NewContext(ctx, logger), ns); err != nil {
				logger.Error(err, "Can't watch Secrets", "otherwise", w.otherwise)
			}
		})
	}
	wg.Wait()
}

func (w *secretWatch) watch(ctx context.Context, namespace string) error {
	if !w.allowed(ctx, namespace) {
		return nil
	}
	if w.granted != nil {
		w.granted(namespace)
	}
	informer := metadatainformer.NewFilteredMetadataInformer(w.metadata, corev1.SchemeGroupVersion.WithResource("secrets"),
		namespace, 0, cache.Indexers{}, func(o *metav1.ListOptions) { o.LabelSelector = w.selector }).Informer()
	if err := informer.SetTransform(w.trim); err != nil {
		return fmt.Errorf("set transform: %w", err)
	}
	logger := klog.FromContext(ctx)
	if _, err := informer.AddEventHandlerWithOptions(w.handler, cache.HandlerOptions{Logger: &logger}); err != nil {
		return fmt.Errorf("add event handler: %w", err)
	}
	informer.RunWithContext(ctx)
	return nil
}

// allowed asks the API server once; rights that are granted later count from
// the next start. It is false when ctx ends first.
func (w *secretWatch) allowed(ctx context.Context, namespace string) bool {
	logger := klog.FromContext(ctx)
	for _, verb := range []string{"list", "watch"} {
		for reported := false; ; {
			review, err := w.reviews.Create(ctx, &authorizationv1.SelfSubjectAccessReview{
				Spec: authorizationv1.SelfSubjectAccessReviewSpec{
					ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Version: "v1", Resource: "secrets"},
				},
			}, metav1.CreateOptions{})
			if err == nil && !review.Status.Allowed {
				logger.Info("This process may not watch Secrets", "verb", verb, "otherwise", w.otherwise)
				return false
			}
			if err == nil {
				break
			}
			if !reported && ctx.Err() == nil {
				logger.Info("Can't ask the API server for access to Secrets yet", "err", err)
				reported = true
			}
			select {
			case <-ctx.Done():
				return false
			case <-time.After(accessRetry):
			}
		}
	}
	return true
}
