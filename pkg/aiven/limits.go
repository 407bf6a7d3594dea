// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// idleLimit is how long a token's limits are kept without a request. Any
// bucket is full again by then, so that dropping it changes nothing.
const idleLimit = 10 * time.Minute

var errOwnLimit = errors.New("too many requests with this token at once: the operator's own limit")

// limits keeps every token within its own rate and concurrency.
type limits struct {
	qps         rate.Limit
	burst       int
	concurrency int

	mu     sync.Mutex
	tokens map[string]*limit
	swept  time.Time
}

// limit is one token's share.
type limit struct {
	rate  *rate.Limiter
	slots chan struct{}

	// guarded by limits.mu
	users   int
	used    time.Time
	blocked time.Time // Aiven asked for no request before this
}

// acquire waits at most maxWait, without bound if that is negative, until the
// token may send a request, and returns the function to call after it. The
// error has the class Throttled, or is that of ctx.
func (l *limits) acquire(ctx context.Context, token, operation string, maxWait time.Duration) (release func(), err error) {
	t, blocked := l.use(token)
	defer func() {
		if err != nil {
			l.done(t)
		}
	}()
	throttled := func(after time.Duration) error {
		return &Error{Class: Throttled, Operation: operation, RetryAfter: after, Err: errOwnLimit}
	}
	if blocked > 0 {
		return nil, throttled(blocked)
	}
	var expired <-chan time.Time
	if maxWait >= 0 {
		timer := time.NewTimer(maxWait)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case t.slots <- struct{}{}:
	default:
		select {
		case t.slots <- struct{}{}:
		case <-expired:
			return nil, throttled(max(maxWait, time.Second))
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	reservation := t.rate.Reserve()
	if delay := reservation.Delay(); delay > 0 {
		if maxWait >= 0 && delay > maxWait {
			reservation.Cancel()
			<-t.slots
			return nil, throttled(delay)
		}
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			reservation.Cancel()
			<-t.slots
			return nil, context.Cause(ctx)
		}
	}
	return func() {
		<-t.slots
		l.done(t)
	}, nil
}

// block stops the token's requests for that long.
func (l *limits) block(token string, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.tokens[token]; t != nil {
		t.blocked = time.Now().Add(wait)
	}
}

// use returns the token's limit and for how long it is blocked.
func (l *limits) use(token string) (*limit, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.swept) > idleLimit {
		l.swept = now
		for name, t := range l.tokens {
			if t.users == 0 && now.Sub(t.used) > idleLimit {
				delete(l.tokens, name)
			}
		}
	}
	t := l.tokens[token]
	if t == nil {
		t = &limit{
			rate:  rate.NewLimiter(l.qps, l.burst),
			slots: make(chan struct{}, l.concurrency),
		}
		l.tokens[token] = t
	}
	t.users++
	t.used = now
	return t, t.blocked.Sub(now)
}

func (l *limits) done(t *limit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.users--
	t.used = time.Now()
}
