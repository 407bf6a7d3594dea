// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Action is what a fault does to the answer.
type Action string

const (
	// Respond answers Status with an error body.
	Respond Action = "respond"
	// Hang keeps the request open until the fault is released or the client
	// goes away, then answers as if nothing had happened.
	Hang Action = "hang"
	// Reset cuts the TCP connection with an RST.
	Reset Action = "reset"
	// Truncate sends half of the real answer and cuts the connection.
	Truncate Action = "truncate"
	// TruncateJSON sends half of the real answer as a complete HTTP answer.
	TruncateJSON Action = "truncate-json"
	// Slow sends the real answer in pieces, Delay apart.
	Slow Action = "slow"
	// HTML answers Status with a page, as a proxy in front of the API would.
	HTML Action = "html"
	// Huge answers Status with a JSON body of Size bytes.
	Huge Action = "huge"
	// WrongType sends the real answer with one value of another type.
	WrongType Action = "wrong-type"
	// UnknownEnum sends the real answer with one word of an enumeration, such as a
	// state, replaced by one that no documentation has.
	UnknownEnum Action = "unknown-enum"
)

// Fault makes chosen requests go wrong. All the matchers that are set must
// match; the first fault in the order of InjectFault that does is used.
type Fault struct {
	// Name shows up in the request log. Empty means the action.
	Name string
	// Method is an HTTP method.
	Method string
	// Path is a regular expression on the unescaped path.
	Path string
	// Operation is the API's name of the operation.
	Operation string
	// Token is the name of a token.
	Token string
	// Skip lets the first matching requests pass.
	Skip int
	// Count is how many requests are hit. Zero means all until Remove.
	Count int
	// Probability in (0,1) hits a share of the matching requests, drawn from
	// the server's seed. Zero means every one.
	Probability float64

	// Action is what happens. Empty means Respond.
	Action Action
	// Apply carries the operation out before the action, where the default is
	// not to. Hang and whatever sends the real answer always apply it, Hang after
	// its release unless Apply is set.
	Apply bool
	// Status of Respond (default 500), HTML (default 502) and Huge (default 200).
	Status int
	// Message of Respond.
	Message string
	// Echo adds the request's Authorization header and body to the message of
	// Respond.
	Echo bool
	// RetryAfter is sent in whole seconds with Respond when positive.
	RetryAfter time.Duration
	// Delay between the pieces of Slow. Zero means 10 ms.
	Delay time.Duration
	// Size of Huge in bytes. Zero means 10 MiB.
	Size int
}

// FaultHandle controls an injected fault.
type FaultHandle struct {
	set      *faultSet
	fault    Fault
	path     *regexp.Regexp
	seen     int
	hits     int
	waiting  int
	released chan struct{}
}

// faultSet holds the active faults.
type faultSet struct {
	mu      sync.Mutex
	rand    *rand.Rand
	active  []*FaultHandle
	changed chan struct{}
}

func newFaultSet(seed uint64) *faultSet {
	return &faultSet{rand: rand.New(rand.NewPCG(seed, 0)), changed: make(chan struct{})}
}

// InjectFault adds a fault. It panics when the path expression does not compile.
func (s *Server) InjectFault(f Fault) *FaultHandle {
	if f.Action == "" {
		f.Action = Respond
	}
	if f.Name == "" {
		f.Name = string(f.Action)
	}
	h := &FaultHandle{set: s.faults, fault: f, path: regexp.MustCompile(f.Path), released: make(chan struct{})}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.active = append(s.faults.active, h)
	return h
}

// ClearFaults removes all faults and releases what hangs.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	all := slices.Clone(s.faults.active)
	s.faults.mu.Unlock()
	for _, h := range all {
		h.Remove()
	}
}

// pick returns the fault for a request and counts it.
func (fs *faultSet) pick(r Request) *FaultHandle {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, h := range fs.active {
		f := h.fault
		if f.Method != "" && f.Method != r.Method || f.Operation != "" && f.Operation != r.Operation ||
			f.Token != "" && f.Token != r.Token || !h.path.MatchString(r.Path) {
			continue
		}
		h.seen++
		if h.seen <= f.Skip || f.Count > 0 && h.hits >= f.Count {
			continue
		}
		if f.Probability > 0 && fs.rand.Float64() >= f.Probability {
			continue
		}
		h.hits++
		fs.wake()
		return h
	}
	return nil
}

// draw returns a number in [0,n) that follows from the seed.
func (fs *faultSet) draw(n int) int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.rand.IntN(n)
}

// wake must be called with the lock held.
func (fs *faultSet) wake() {
	close(fs.changed)
	fs.changed = make(chan struct{})
}

// Remove ends the fault and releases the requests that hang in it.
func (h *FaultHandle) Remove() {
	h.set.mu.Lock()
	h.set.active = slices.DeleteFunc(h.set.active, func(o *FaultHandle) bool { return o == h })
	h.set.mu.Unlock()
	h.Release()
}

// Release lets the requests that hang in the fault go on, and later ones pass
// without hanging.
func (h *FaultHandle) Release() {
	h.set.mu.Lock()
	defer h.set.mu.Unlock()
	select {
	case <-h.released:
	default:
		close(h.released)
	}
}

// Hits returns how many requests the fault has hit.
func (h *FaultHandle) Hits() int {
	h.set.mu.Lock()
	defer h.set.mu.Unlock()
	return h.hits
}

// Hanging returns how many requests hang in the fault now.
func (h *FaultHandle) Hanging() int {
	h.set.mu.Lock()
	defer h.set.mu.Unlock()
	return h.waiting
}

// WaitHits waits until the fault has hit at least n requests.
func (h *FaultHandle) WaitHits(ctx context.Context, n int) error {
	return h.wait(ctx, func() bool { return h.hits >= n })
}

// WaitHanging waits until at least n requests hang in the fault at once.
func (h *FaultHandle) WaitHanging(ctx context.Context, n int) error {
	return h.wait(ctx, func() bool { return h.waiting >= n })
}

func (h *FaultHandle) wait(ctx context.Context, cond func() bool) error {
	for {
		h.set.mu.Lock()
		ok, changed := cond(), h.set.changed
		h.set.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("fault %s: %w", h.fault.Name, context.Cause(ctx))
		case <-changed:
		}
	}
}

// hang blocks until the fault is released or a context ends; it tells whether
// the request should go on.
func (h *FaultHandle) hang(request, server context.Context) bool {
	h.addWaiting(1)
	defer h.addWaiting(-1)
	select {
	case <-h.released:
		return true
	case <-request.Done():
		return false
	case <-server.Done():
		return false
	}
}

func (h *FaultHandle) addWaiting(n int) {
	h.set.mu.Lock()
	defer h.set.mu.Unlock()
	h.waiting += n
	h.set.wake()
}
