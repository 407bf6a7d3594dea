// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"maps"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

const (
	// Name names the controller, its queue and its logger.
	Name = "openbao-bootstrapper"
	// FieldManager owns what this package writes to the status.
	FieldManager = "bailiwick-bootstrapper"
	// RecordFieldManager owns the annotation that stands for status.authorization
	// beside the openbao-operator. It is one of its own, so that what is applied as
	// status says nothing about it.
	RecordFieldManager = FieldManager + "-record"
	// Kind is the kind of the objects.
	Kind = "OpenBaoCluster"
	// syncsPerServer is how many objects of one address are worked on at once.
	syncsPerServer = 2
	// syncsAtOnce is how many objects are, over all servers: each asks the API
	// server for tokens and writes its status a few times, and hundreds at once
	// would all run out of time. One that takes longer than patience, since its
	// server hangs, does not count any more.
	syncsAtOnce = 16
	patience    = 10 * time.Second
)

// Resource is what the controller watches.
var Resource = openbaov1alpha1.Resource("openbaoclusters").WithVersion(openbaov1alpha1.GroupVersion.Version)

// Controller is the worker that sets up authorization.
type Controller struct {
	opts        Options
	informers   map[string]cache.SharedIndexInformer
	loop        *reconcile.Loop
	claims      *reconcile.Claims
	copies      *copyTests
	written     *reconcile.Writes[*openbaov1alpha1.OpenBaoCluster]
	access      *server.Access
	logins      *server.Sessions
	proofs      *proofMemories
	comparisons *comparisons
	inits       *inits
	declared    *reconcile.Answer[bool]
	records     *records
	life        reconcile.Informed
}

// New returns a controller that does nothing before Run.
func New(ctx context.Context, opts Options) (*Controller, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	self, _ := accountOf(opts.OperatorSubject)
	c := &Controller{
		opts:      opts,
		informers: map[string]cache.SharedIndexInformer{},
		claims:    reconcile.NewClaims(),
		copies:    newCopyTests(),
		written:   reconcile.NewWrites[*openbaov1alpha1.OpenBaoCluster](),
		access: server.New(server.Options{
			Secrets: opts.Secrets, ServiceAccounts: opts.ServiceAccounts, Self: self, AllowLocal: opts.AllowLocalAddresses,
			Connect: opts.Connect, CountLogin: opts.Metrics.OpenBaoLogin,
		}),
		logins:      server.NewSessions(),
		proofs:      newProofMemories(),
		comparisons: newComparisons(),
		inits:       newInits(),
		records:     newRecords(opts.ConfigMaps.ConfigMaps(self.Namespace)),
		// A schema changes when somebody installs another one.
		declared: &reconcile.Answer[bool]{
			Ask: opts.DeclaresAuthorization, Valid: opts.RecheckInterval, Again: opts.RecheckInterval, Refutes: apierrors.IsNotFound,
		},
		life: reconcile.Informed{Name: Name, Resource: Resource, Await: opts.Await},
	}
	for _, namespace := range opts.Namespaces {
		c.informers[namespace] = opts.Informer(namespace)
	}
	c.loop = reconcile.NewLoop(ctx, reconcile.LoopOptions{
		Name:   Name,
		Sync:   c.sync,
		Lane:   c.lane,
		Lanes:  reconcile.NewLanes(syncsPerServer),
		Places: reconcile.NewPlaces(syncsAtOnce, patience),
	})
	return c, nil
}

// HasSynced reports whether the caches have filled. A kind that the API server
// does not serve yet counts as filled.
func (c *Controller) HasSynced() bool { return c.life.HasSynced() }

// Run works until drain is closed and the syncs under way have ended, or until
// ctx ends. It returns when all of its goroutines have and its logins are
// revoked.
func (c *Controller) Run(ctx context.Context, drain <-chan struct{}) error {
	var watches []reconcile.Watch
	for _, informer := range c.informers {
		watches = append(watches, reconcile.Watch{Informer: informer, Handler: c.handlers()})
	}
	return c.life.Run(ctx, drain, watches, func(ctx, waiting context.Context) {
		logger := klog.LoggerWithName(klog.FromContext(ctx), Name)
		waiting, cancel := context.WithCancel(waiting)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		wg.Go(func() { c.cleanRecords(klog.NewContext(waiting, logger)) })
		c.loop.Run(ctx, drain)
		// Nothing uses the logins any more. Ending them takes nothing from anyone,
		// also when another process leads by now.
		c.logins.EndAll(klog.NewContext(ctx, logger))
	})
}

// handlers only take notes and enqueue; sync reads the cache again.
func (c *Controller) handlers() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(item any) {
			obj, ok := item.(*openbaov1alpha1.OpenBaoCluster)
			if !ok {
				return
			}
			c.wake(cache.MetaObjectToName(obj))
		},
		UpdateFunc: func(before, after any) {
			old, ok1 := before.(*openbaov1alpha1.OpenBaoCluster)
			obj, ok2 := after.(*openbaov1alpha1.OpenBaoCluster)
			if !ok1 || !ok2 {
				return
			}
			if old.UID != obj.UID {
				c.ended(old)
			}
			if old.UID != obj.UID || old.Generation != obj.Generation ||
				!userAnnotationsEqual(old.Annotations, obj.Annotations) ||
				!obj.DeletionTimestamp.Equal(old.DeletionTimestamp) || serversOf(old) != serversOf(obj) {
				c.wake(cache.MetaObjectToName(obj))
			} else if leader := obj.Status.ActiveLeader; leader != "" && leader != old.Status.ActiveLeader {
				// It may have been started with other data than the one before had.
				c.comparisons.forget(cache.MetaObjectToName(obj))
				c.loop.EnqueueAfter(cache.MetaObjectToName(obj), leaderSettles)
			}
		},
		DeleteFunc: func(item any) {
			name, err := cache.DeletionHandlingObjectToName(item)
			if err != nil {
				return
			}
			if tomb, ok := item.(cache.DeletedFinalStateUnknown); ok {
				item = tomb.Obj
			}
			if obj, ok := item.(*openbaov1alpha1.OpenBaoCluster); ok {
				c.ended(obj)
			}
			c.wake(name)
		},
	}
}

// servers is what others report of the servers of an object, as far as it decides what
// can be done on them.
type servers struct {
	initialized bool
	clusterID   string
	// toRemove is the server that leaves the cluster next.
	toRemove string
}

func serversOf(obj *openbaov1alpha1.OpenBaoCluster) servers {
	initialized := obj.Status.Initialized
	return servers{initialized != nil && *initialized, obj.Status.ClusterID, authz.ServerToRemove(obj)}
}

// userAnnotationsEqual leaves out the annotation that this package writes.
func userAnnotationsEqual(a, b map[string]string) bool {
	users := func(m map[string]string) map[string]string {
		out := maps.Clone(m)
		delete(out, openbaov1alpha1.AnnotationRecord)
		return out
	}
	return reconcile.UserAnnotationsEqual(users(a), users(b))
}

// release ends the claim of an object and wakes those that wait for the server.
func (c *Controller) release(obj *openbaov1alpha1.OpenBaoCluster) {
	c.copies.forget(obj.UID)
	for _, next := range c.claims.Release(obj.UID) {
		c.wake(next.Name)
	}
}

// endIfGone is ended for an object that went away during a sync, which may have kept
// something of it after the handler had run.
func (c *Controller) endIfGone(obj *openbaov1alpha1.OpenBaoCluster) {
	if cached, ok := c.get(nameOf(obj)); !ok || cached.UID != obj.UID {
		c.ended(obj)
	}
}

// ended is release for an object that is gone.
func (c *Controller) ended(obj *openbaov1alpha1.OpenBaoCluster) {
	c.release(obj)
	c.records.ended(nameOf(obj), obj.UID)
}

// lane keeps a server that hangs from delaying others.
func (c *Controller) lane(name cache.ObjectName) string {
	if obj, ok := c.get(name); ok {
		// What contradicts itself reaches no server.
		if settings, err := authz.SettingsOf(obj, obj.DescribesServers()); err == nil {
			return settings.Address
		}
	}
	return ""
}

// get returns the cached object, which must not be changed.
func (c *Controller) get(name cache.ObjectName) (*openbaov1alpha1.OpenBaoCluster, bool) {
	return reconcile.Cached[*openbaov1alpha1.OpenBaoCluster](c.informers, name)
}
