// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/bailiwick-operator/bailiwick/pkg/backoff"
)

const (
	// idleLimit is how long a token's limits are kept without a request, should
	// nobody say that the token is gone.
	idleLimit = 30 * time.Minute
	// restartAfter is how long without a request makes the number of requests under
	// way begin small again: what Aiven allows by then is not known.
	restartAfter = 10 * time.Second
	// firstSlots is the number of requests that may be under way at first, and
	// slotEvery how soon it may be one more if all are. What is under way when
	// Aiven's allowance is used up is refused.
	firstSlots = 4
	slotEvery  = 200 * time.Millisecond
)

var (
	errOwnLimit = errors.New("too many requests with this token: the operator's own limit")
	errBlocked  = errors.New("further requests with this token are refused by Aiven for a while")
	errResting  = errors.New("as asked by Aiven, this is not sent again for a while")
)

// digest identifies a token in memory.
type digest [sha256.Size]byte

// limits keeps every token within its own rate and concurrency, and within what
// Aiven accepts. Tokens are told apart by their values, whatever names them.
type limits struct {
	qps         float64
	burst       int
	concurrency int
	// maxBlock is how long a block may be waited for instead of failing.
	maxBlock time.Duration
	key      [32]byte

	mu sync.Mutex
	// tokens ends a token's limits with forget, or when they were idle for long.
	tokens map[digest]*limit
	swept  time.Time
}

// limit is one token's share. All but the channel is guarded by limits.mu.
type limit struct {
	rate *rate.Limiter
	pace pace
	// slots holds one element for each request more that may be under way, and
	// fetches one for each more of those that no object waits for: at most half.
	slots, fetches chan struct{}
	opened         int       // of slots, free or not
	openedAt       time.Time // when the last one was

	users     int
	used      time.Time
	forgotten bool

	// blocked is until when Aiven accepts no request, blockBegan when that was said
	// last, and unasked how long the last block was that Aiven gave no time for.
	blocked, blockBegan time.Time
	unasked             time.Duration
	// resting is the same for parts of the API that are not available.
	resting map[string]time.Time
}

func newLimits(o TransportOptions) *limits {
	l := &limits{
		qps: o.QPS, burst: o.Burst, concurrency: o.Concurrency, maxBlock: o.MaxWait,
		tokens: map[digest]*limit{},
	}
	_, _ = rand.Read(l.key[:]) // it never fails
	return l
}

// digest returns what identifies a token's value in this process.
func (l *limits) digest(token string) digest {
	mac := hmac.New(sha256.New, l.key[:])
	mac.Write([]byte(token))
	return digest(mac.Sum(nil))
}

// permit is the right to send one request.
type permit struct {
	limits  *limits
	limit   *limit
	scope   string
	awaited bool // by an object
	sent    time.Time
}

// acquire waits at most maxWait, without bound if that is negative, until the
// token may send a request about scope. The error has the class Throttled or
// Unavailable, or is that of ctx.
func (l *limits) acquire(ctx context.Context, token digest, scope, operation string, maxWait time.Duration) (*permit, error) {
	t := l.use(token)
	w := waiter{ctx: ctx, operation: operation, bounded: maxWait >= 0, until: time.Now().Add(maxWait)}
	if err := l.enter(t, scope, &w); err != nil {
		l.leave(t)
		return nil, err
	}
	return &permit{limits: l, limit: t, scope: scope, awaited: w.bounded, sent: time.Now()}, nil
}

// use returns the limits of a token.
func (l *limits) use(token digest) *limit {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.swept) > idleLimit {
		l.sweep(now)
	}
	t := l.tokens[token]
	if t == nil {
		t = &limit{
			rate:    rate.NewLimiter(rate.Limit(l.qps), l.burst),
			slots:   make(chan struct{}, l.concurrency),
			fetches: make(chan struct{}, l.concurrency),
			resting: map[string]time.Time{},
		}
		l.tokens[token] = t
	}
	if t.users == 0 && now.Sub(t.used) > restartAfter {
		t.restart()
	}
	t.users++
	t.used, t.forgotten = now, false
	return t
}

// restart makes the number of requests that may be under way begin small. None is.
func (t *limit) restart() {
	first := min(firstSlots, cap(t.slots))
	t.openedAt = time.Now()
	for t.opened > first {
		t.shut()
	}
	for t.opened < first {
		t.open()
	}
}

// leave ends a use of t. A token that was forgotten meanwhile ends with its last
// one.
func (l *limits) leave(t *limit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.users--
	t.used = time.Now()
	if t.forgotten {
		l.sweep(t.used)
	}
}

// forget ends the limits of a token that nothing uses any more. Until then a block
// goes on.
func (l *limits) forget(token digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.tokens[token]; t != nil {
		t.forgotten = true
	}
	l.sweep(time.Now())
}

// sweep drops what is not needed any more. l.mu is held.
func (l *limits) sweep(now time.Time) {
	l.swept = now
	for d, t := range l.tokens {
		if t.users == 0 && !now.Before(t.blocked) && (t.forgotten || now.Sub(t.used) > idleLimit) {
			delete(l.tokens, d)
		}
	}
}

// release ends the request, of which the answer, if there was one, was no refusal.
func (p *permit) release(answered bool) {
	l, t := p.limits, p.limit
	l.mu.Lock()
	if answered {
		now := time.Now()
		t.pace.accept(now, l.qps)
		l.apply(t, now)
		if !p.sent.Before(t.blockBegan) {
			t.unasked = 0
		}
		if len(t.slots) == 0 && t.opened < cap(t.slots) && now.Sub(t.openedAt) >= slotEvery {
			t.open()
		}
	}
	l.mu.Unlock()
	t.giveBack(p.awaited)
	l.leave(t)
}

// refuse notes that Aiven refused the request as one too many, and asks for no
// other before after; 0 means that it gives no time.
func (p *permit) refuse(after time.Duration) {
	l, t := p.limits, p.limit
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	// What was sent before the block began tells of the same time as what began it.
	first := !p.sent.Before(t.blockBegan)
	if first && after == 0 {
		t.unasked = unaskedBlock().Next(t.unasked)
	}
	if after == 0 {
		after = t.unasked
	}
	if first {
		t.pace.refuse(now, l.qps)
		l.apply(t, now)
		t.blockBegan = now
	}
	t.blocked = later(t.blocked, now.Add(after))
}

// rest notes that what the request was about is not available before after.
func (p *permit) rest(after time.Duration) {
	l, t := p.limits, p.limit
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for scope, until := range t.resting {
		if now.After(until) {
			delete(t.resting, scope)
		}
	}
	t.resting[p.scope] = later(t.resting[p.scope], now.Add(after))
}

// apply makes the token's rate what its pace says. l.mu is held.
func (l *limits) apply(t *limit, now time.Time) {
	limit, burst := rate.Limit(l.qps), l.burst
	if r := t.pace.rate; r > 0 {
		limit, burst = rate.Limit(r), max(1, int(r*paceBurst))
	}
	if t.rate.Limit() != limit {
		t.rate.SetLimitAt(now, limit)
		t.rate.SetBurstAt(now, burst)
	}
}

// unaskedBlock is how long a token pauses after a refusal without a time.
func unaskedBlock() backoff.Rising {
	return backoff.Rising{First: time.Second, Max: time.Minute, Factor: 2}
}
