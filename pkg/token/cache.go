// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"k8s.io/klog/v2"
)

// ErrNotHeld says that a token is held no more, or was not read again yet.
var ErrNotHeld = errors.New("the token has to be read again first")

// errStopped is why nothing is read any more after Run returned.
var errStopped = errors.New("the token cache has stopped")

// Cache resolves tokens and remembers them. It is safe for concurrent use.
type Cache struct {
	options Options

	// ctx bounds every load; cancel ends them when Run returns. tasks are the
	// loads and the watchers of refused tokens.
	ctx       context.Context
	cancel    context.CancelFunc
	tasks     sync.WaitGroup
	digestKey [32]byte

	mu         sync.Mutex
	stopped    bool
	generation uint64 // last one given out; never goes back
	// secrets ends an entry with the last object that names the Secret, standings
	// with the last entry that holds the value.
	secrets   map[secretName]*secretEntry
	standings map[digest]*standing
	fallback  *defaultEntry // nil: no default token is configured
	// released are values that nothing holds any more, for unlock to tell of.
	released    []Value
	onRecovered []func(namespace, name string)
	onProbe     []func(namespace, name string)
	onReleased  []func(Value)
}

// New returns a Cache. It reads nothing and starts nothing.
func New(options Options) (*Cache, error) {
	options, err := options.complete()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Cache{
		options:   options,
		ctx:       ctx,
		cancel:    cancel,
		secrets:   map[secretName]*secretEntry{},
		standings: map[digest]*standing{},
	}
	_, _ = rand.Read(c.digestKey[:]) // it never fails
	c.fallback = c.newDefaultEntry()
	return c, nil
}

// OnRecovered registers f, to be called when a Secret's token that was
// rejected or could not be read may work now: every object that names the
// Secret should be reconciled. Both arguments are empty for the default token.
// f is called without locks held and must not block. Register before Run.
func (c *Cache) OnRecovered(f func(namespace, name string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onRecovered = append(c.onRecovered, f)
}

// OnProbe registers f, to be called when one object that names the Secret should
// be reconciled, to find out whether Aiven still refuses its token. For the rest
// see OnRecovered.
func (c *Cache) OnProbe(f func(namespace, name string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onProbe = append(c.onProbe, f)
}

// OnReleased registers f, to be told of each value that the cache has forgotten.
// f is called without locks held. Register before Run.
func (c *Cache) OnReleased(f func(Value)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onReleased = append(c.onReleased, f)
}

// Run reads the default token, again and again until it succeeds once, and
// returns when ctx is done and all loads have ended. After that the cache
// answers only what it holds.
func (c *Cache) Run(ctx context.Context) {
	defer c.stop()
	c.awaitDefault(ctx)
	<-ctx.Done()
}

func (c *Cache) stop() {
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	c.cancel()
	c.tasks.Wait()
}

// Token returns the token that ref names, reading its Secret if the cache does
// not hold it. Callers that wait for the same Secret share one GET; a caller
// whose ctx ends stops waiting without disturbing it. The error is an *Error,
// or that of ctx.
func (c *Cache) Token(ctx context.Context, ref Ref) (Token, error) {
	if ref.Default() {
		return c.defaultToken(ctx)
	}
	name := secretName{ref.Namespace, ref.Name}
	for {
		c.mu.Lock()
		e := c.entry(name)
		if h := e.tokens[ref.Key]; h != nil {
			defer c.mu.Unlock()
			return c.grant(ref, h)
		}
		if e.load == nil {
			if c.stopped {
				c.mu.Unlock()
				return Token{}, &Error{Reason: SecretUnavailable, Ref: ref, Err: errStopped}
			}
			e.load = newLoad()
			c.startLoad(ctx, name, e, e.load)
		}
		l := e.load
		l.keys[ref.Key] = struct{}{}
		c.mu.Unlock()

		select {
		case <-ctx.Done():
			return Token{}, context.Cause(ctx)
		case <-l.done:
		}
		c.mu.Lock()
		if l.overtaken || l.kept && c.secrets[name] != e {
			// What an overtaken load says, good or bad, is of no use to anyone: go
			// round and join a newer one.
			c.mu.Unlock()
			continue
		}
		defer c.mu.Unlock()
		if err := l.errs[ref.Key]; err != nil {
			return Token{}, err
		}
		return c.grant(ref, l.tokens[ref.Key])
	}
}

// Current returns the token that ref names if the cache holds it and Aiven does
// not refuse it: what no object waits for reads no Secret and probes nothing. The
// error is an *Error or ErrNotHeld.
func (c *Cache) Current(ref Ref) (Token, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.heldBy(ref)
	switch {
	case h == nil:
		return Token{}, ErrNotHeld
	case h.refused():
		return Token{}, c.rejected(ref)
	}
	return Token{Ref: ref, Generation: h.generation, Value: h.value}, nil
}

// Reject records that Aiven refused the token of that ref and generation.
// Token then fails with TokenRejected, for whatever Secret holds the value, but
// for one probe at a time: soon, and then less often up to the probe interval.
// A generation that is no longer current is ignored.
func (c *Cache) Reject(ref Ref, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.heldBy(ref); h != nil && h.generation == generation {
		c.refuse(h.standing)
	}
}

// Accept records that Aiven took the token of that ref and generation, which
// clears an earlier rejection.
func (c *Cache) Accept(ref Ref, generation uint64) {
	c.mu.Lock()
	var recovered []secretName
	if h := c.heldBy(ref); h != nil && h.generation == generation {
		recovered = c.accept(h.standing)
	}
	c.mu.Unlock()
	c.notify(c.onRecovered, recovered)
}

// grant returns the held token, or the error that Aiven refuses it and somebody
// else probes it, or will. c.mu is held.
func (c *Cache) grant(ref Ref, h *held) (Token, error) {
	use, probe := c.mayUse(h.standing)
	if !use {
		return Token{}, c.rejected(ref)
	}
	return Token{Ref: ref, Generation: h.generation, Value: h.value, Probe: probe}, nil
}

// rejected is the error for a token that Aiven refuses. c.mu is held.
func (c *Cache) rejected(ref Ref) *Error {
	e := &Error{Reason: TokenRejected, Ref: ref, operator: c.options.Operator}
	if ref.Default() && c.fallback != nil {
		e.source = c.fallback.source
	}
	return e
}

// Rejected is the error for an object whose own request was refused for its token:
// by the time that it may ask again, the token may be trusted again, and nobody
// would tell it.
func (c *Cache) Rejected(ref Ref) *Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.rejected(ref)
	e.RetryAfter = probeMin
	return e
}

// unlock unlocks c.mu and tells of the values that were let go.
func (c *Cache) unlock() {
	released := c.released
	c.released = nil
	c.mu.Unlock()
	for _, v := range released {
		for _, f := range c.onReleased {
			f(v)
		}
	}
}

// notify tells the handlers of these Secrets. c.mu is not held: handlers may call
// back. They were registered before Run.
func (c *Cache) notify(handlers []func(namespace, name string), names []secretName) {
	for _, n := range names {
		for _, f := range handlers {
			f(n.namespace, n.name)
		}
	}
}

// loadContext is the context of one GET: the caller's logger, and the cache's
// own lifetime and timeout.
func (c *Cache) loadContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(klog.NewContext(c.ctx, klog.FromContext(ctx)), c.options.LoadTimeout)
}
