// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Request is one entry of the request log.
type Request struct {
	// Seq numbers requests from 1 in the order of their arrival, across resets.
	Seq  uint64
	Time time.Time
	// Token is the name of the token, "none" without one or "unknown".
	Token  string
	Method string
	// Path is unescaped.
	Path  string
	Query url.Values
	// Operation is the API's name of the operation, empty for unknown routes.
	Operation string
	Project   string
	Service   string
	// Status is the status sent; 0 when the connection was cut before one.
	Status int
	// Bytes is the size of the answer's body.
	Bytes int
	// Mutating tells whether the operation is one that changes state.
	Mutating bool
	// Body is what a request that changes something said. It may hold secrets, so
	// nothing but tests shows it.
	Body []byte `json:"-"`
	// Applied tells whether the operation was carried out, whatever was answered.
	Applied bool
	// Fault is the name of the fault that was injected, if any.
	Fault string
	// Unexpected marks unknown routes and methods.
	Unexpected bool
	// Done is false while the request is in flight.
	Done     bool
	Duration time.Duration
	// Connection identifies the TCP connection; 0 for requests that came through
	// Handler and not through Start.
	Connection uint64
}

// ledger records requests and wakes waiters on every change.
type ledger struct {
	mu       sync.Mutex
	seq      uint64
	first    uint64 // sequence number of requests[0]
	requests []Request
	usage    map[string]*usage
	changed  chan struct{}
}

// usage is what one token has done since the last reset.
type usage struct {
	connections map[uint64]struct{}
	current     int
	peak        int
}

func newLedger() *ledger {
	return &ledger{first: 1, usage: map[string]*usage{}, changed: make(chan struct{})}
}

// wake must be called with the lock held.
func (l *ledger) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *ledger) begin(r Request) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	r.Seq = l.seq
	l.requests = append(l.requests, r)
	for _, name := range []string{r.Token, ""} {
		u := l.usage[name]
		if u == nil {
			u = &usage{connections: map[uint64]struct{}{}}
			l.usage[name] = u
		}
		u.connections[r.Connection] = struct{}{}
		u.current++
		u.peak = max(u.peak, u.current)
	}
	l.wake()
	return r.Seq
}

func (l *ledger) end(seq uint64, token string, change func(*Request)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range []string{token, ""} {
		if u := l.usage[name]; u != nil && u.current > 0 {
			u.current--
		}
	}
	if seq >= l.first {
		change(&l.requests[seq-l.first])
	}
	l.wake()
}

func (l *ledger) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.first = l.seq + 1
	l.requests = nil
	for _, u := range l.usage {
		u.connections = map[uint64]struct{}{}
		u.peak = u.current
	}
	l.wake()
}

func (l *ledger) snapshot() ([]Request, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.requests), l.changed
}

// Filter selects requests. A nil Filter selects all.
type Filter func(Request) bool

// ByOperation selects the requests of the named operations.
func ByOperation(operations ...string) Filter {
	return func(r Request) bool { return slices.Contains(operations, r.Operation) }
}

// ByToken selects the requests of one token, by the token's name.
func ByToken(name string) Filter {
	return func(r Request) bool { return r.Token == name }
}

// ByService selects the requests below one service.
func ByService(project, service string) Filter {
	return func(r Request) bool { return r.Project == project && r.Service == service }
}

// ByPath selects by a regular expression on the unescaped path. It panics when
// the expression does not compile.
func ByPath(expr string) Filter {
	re := regexp.MustCompile(expr)
	return func(r Request) bool { return re.MatchString(r.Path) }
}

// Mutating selects the requests that change something.
func Mutating(r Request) bool { return r.Mutating }

// And selects what all filters select.
func And(filters ...Filter) Filter {
	return func(r Request) bool {
		for _, f := range filters {
			if f != nil && !f(r) {
				return false
			}
		}
		return true
	}
}

// Requests returns a copy of the log since the last reset, oldest first.
func (s *Server) Requests(filters ...Filter) []Request {
	all, _ := s.ledger.snapshot()
	match := And(filters...)
	return slices.DeleteFunc(all, func(r Request) bool { return !match(r) })
}

// Count returns how many requests since the last reset match all filters.
func (s *Server) Count(filters ...Filter) int { return len(s.Requests(filters...)) }

// Unexpected returns the requests that no route answers. A test of a client
// asserts that there are none.
func (s *Server) Unexpected() []Request {
	return s.Requests(func(r Request) bool { return r.Unexpected })
}

// ResetRequests empties the log and the connection and concurrency accounts.
func (s *Server) ResetRequests() { s.ledger.reset() }

// Connections returns the number of distinct TCP connections that a token, by
// its name, has sent requests on since the last reset. The empty name means all.
func (s *Server) Connections(token string) int {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	if u := s.ledger.usage[token]; u != nil {
		return len(u.connections)
	}
	return 0
}

// PeakConcurrency returns the largest number of requests that a token had in
// flight at once since the last reset. The empty name means all tokens together.
func (s *Server) PeakConcurrency(token string) int {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	if u := s.ledger.usage[token]; u != nil {
		return u.peak
	}
	return 0
}

// WaitRequests waits until the log since the last reset satisfies cond, which
// is called whenever a request arrives or ends.
func (s *Server) WaitRequests(ctx context.Context, cond func([]Request) bool) error {
	for {
		requests, changed := s.ledger.snapshot()
		if cond(requests) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// WaitCount waits until at least n answered requests match all filters. The
// filters must not call the server.
func (s *Server) WaitCount(ctx context.Context, n int, filters ...Filter) error {
	match := And(filters...)
	for {
		count, changed := s.ledger.countDone(match)
		if count >= n {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d requests: %w", count, n, context.Cause(ctx))
		case <-changed:
		}
	}
}

// countDone counts without copying the log, which is long in benchmarks.
func (l *ledger) countDone(match Filter) (int, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	count := 0
	for _, r := range l.requests {
		if r.Done && match(r) {
			count++
		}
	}
	return count, l.changed
}
