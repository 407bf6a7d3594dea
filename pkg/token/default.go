// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"context"
	"time"

	"k8s.io/klog/v2"
)

// defaultEntry is the operator's default token. Once held it is never read
// again.
type defaultEntry struct {
	source Ref   // its Secret; zero when it comes from the environment
	held   *held // nil until it was read
	load   *load // in flight, or nil
	err    *Error
	wait   time.Duration // before the read that follows a failure
	next   time.Time     // no read before this
	// finalizerKept is as in secretEntry.
	finalizerKept bool
}

// newDefaultEntry returns the entry that the options ask for, nil for none.
func (c *Cache) newDefaultEntry() *defaultEntry {
	if !c.options.Default.Default() {
		return &defaultEntry{source: c.options.Default}
	}
	value := NewValue(c.options.DefaultValue)
	if value.Reveal() == "" {
		return nil
	}
	return &defaultEntry{held: c.holdDefault(value)}
}

// holdDefault returns the default token as held from now on. c.mu is held, or c is
// being made.
func (c *Cache) holdDefault(value Value) *held {
	c.generation++
	return &held{generation: c.generation, value: value, standing: c.hold(Ref{}, value)}
}

// defaultToken is Token for the default token. It starts a read itself when
// one is due, so that nobody has to wait for Run's timer.
func (c *Cache) defaultToken(ctx context.Context) (Token, error) {
	c.mu.Lock()
	d := c.fallback
	if d == nil {
		c.mu.Unlock()
		return Token{}, &Error{Reason: NoToken, operator: c.options.Operator}
	}
	if d.held == nil && d.load == nil && !c.stopped && !time.Now().Before(d.next) {
		d.load = newLoad()
		c.startDefaultLoad(ctx, d, d.load)
	}
	l := d.load
	c.mu.Unlock()

	if l != nil {
		select {
		case <-ctx.Done():
			return Token{}, context.Cause(ctx)
		case <-l.done:
		}
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if d.held != nil {
		return c.grant(Ref{}, d.held)
	}
	failure := &Error{
		Reason: DefaultTokenUnavailable, RetryAfter: max(time.Until(d.next), 0),
		source: d.source, operator: c.options.Operator,
	}
	if d.err != nil {
		failure.Err = d.err
	} else {
		failure.Err = errStopped
	}
	return Token{}, failure
}

// startDefaultLoad reads the default token's Secret in a goroutine that Run
// waits for. c.mu is held and c is not stopped.
func (c *Cache) startDefaultLoad(ctx context.Context, d *defaultEntry, l *load) {
	ctx, cancel := c.loadContext(ctx)
	c.tasks.Go(func() {
		defer cancel()
		secret, err := c.read(ctx, secretName{d.source.Namespace, d.source.Name})
		value, failure := c.pick(d.source, secret, err)

		c.mu.Lock()
		d.load = nil
		wake := false
		if failure != nil {
			d.err = failure
			d.wait = defaultRetry().Next(d.wait)
			d.next = time.Now().Add(d.wait)
		} else {
			d.held = c.holdDefault(value)
			wake = d.wait > 0
		}
		c.mu.Unlock()
		close(l.done)
		if wake {
			c.notify(c.onRecovered, []secretName{{}})
		}
		if err == nil {
			c.removeFinalizer(ctx, secret, &d.finalizerKept)
		}
	})
}

// awaitDefault reads the default token until it succeeds or ctx is done.
func (c *Cache) awaitDefault(ctx context.Context) {
	logger := klog.FromContext(ctx)
	c.mu.Lock()
	wanted := c.fallback != nil && c.fallback.held == nil
	c.mu.Unlock()
	for reported := Reason(""); wanted; {
		_, err := c.defaultToken(ctx)
		if ctx.Err() != nil {
			return
		}
		if ReasonFor(err) != DefaultTokenUnavailable {
			logger.Info("Read the default token", "secret", klog.KRef(c.options.Default.Namespace, c.options.Default.Name))
			return
		}
		c.mu.Lock()
		failure, wait := c.fallback.err, time.Until(c.fallback.next)
		c.mu.Unlock()
		if failure.Reason != reported {
			logger.Error(failure, "Default token can't be read yet", "reason", failure.Reason)
			reported = failure.Reason
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
