// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
)

const (
	// CRDs that are applied together with the operator appear within seconds;
	// those that are not may never.
	discoverSoon      = 2 * time.Second
	discoverSoonUntil = time.Minute
	discoverLater     = 10 * time.Second
)

// resourceLister is the part of discovery that says what a group version has.
type resourceLister interface {
	ServerResourcesForGroupVersionWithContext(ctx context.Context, groupVersion string) (*metav1.APIResourceList, error)
}

// resourceWaiter says when the API server serves a resource. All who wait for
// resources of one group version share the requests.
type resourceWaiter struct {
	client resourceLister

	mu     sync.Mutex
	groups map[schema.GroupVersion]*groupVersion
}

// groupVersion is what was found of a group version.
type groupVersion struct {
	// turn is held while asking, by sending to it.
	turn chan struct{}
	// Guarded by turn: when it was asked first and last, and what came of it.
	first, last time.Time
	resources   []string
	err         error
}

func newResourceWaiter(client resourceLister) *resourceWaiter {
	return &resourceWaiter{client: client, groups: map[schema.GroupVersion]*groupVersion{}}
}

// await returns once the API server serves the resource, or with the error of
// ctx.
func (d *resourceWaiter) await(ctx context.Context, resource schema.GroupVersionResource) error {
	logger := klog.LoggerWithValues(klog.FromContext(ctx), "resource", resource.GroupResource().String(), "version", resource.Version)
	group := d.group(resource.GroupVersion())
	for waited := false; ; waited = true {
		served, wait, err := group.look(ctx, d.client, resource)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case served && waited:
			logger.Info("The API server serves this resource now")
			return nil
		case served:
			return nil
		case !waited && err != nil:
			logger.Info("Waiting for the API server to say what it serves", "err", err)
		case !waited:
			logger.Info("Waiting for the API server to serve this resource; is its CustomResourceDefinition installed?")
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// absent reports whether the API server said, when it was asked last, that it does
// not serve the resource. It never waits.
func (d *resourceWaiter) absent(resource schema.GroupVersionResource) bool {
	group := d.group(resource.GroupVersion())
	select {
	case group.turn <- struct{}{}:
		defer func() { <-group.turn }()
	default:
		return false
	}
	return !group.last.IsZero() && group.err == nil && !slices.Contains(group.resources, resource.Resource)
}

func (d *resourceWaiter) group(gv schema.GroupVersion) *groupVersion {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.groups[gv]
	if g == nil {
		g = &groupVersion{turn: make(chan struct{}, 1)}
		d.groups[gv] = g
	}
	return g
}

// look says whether resource is served and, if not, how long to wait before the
// next look. It asks the API server only if nobody has within that time.
func (g *groupVersion) look(ctx context.Context, client resourceLister, resource schema.GroupVersionResource) (served bool, wait time.Duration, err error) {
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return false, 0, ctx.Err()
	}
	if time.Since(g.last) >= g.interval() {
		list, err := client.ServerResourcesForGroupVersionWithContext(ctx, resource.GroupVersion().String())
		if ctx.Err() != nil {
			return false, 0, ctx.Err() // says nothing to the others
		}
		g.note(list, err)
	}
	if slices.Contains(g.resources, resource.Resource) {
		return true, 0, nil
	}
	return false, g.interval() - time.Since(g.last), g.err
}

func (g *groupVersion) note(list *metav1.APIResourceList, err error) {
	g.last = time.Now()
	if g.first.IsZero() {
		g.first = g.last
	}
	g.resources, g.err = nil, nil
	switch {
	case apierrors.IsNotFound(err): // nothing of this group version is served
	case err != nil:
		g.err = fmt.Errorf("discover resources: %w", err)
	default:
		for _, r := range list.APIResources {
			g.resources = append(g.resources, r.Name)
		}
	}
}

func (g *groupVersion) interval() time.Duration {
	if g.first.IsZero() || g.last.Sub(g.first) < discoverSoonUntil {
		return discoverSoon
	}
	return discoverLater
}
