// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/cache"

	"github.com/bailiwick-operator/bailiwick/tests/internal/progress"
)

// applyAndWatch applies objects with kubectl, prints how their readiness
// changes, and returns when all are Ready.
func (d *demo) applyAndWatch(ctx context.Context, objects []*unstructured.Unstructured) error {
	t := newTracker(objects)
	stop, err := d.watch(ctx, objects, t)
	if err != nil {
		return err
	}
	defer stop()

	manifest, err := manifestOf(objects)
	if err != nil {
		return err
	}
	if _, err := d.runKubectl(ctx, manifest, "apply", "-f", "-"); err != nil {
		return err
	}
	timeout := time.NewTimer(d.timeout)
	defer timeout.Stop()
	beat := time.NewTicker(progress.Heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-t.allReady:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-d.operator.done:
			return d.operator.ended()
		case <-beat.C:
			d.out.Line("  still waiting for %s", strings.Join(t.pendingNames(), ", "))
		case <-timeout.C:
			return fmt.Errorf("after %s these are not Ready:\n%s%s", d.timeout, strings.Join(t.pending(), "\n"), d.operator.logTail())
		}
	}
}

// watch feeds the tracker from informers until the returned function is called.
func (d *demo) watch(ctx context.Context, objects []*unstructured.Unstructured, t *tracker) (stop func(), err error) {
	groups, err := restmapper.GetAPIGroupResources(d.kube.Discovery())
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	informers := dynamicinformer.NewFilteredDynamicSharedInformerFactory(d.dynamic, 0, namespace, nil)
	watched := map[schema.GroupVersionKind]bool{}
	for _, object := range objects {
		kind := object.GroupVersionKind()
		if watched[kind] {
			continue
		}
		watched[kind] = true
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			return nil, err
		}
		see := func(obj any) {
			if line, changed := t.observe(obj.(*unstructured.Unstructured)); changed {
				d.out.Line("  %s", line)
			}
		}
		_, err = informers.ForResource(mapping.Resource).Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    see,
			UpdateFunc: func(_, obj any) { see(obj) },
		})
		if err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	stop = func() { cancel(); informers.Shutdown() }
	informers.Start(ctx.Done())
	for resource, synced := range informers.WaitForCacheSync(ctx.Done()) {
		if !synced {
			stop()
			return nil, fmt.Errorf("watching %s: %w", resource, context.Cause(ctx))
		}
	}
	return stop, nil
}

// manifestOf renders objects for kubectl, which reads JSON too.
func manifestOf(objects []*unstructured.Unstructured) (string, error) {
	list := map[string]any{"apiVersion": "v1", "kind": "List", "items": objects}
	out, err := json.Marshal(list)
	return string(out), err
}
