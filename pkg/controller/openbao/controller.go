// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubescheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/owned"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

const (
	// Name names the controller, its queue and its logger.
	Name = "openbao-servers"
	// Selected is what --controllers calls it.
	Selected = "OpenBaoServers"
	// FieldManager owns what this package writes.
	FieldManager = "bailiwick-servers"
	// kind is the kind of the objects.
	kind = "OpenBaoCluster"
	// syncsAtOnce is how many clusters are reconciled in parallel. One that takes longer
	// than patience, since its servers hang, does not count any more.
	syncsAtOnce = 16
	patience    = 10 * time.Second
)

// Resource is what the controller watches.
var Resource = openbaov1alpha1.Resource("openbaoclusters").WithVersion(openbaov1alpha1.GroupVersion.Version)

// ObjectSelector selects the objects of clusters.
const ObjectSelector = "app.kubernetes.io/managed-by=bailiwick," + workload.LabelCluster

// Controller runs the servers of clusters.
type Controller struct {
	opts      Options
	informers map[string]cache.SharedIndexInformer
	owned     map[schema.GroupVersionResource]map[string]cache.SharedIndexInformer
	loop      *reconcile.Loop
	keeper    *owned.Keeper
	written   *reconcile.Writes[*openbaov1alpha1.OpenBaoCluster]
	access    *server.Access
	logins    *server.Sessions
	memories  *memories
	life      reconcile.Informed
}

// New returns a controller that does nothing before Run.
func New(ctx context.Context, opts Options) (*Controller, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	namespace, name, _ := authz.ParseSubject(opts.Subject)
	c := &Controller{
		opts:      opts,
		informers: map[string]cache.SharedIndexInformer{},
		owned:     map[schema.GroupVersionResource]map[string]cache.SharedIndexInformer{},
		written:   reconcile.NewWrites[*openbaov1alpha1.OpenBaoCluster](),
		access: server.New(server.Options{
			Secrets: opts.Kube.CoreV1(), ServiceAccounts: opts.Kube.CoreV1(), Self: server.Account{Namespace: namespace, Name: name},
			AllowLocal: opts.AllowLocalAddresses, Connect: opts.Connect, CountLogin: opts.CountLogin,
		}),
		logins:   server.NewSessions(),
		memories: newMemories(),
		life:     reconcile.Informed{Name: Name, Resource: Resource, Await: opts.Await},
	}
	for _, namespace := range opts.Namespaces {
		c.informers[namespace] = opts.Informer(namespace)
	}
	for _, resource := range WatchedResources() {
		c.owned[resource] = map[string]cache.SharedIndexInformer{}
		for _, namespace := range opts.Namespaces {
			c.owned[resource][namespace] = opts.Owned(resource, namespace)
		}
	}
	c.keeper = owned.New(opts.Dynamic, kubescheme.Scheme, FieldManager, c.cached)
	c.loop = reconcile.NewLoop(ctx, reconcile.LoopOptions{
		Name:   Name,
		Sync:   c.sync,
		Lane:   func(name cache.ObjectName) string { return name.String() },
		Lanes:  reconcile.NewLanes(1),
		Places: reconcile.NewPlaces(syncsAtOnce, patience),
	})
	return c, nil
}

// HasSynced reports whether the caches have filled. A kind that the API server does not
// serve yet counts as filled.
func (c *Controller) HasSynced() bool { return c.life.HasSynced() }

// Run works until drain is closed and the syncs under way have ended, or until ctx ends.
// It returns when all of its goroutines have and its logins are revoked.
func (c *Controller) Run(ctx context.Context, drain <-chan struct{}) error {
	var watches []reconcile.Watch
	for _, informer := range c.informers {
		watches = append(watches, reconcile.Watch{Informer: informer, Handler: c.clusterEvents()})
	}
	for _, byNamespace := range c.owned {
		for _, informer := range byNamespace {
			watches = append(watches, reconcile.Watch{Informer: informer, Handler: c.objectEvents()})
		}
	}
	return c.life.Run(ctx, drain, watches, func(ctx, _ context.Context) {
		c.loop.Run(ctx, drain)
		// Nothing uses the logins any more.
		c.logins.EndAll(klog.NewContext(ctx, klog.LoggerWithName(klog.FromContext(ctx), Name)))
	})
}

// clusterEvents enqueues the clusters that change, but for what this package writes.
func (c *Controller) clusterEvents() cache.ResourceEventHandler {
	enqueue := func(item any) {
		if name, err := cache.DeletionHandlingObjectToName(item); err == nil {
			c.loop.Enqueue(name)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: enqueue,
		UpdateFunc: func(before, after any) {
			old, ok1 := before.(*openbaov1alpha1.OpenBaoCluster)
			obj, ok2 := after.(*openbaov1alpha1.OpenBaoCluster)
			if !ok1 || !ok2 {
				return
			}
			if old.UID != obj.UID || old.Generation != obj.Generation || !obj.DeletionTimestamp.Equal(old.DeletionTimestamp) ||
				authorizationOf(old) != authorizationOf(obj) || triggerOf(old) != triggerOf(obj) {
				enqueue(obj)
			}
		},
		DeleteFunc: enqueue,
	}
}

// objectEvents enqueues the cluster of an object that changes.
func (c *Controller) objectEvents() cache.ResourceEventHandler {
	enqueue := func(item any) {
		if tomb, ok := item.(cache.DeletedFinalStateUnknown); ok {
			item = tomb.Obj
		}
		object, ok := item.(metav1.Object)
		if !ok {
			return
		}
		if cluster := object.GetLabels()[workload.LabelCluster]; cluster != "" {
			c.loop.Enqueue(cache.ObjectName{Namespace: object.GetNamespace(), Name: cluster})
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: enqueue,
		UpdateFunc: func(before, after any) {
			old, ok1 := before.(metav1.Object)
			object, ok2 := after.(metav1.Object)
			if ok1 && ok2 && old.GetResourceVersion() != object.GetResourceVersion() {
				enqueue(after)
			}
		},
		DeleteFunc: enqueue,
	}
}

// get returns the cached cluster, which must not be changed.
func (c *Controller) get(name cache.ObjectName) (*openbaov1alpha1.OpenBaoCluster, bool) {
	return reconcile.Cached[*openbaov1alpha1.OpenBaoCluster](c.informers, name)
}

// cached is the lookup of the keeper.
func (c *Controller) cached(resource schema.GroupVersionResource, namespace, name string) (runtime.Object, bool) {
	return reconcile.Cached[runtime.Object](c.owned[resource], cache.ObjectName{Namespace: namespace, Name: name})
}
