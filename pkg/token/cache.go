// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

// errStopped is why nothing is read any more after Run returned.
var errStopped = errors.New("the token cache has stopped")

// Cache resolves tokens and remembers them. It is safe for concurrent use.
type Cache struct {
	options Options

	// ctx bounds every load; cancel ends them when Run returns.
	ctx    context.Context
	cancel context.CancelFunc
	loads  sync.WaitGroup

	mu         sync.Mutex
	stopped    bool
	generation uint64 // last one given out; never goes back
	secrets    map[secretName]*secretEntry
	fallback   *defaultEntry // nil: no default token is configured
	recovered  []func(namespace, name string)
	// refused are the Secrets whose finalizer may not be removed, as was said.
	refused map[types.UID]struct{}
}

// secretName identifies an auth Secret.
type secretName struct {
	namespace, name string
}

// secretEntry is what the cache knows of one Secret since its last
// invalidation. Invalidate replaces the entry: whoever still holds the old one
// can tell by its identity that it is no longer current.
type secretEntry struct {
	generation uint64
	tokens     map[string]*held
	failed     map[string]struct{} // keys whose last load failed
	load       *load               // in flight, or nil
	trial      *trial              // nil: none
}

// held is a token in the cache.
type held struct {
	generation uint64
	value      Value
	rejected   bool
	nextProbe  time.Time // when rejected
	trialEnds  time.Time // when on trial, which counts as rejected
}

// load is one GET of a Secret on behalf of everyone who waits for it.
type load struct {
	done chan struct{}
	// keys are those wanted; more join while the load is in flight. Guarded by
	// the cache's lock, as is errs until done is closed.
	keys map[string]struct{}
	errs map[string]*Error
}

func newLoad() *load {
	return &load{done: make(chan struct{}), keys: map[string]struct{}{}, errs: map[string]*Error{}}
}

// New returns a Cache. It reads nothing and starts nothing.
func New(options Options) (*Cache, error) {
	options, err := options.complete()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Cache{
		options: options,
		ctx:     ctx,
		cancel:  cancel,
		secrets: map[secretName]*secretEntry{},
		refused: map[types.UID]struct{}{},
	}
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
	c.recovered = append(c.recovered, f)
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
	c.loads.Wait()
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
			return c.grant(ref, Ref{}, h)
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
		current := c.secrets[name] == e
		c.mu.Unlock()
		// What an invalidated load says, good or bad, is of no use to anyone:
		// go round and join a newer one.
		if err := l.errs[ref.Key]; current && err != nil {
			return Token{}, err
		}
	}
}

// Invalidate forgets everything about the Secret, so that the next Token reads
// it again. A load that is under way neither stores its result nor hands it to
// anyone. Where Aiven had refused a token of the Secret, the next one to ask is
// granted a probe of the new one, and the others have to wait what comes of it.
func (c *Cache) Invalidate(namespace, name string) {
	c.mu.Lock()
	key := secretName{namespace, name}
	e := c.secrets[key]
	delete(c.secrets, key)
	wake := e != nil && len(e.failed) > 0
	c.startTrial(key, e.refused())
	e.endTrial()
	c.mu.Unlock()
	if wake {
		c.notifyRecovered(namespace, name)
	}
}

// Reject records that Aiven refused the token of that ref and generation.
// Token then fails with TokenRejected, but for one probe per probe interval.
// A generation that is no longer current is ignored.
func (c *Cache) Reject(ref Ref, generation uint64) {
	c.mu.Lock()
	h, e := c.find(ref, generation), c.secrets[secretName{ref.Namespace, ref.Name}]
	wake := false
	if h != nil && (!h.rejected || e.onTrial(ref.Key)) {
		h.rejected, h.trialEnds = true, time.Time{}
		h.nextProbe = time.Now().Add(c.options.ProbeInterval)
		// Another key's token is for an object to try that names that key.
		wake = e.tried(ref.Key)
	}
	c.mu.Unlock()
	if wake {
		c.notifyRecovered(ref.Namespace, ref.Name)
	}
}

// Accept records that Aiven took the token of that ref and generation, which
// clears an earlier rejection.
func (c *Cache) Accept(ref Ref, generation uint64) {
	c.mu.Lock()
	h := c.find(ref, generation)
	wake := h != nil && h.rejected
	if wake {
		h.rejected = false
		c.secrets[secretName{ref.Namespace, ref.Name}].tried(ref.Key)
	}
	c.mu.Unlock()
	if wake {
		c.notifyRecovered(ref.Namespace, ref.Name)
	}
}

// grant returns the held token, or the error that it is rejected and no probe
// is due. c.mu is held.
func (c *Cache) grant(ref, source Ref, h *held) (Token, error) {
	t := Token{Ref: ref, Generation: h.generation, Value: h.value}
	if !h.rejected {
		return t, nil
	}
	now := time.Now()
	if wait := h.nextProbe.Sub(now); wait > 0 {
		return Token{}, &Error{
			Reason: TokenRejected, Ref: ref, RetryAfter: wait,
			source: source, operator: c.options.Operator,
		}
	}
	h.nextProbe = now.Add(c.options.ProbeInterval)
	if h.trialEnds.After(now) {
		h.nextProbe = h.trialEnds
	}
	t.Probe = true
	return t, nil
}

// find returns the held token of exactly that generation. c.mu is held.
func (c *Cache) find(ref Ref, generation uint64) *held {
	var h *held
	if ref.Default() {
		if c.fallback != nil {
			h = c.fallback.held
		}
	} else if e := c.secrets[secretName{ref.Namespace, ref.Name}]; e != nil {
		h = e.tokens[ref.Key]
	}
	if h == nil || h.generation != generation {
		return nil
	}
	return h
}

// entry returns the current entry, a new one if there is none. c.mu is held.
func (c *Cache) entry(name secretName) *secretEntry {
	e := c.secrets[name]
	if e == nil {
		c.generation++
		e = &secretEntry{
			generation: c.generation,
			tokens:     map[string]*held{},
			failed:     map[string]struct{}{},
		}
		c.secrets[name] = e
	}
	return e
}

func (c *Cache) notifyRecovered(namespace, name string) {
	c.mu.Lock()
	handlers := c.recovered
	c.mu.Unlock()
	for _, f := range handlers {
		f(namespace, name)
	}
}

// loadContext is the context of one GET: the caller's logger, and the cache's
// own lifetime and timeout.
func (c *Cache) loadContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(klog.NewContext(c.ctx, klog.FromContext(ctx)), c.options.LoadTimeout)
}
