// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

// Options configures an Engine. All fields but Namespaces and
// Absent are required.
type Options struct {
	// Lanes bounds the syncs per credential, over all kinds.
	Lanes *Lanes
	// Recorder writes events.
	Recorder record.EventRecorder
	// PollInterval is how often an object is reconciled when nothing happens.
	PollInterval time.Duration
	// VisibleWithin bounds how long a remote that was created may be missing from
	// what Aiven lists before its absence counts. 0 means DefaultVisibleWithin.
	VisibleWithin time.Duration
	// Namespaces to watch; none means all.
	Namespaces []string
	// Await returns once the API server serves a resource, or with the error
	// of a context that ended first.
	Await func(ctx context.Context, resource schema.GroupVersionResource) error
	// Absent reports whether the API server is known not to serve a resource. Nil
	// means that this is never known.
	Absent func(resource schema.GroupVersionResource) bool
}

// Engine is what the controllers of all kinds share.
type Engine struct {
	opts        Options
	claims      *Claims
	credentials *credentials
	members     []member
}

// member is a Controller without its type parameters.
type member interface {
	name() string
	run(ctx context.Context, drain <-chan struct{}) error
	hasSynced() bool
	wake(index, value string, which func(Object) bool)
	visit(index, value string, f func(Object))
	enqueue(name cache.ObjectName)
	claimants(identity string) []candidate
	shares() string
	refers(kind string) bool
	listed() bool
	kindName() string
	object(name cache.ObjectName) (obj Object, ok, synced bool)
	referenced() []string
}

// NewEngine returns an engine without controllers; New adds one per kind.
func NewEngine(opts Options) *Engine {
	opts.VisibleWithin = cmp.Or(opts.VisibleWithin, DefaultVisibleWithin)
	return &Engine{opts: opts, claims: NewClaims(), credentials: newCredentials()}
}

func (e *Engine) add(m member) {
	for _, other := range e.members {
		if other.name() == m.name() {
			panic("two controllers are named " + m.name())
		}
	}
	e.members = append(e.members, m)
}

// Run runs every controller and returns when all have ended. It ends early if
// one fails. For ctx and drain see Loop.Run.
func (e *Engine) Run(ctx context.Context, drain <-chan struct{}) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, m := range e.members {
		wg.Go(func() {
			if err := m.run(ctx, drain); err != nil {
				cancel(fmt.Errorf("%s: %w", m.name(), err))
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && ctx.Err() != nil {
		return err
	}
	return nil
}

// Synced reports, by controller name, whether its caches have filled. A kind
// that the API server does not serve yet counts as filled: there is nothing
// of it to miss.
func (e *Engine) Synced() map[string]bool {
	out := make(map[string]bool, len(e.members))
	for _, m := range e.members {
		out[m.name()] = m.hasSynced()
	}
	return out
}

// Wake enqueues one object, if there is a controller of its kind.
func (e *Engine) Wake(kind string, name cache.ObjectName) {
	for _, m := range e.members {
		if m.kindName() == kind {
			m.enqueue(name)
		}
	}
}

// WakeUnready enqueues the objects of all kinds with this index value that are
// not Ready, or that are being deleted.
func (e *Engine) WakeUnready(index, value string) {
	for _, m := range e.members {
		m.wake(index, value, func(o Object) bool { return !isReady(o) || o.GetDeletionTimestamp() != nil })
	}
}

// candidate is an object that names a remote, and may be unreachable for it
// because something other than the object keeps it from being reconciled.
type candidate struct {
	Object
	unreachable bool
}

// rivals returns the other live objects, of the kinds of that set, that name the
// same remote, do more than observe it and satisfy which.
func (e *Engine) rivals(set, identity string, self Object, which func(o Object, unreachable bool) bool) []Claimant {
	var out []Claimant
	for _, m := range e.members {
		if m.shares() != set {
			continue
		}
		for _, o := range m.claimants(identity) {
			if o.GetUID() != self.GetUID() && o.GetDeletionTimestamp() == nil && !Observed(o) && which(o.Object, o.unreachable) {
				out = append(out, claimant(m.kindName(), o.Object))
			}
		}
	}
	return out
}

// wakeRivals enqueues the other objects, of the kinds of that set, that name the
// same remote and are not Ready or being deleted.
func (e *Engine) wakeRivals(set, identity string, self Object) {
	if identity == "" {
		return
	}
	for _, m := range e.members {
		if m.shares() == set {
			m.wake(IndexIdentity, identity, func(o Object) bool {
				return o.GetUID() != self.GetUID() && (!isReady(o) || o.GetDeletionTimestamp() != nil)
			})
		}
	}
}

// unlisted returns a kind of that set whose objects are not all known yet, "" if
// there is none. A kind that the API server does not serve has no objects.
func (e *Engine) unlisted(set string) string {
	for _, m := range e.members {
		if m.shares() == set && !m.listed() {
			return m.kindName()
		}
	}
	return ""
}

// ClaimedByOther reports whether an object other than the one with this UID stands
// for the remote of that identity.
func (e *Engine) ClaimedByOther(identity string, uid types.UID) bool {
	holder, ok := e.claims.Holder(identity)
	return ok && holder.UID != uid
}

func claimant(kind string, o Object) Claimant {
	return Claimant{Kind: kind, Name: cache.MetaObjectToName(o), UID: o.GetUID(), Created: o.GetCreationTimestamp().Time}
}
