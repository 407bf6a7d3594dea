// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// Controller runs one Kind on an Engine.
type Controller[T Object, C, AC any] struct {
	engine *Engine
	kind   Kind[T, C, AC]
	source *source[T]
	loop   *Loop
	memory *memory[T]
	served atomic.Bool
	synced atomic.Bool
	// refersTo holds the kinds that objects of this one refer to, or have.
	refersTo sync.Map
}

// New adds a controller for a kind to the engine. It starts nothing.
func New[T Object, C, AC any](ctx context.Context, e *Engine, kind Kind[T, C, AC]) *Controller[T, C, AC] {
	c := &Controller[T, C, AC]{
		engine: e,
		kind:   kind,
		source: newSource[T](e.opts.Namespaces, kind.Informer),
		memory: newMemory[T](),
	}
	c.loop = NewLoop(ctx, LoopOptions{
		Name:  kind.Name,
		Lanes: e.opts.Lanes,
		Lane:  c.lane,
		Sync:  c.sync,
	})
	e.add(c)
	return c
}

// shares names the set of kinds that the objects' identities are compared with.
func (c *Controller[T, C, AC]) shares() string { return cmp.Or(c.kind.Shares, c.kind.GVK.Kind) }

func (c *Controller[T, C, AC]) name() string     { return c.kind.Name }
func (c *Controller[T, C, AC]) kindName() string { return c.kind.GVK.Kind }
func (c *Controller[T, C, AC]) hasSynced() bool  { return !c.served.Load() || c.synced.Load() }

func (c *Controller[T, C, AC]) enqueue(name cache.ObjectName) { c.loop.Enqueue(name) }

func (c *Controller[T, C, AC]) lane(name cache.ObjectName) string {
	if obj, ok := c.source.get(name); ok {
		return c.kind.Lane(obj)
	}
	return ""
}

// run waits until the kind is served, fills the caches and works until drain.
func (c *Controller[T, C, AC]) run(ctx context.Context, drain <-chan struct{}) error {
	// The loop names itself; the rest of what is logged here is named now.
	unnamed := ctx
	ctx = klog.NewContext(ctx, klog.LoggerWithName(klog.FromContext(ctx), c.kind.Name))
	// Informers live until the last sync has ended, and no longer.
	ctx, stop := context.WithCancel(ctx)
	var informers sync.WaitGroup
	defer informers.Wait()
	defer stop()

	// While nothing runs yet, drain has nothing to wait for.
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	informers.Go(func() {
		select {
		case <-drain:
			cancel()
		case <-waiting.Done():
		}
	})

	if err := c.engine.opts.Await(waiting, c.kind.Resource); err != nil {
		if waiting.Err() != nil {
			return nil
		}
		return fmt.Errorf("wait for %s to be served: %w", c.kind.Resource.GroupResource(), err)
	}
	c.served.Store(true)
	if err := c.source.register(ctx, c.indexers(), c.handlers(ctx)); err != nil {
		return err
	}
	informers.Go(func() { c.source.run(ctx) })
	if !cache.WaitFor(waiting, "", c.source.synced...) {
		return nil
	}
	c.synced.Store(true)
	c.engine.wakeReferrers(c.kindName(), c.kindName())
	c.loop.Run(unnamed, drain)
	return nil
}

func (c *Controller[T, C, AC]) indexers() cache.Indexers {
	index := func(value func(T) string) cache.IndexFunc {
		return func(item any) ([]string, error) {
			obj, ok := item.(T)
			if !ok {
				return nil, fmt.Errorf("unexpected type %T", item)
			}
			if v := value(obj); v != "" {
				return []string{v}, nil
			}
			return nil, nil
		}
	}
	return cache.Indexers{
		IndexCredential: index(c.kind.Credential),
		IndexIdentity:   index(c.kind.Identity),
		IndexReference: func(item any) ([]string, error) {
			obj, ok := item.(T)
			if !ok {
				return nil, fmt.Errorf("unexpected type %T", item)
			}
			if c.kind.References == nil {
				return nil, nil
			}
			references := c.kind.References(obj)
			for _, r := range references {
				c.refersTo.Store(r.Kind, true)
			}
			return referenceKeys(references), nil
		},
	}
}

// handlers only take notes and enqueue; sync reads the cache again.
func (c *Controller[T, C, AC]) handlers(ctx context.Context) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(item any) {
			obj, ok := item.(T)
			if !ok {
				return
			}
			if identity := c.kind.Identity(obj); identity != "" && hasFinalizer(obj) && !Observed(obj) {
				c.engine.claims.Seed(identity, claimant(c.kindName(), obj))
			}
			c.credentialGained(obj)
			c.wakeReferrers(obj)
			c.loop.Enqueue(cache.MetaObjectToName(obj))
		},
		UpdateFunc: func(before, after any) {
			old, ok1 := before.(T)
			obj, ok2 := after.(T)
			if !ok1 || !ok2 {
				return
			}
			if old.GetUID() == obj.GetUID() && !UserAnnotationsEqual(old.GetAnnotations(), obj.GetAnnotations()) {
				klog.FromContext(ctx).V(4).Info("Annotations changed", "object", klog.KObj(obj))
				c.kind.AnnotationsChanged(ctx, old, obj)
				c.memory.retryNow(cache.MetaObjectToName(obj))
				c.loop.RetryNow(cache.MetaObjectToName(obj))
			}
			c.credentialMoved(old, obj)
			if readyReason(old) != readyReason(obj) {
				// Those that wait for this one's claim have to try again.
				c.engine.wakeRivals(c.shares(), c.kind.Identity(obj), obj)
			}
			if old.GetResourceVersion() != obj.GetResourceVersion() {
				c.wakeReferrers(obj)
			}
			if c.worthASync(old, obj) {
				c.loop.Enqueue(cache.MetaObjectToName(obj))
			}
		},
		DeleteFunc: func(item any) {
			name, err := cache.DeletionHandlingObjectToName(item)
			if err != nil {
				return
			}
			tomb, late := item.(cache.DeletedFinalStateUnknown)
			if late {
				item = tomb.Obj
			}
			if obj, ok := item.(T); ok {
				c.credentialLost(obj, !late)
				c.release(obj)
				c.wakeReferrers(obj)
			}
			c.loop.Enqueue(name)
		},
	}
}

// worthASync is false for the echo of what this operator wrote itself: a
// status, or annotations and finalizer as the last apply left them.
func (c *Controller[T, C, AC]) worthASync(old, obj T) bool {
	if old.GetResourceVersion() == obj.GetResourceVersion() {
		return false
	}
	echo := c.memory.writes.Echo(cache.MetaObjectToName(obj), obj.GetResourceVersion()) &&
		old.GetUID() == obj.GetUID() && old.GetGeneration() == obj.GetGeneration() &&
		obj.GetDeletionTimestamp().Equal(old.GetDeletionTimestamp()) &&
		UserAnnotationsEqual(old.GetAnnotations(), obj.GetAnnotations())
	return !echo
}

func (c *Controller[T, C, AC]) wake(index, value string, which func(Object) bool) {
	if !c.synced.Load() {
		return // the first list enqueues every object
	}
	for _, obj := range c.source.byIndex(index, value) {
		if which(obj) {
			c.loop.Enqueue(cache.MetaObjectToName(obj))
		}
	}
}

func (c *Controller[T, C, AC]) refers(kind string) bool {
	_, ok := c.refersTo.Load(kind)
	return ok
}

// listed reports whether all objects of the kind are known.
func (c *Controller[T, C, AC]) listed() bool {
	if c.synced.Load() {
		return true
	}
	absent := c.engine.opts.Absent
	return !c.served.Load() && absent != nil && absent(c.kind.Resource)
}

func (c *Controller[T, C, AC]) claimants(identity string) []candidate {
	if !c.synced.Load() {
		return nil
	}
	var out []candidate
	for _, o := range c.source.byIndex(IndexIdentity, identity) {
		out = append(out, candidate{o, c.memory.unreachable(o)})
	}
	return out
}

// release ends the claim of an object and wakes those that wait for it.
func (c *Controller[T, C, AC]) release(obj T) {
	for _, next := range c.engine.claims.Release(obj.GetUID()) {
		c.engine.Wake(next.Kind, next.Name)
	}
}

// releaseIfGone is release for an object that went away during its sync, which may have
// claimed something after the handler had run.
func (c *Controller[T, C, AC]) releaseIfGone(obj T) {
	if cached, ok := c.source.get(cache.MetaObjectToName(obj)); !ok || cached.GetUID() != obj.GetUID() {
		c.release(obj)
	}
}

// sync brings one object and its remote together, once.
func (c *Controller[T, C, AC]) sync(ctx context.Context, name cache.ObjectName) Outcome {
	cached, ok := c.current(name)
	if !ok {
		c.kind.Forget(name, c.memory.forget(name))
		return Done()
	}
	cached, err := c.takeOver(ctx, cached)
	if err != nil {
		return c.unwritten(ctx, err)
	}
	obj, ok := cached.DeepCopyObject().(T)
	if !ok {
		return Terminal(errors.New("deep copy changed the type"))
	}
	defer c.releaseIfGone(obj)
	if obj.GetDeletionTimestamp() != nil {
		return c.finalize(ctx, cached, obj)
	}
	obs, err := c.converge(ctx, name, obj)
	return c.report(ctx, cached, obj, obs, err)
}

// current returns the newest version known of an object: the cache's, or what
// the last write returned while the cache has not caught up.
func (c *Controller[T, C, AC]) current(name cache.ObjectName) (T, bool) {
	cached, ok := c.source.get(name)
	if !ok {
		return cached, false
	}
	return c.memory.writes.Newest(cached), true
}

func hasFinalizer(o Object) bool { return slices.Contains(o.GetFinalizers(), Finalizer) }
