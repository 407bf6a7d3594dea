// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

const (
	// backoffBase and backoffMax fit a remote API that people watch: the
	// defaults of client-go start at 5 ms.
	backoffBase = 5 * time.Second
	backoffMax  = 5 * time.Minute
	// jitter spreads syncs that were asked for at the same time.
	jitter = 0.2
	// DefaultItemTimeout bounds one sync. It is shorter than the grace period
	// of a pod, so that a create under way is finished after SIGTERM.
	DefaultItemTimeout = 25 * time.Second
)

// LoopOptions configures a Loop. Name and Sync are required.
type LoopOptions struct {
	// Name names the queue in metrics and the loop in logs.
	Name string
	// Sync does the work for one key. It must not wait for a remote that is
	// not ready.
	Sync func(ctx context.Context, name cache.ObjectName) Outcome
	// Lane names the lane that a key runs in. It must be cheap; nil puts all
	// keys into the lane that has the loop's name.
	Lane func(name cache.ObjectName) string
	// Lanes is shared by the loops whose work meets the same limits.
	Lanes *Lanes
	// Places, if not nil, bounds how many syncs of the loop run in parallel, over all
	// lanes.
	Places *Places
	// ItemTimeout bounds one Sync; 0 means DefaultItemTimeout.
	ItemTimeout time.Duration
}

// Loop is a queue of object names and the goroutines that work it off. At any
// time at most one Sync runs for a name.
type Loop struct {
	opts  LoopOptions
	queue workqueue.TypedRateLimitingInterface[cache.ObjectName]
}

// NewLoop returns a loop that does nothing before Run. The logger is taken
// from ctx.
func NewLoop(ctx context.Context, opts LoopOptions) *Loop {
	if opts.ItemTimeout == 0 {
		opts.ItemTimeout = DefaultItemTimeout
	}
	if opts.Lane == nil {
		opts.Lane = func(cache.ObjectName) string { return opts.Name }
	}
	logger := klog.LoggerWithName(klog.FromContext(ctx), opts.Name)
	return &Loop{
		opts: opts,
		queue: workqueue.NewTypedRateLimitingQueueWithConfig(
			workqueue.NewTypedItemExponentialFailureRateLimiter[cache.ObjectName](backoffBase, backoffMax),
			workqueue.TypedRateLimitingQueueConfig[cache.ObjectName]{
				Name: opts.Name,
				DelayingQueue: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[cache.ObjectName]{
					Logger: &logger,
					Name:   opts.Name,
				}),
			}),
	}
}

// Enqueue asks for a sync of name as soon as its lane has room.
func (l *Loop) Enqueue(name cache.ObjectName) { l.queue.Add(name) }

// RetryNow is Enqueue for a key whose failures so far shall not count.
func (l *Loop) RetryNow(name cache.ObjectName) {
	l.queue.Forget(name)
	l.queue.Add(name)
}

// EnqueueAfter asks for a sync of name at about d from now.
func (l *Loop) EnqueueAfter(name cache.ObjectName, d time.Duration) {
	l.queue.AddAfter(name, wait.Jitter(d, jitter))
}

// Len returns how many names are queued and not being worked on.
func (l *Loop) Len() int { return l.queue.Len() }

// Run works off the queue until drain is closed, then finishes the syncs under
// way and returns. ctx ends them immediately: it is cancelled when this process
// may no longer write, whereas drain only asks it to stop.
func (l *Loop) Run(ctx context.Context, drain <-chan struct{}) {
	logger := klog.LoggerWithName(klog.FromContext(ctx), l.opts.Name)
	ctx = klog.NewContext(ctx, logger)

	var items, stopper sync.WaitGroup
	stopped := make(chan struct{})
	stopper.Go(func() {
		select {
		case <-drain:
		case <-ctx.Done():
		case <-stopped:
		}
		l.queue.ShutDown()
	})
	logger.Info("Starting loop")
	for {
		name, shutdown := l.queue.Get()
		if shutdown {
			break
		}
		lane := l.opts.Lane(name)
		if !l.opts.Lanes.enter(lane, laneKey{l.opts.Name, name}, func() { l.queue.Add(name) }) {
			l.queue.Done(name)
			continue
		}
		leave, ok := l.opts.Places.enter(ctx, drain)
		if !ok {
			l.opts.Lanes.leave(lane)
			l.queue.Done(name)
			continue
		}
		items.Go(func() {
			defer leave()
			defer l.opts.Lanes.leave(lane)
			defer l.queue.Done(name)
			l.process(ctx, name)
		})
	}
	close(stopped)
	stopper.Wait()
	items.Wait()
	logger.Info("Stopped loop")
}

func (l *Loop) process(ctx context.Context, name cache.ObjectName) {
	// A panic ends this sync only; the key comes back with backoff.
	outcome := Outcome{verdict: verdictRetry}
	defer func() {
		if r := recover(); r != nil {
			// Only the type: a panic value may quote what was being handled.
			klog.FromContext(ctx).Error(nil, "Sync panicked", "object", name,
				"panicType", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
		}
		l.settle(ctx, name, outcome)
	}()

	logger := klog.LoggerWithValues(klog.FromContext(ctx), "object", klog.KRef(name.Namespace, name.Name))
	ctx, cancel := context.WithTimeout(klog.NewContext(ctx, logger), l.opts.ItemTimeout)
	defer cancel()
	outcome = l.opts.Sync(ctx, name)
}

func (l *Loop) settle(ctx context.Context, name cache.ObjectName, o Outcome) {
	logger := klog.LoggerWithValues(klog.FromContext(ctx), "object", klog.KRef(name.Namespace, name.Name))
	switch o.verdict {
	case verdictDone:
		l.queue.Forget(name)
	case verdictAfter:
		l.queue.Forget(name)
		l.EnqueueAfter(name, o.after)
	case verdictRetry, verdictNone:
		if o.err != nil {
			logger.Info("Sync failed, will retry", "err", o.err)
		}
		l.queue.AddRateLimited(name)
	case verdictTerminal:
		l.queue.Forget(name)
		logger.Info("Sync failed until the object changes", "err", o.err)
	}
}
