// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"k8s.io/klog/v2"
)

// errPanicked is the error of a job that panicked.
var errPanicked = errors.New("reading it panicked, which is a defect of the operator; its log has more")

// job is something to do with one token in the background. panicked is called if
// run panics.
type job struct {
	run      func(context.Context)
	panicked func(error)
}

// lane is the jobs of one token value, whatever names it. It ends when none is
// left.
type lane struct {
	waiting []job
	running int
}

// enqueue adds a job to the token's lane; the loop starts it. s.mu is held.
func (s *Store) enqueue(token digest, j job) {
	l := s.lanes[token]
	if l == nil {
		l = &lane{}
		s.lanes[token] = l
	}
	l.waiting = append(l.waiting, j)
}

// startJobs starts workers for what waits in the lane, within the token's
// concurrency. s.mu is held.
func (s *Store) startJobs(ctx context.Context, token digest, l *lane) {
	for n := len(l.waiting); n > 0 && l.running < s.options.FetchConcurrency; n-- {
		l.running++
		s.workers.Go(func() {
			for s.work(ctx, token, l) {
			}
		})
	}
}

// work carries out the lane's next job. It is false if there is none, or if ctx is
// done.
func (s *Store) work(ctx context.Context, token digest, l *lane) bool {
	j, ok := s.take(ctx, token, l)
	if !ok {
		return false
	}
	defer func() {
		if r := recover(); r != nil {
			// Only the type: a panic value may quote what was being handled.
			klog.FromContext(ctx).Error(nil, "A job in the background panicked",
				"panicType", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
			j.panicked(&Error{Class: Unavailable, Operation: "Fetch", Err: errPanicked})
		}
	}()
	j.run(ctx)
	return true
}

// take returns the lane's next job, or ends the worker.
func (s *Store) take(ctx context.Context, token digest, l *lane) (job, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(l.waiting) == 0 || ctx.Err() != nil {
		l.running--
		if l.running == 0 && len(l.waiting) == 0 {
			delete(s.lanes, token)
		}
		return job{}, false
	}
	j := l.waiting[0]
	l.waiting[0] = job{}
	l.waiting = l.waiting[1:]
	return j, true
}
