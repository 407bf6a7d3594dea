// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/backoff"
)

const (
	// minGap is the least time between the starts of two fetches of one entry:
	// the writes of many objects are followed by one read.
	minGap = 500 * time.Millisecond
	// fetchShare is how many times longer than a fetch that gap is, up to maxGap,
	// so that a service with very many topics in the making is not read all the
	// time.
	fetchShare = 4
	maxGap     = 2 * time.Second
	// maxListGap bounds the same gap of the lists of topics of many services. They are
	// read about one at a time while the topics are in the making: each has thousands
	// of entries, and Aiven takes longer to make more.
	maxListGap = 20 * time.Second
	// wholeGap is for how long what was read is certain enough to be left out of
	// a fetch that follows writes.
	wholeGap = 15 * time.Second
)

// task is something to do at a time. It is in at most one place of the queue.
type task struct {
	due   time.Time
	index int // in the queue; -1 while it is not
	run   func()
}

// taskQueue is a heap of tasks, the next due first.
type taskQueue []*task

func (q taskQueue) Len() int           { return len(q) }
func (q taskQueue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q taskQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *taskQueue) Push(x any) {
	t := x.(*task)
	t.index = len(*q)
	*q = append(*q, t)
}

// Pop implements heap.Interface.
func (q *taskQueue) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	t.index = -1
	return t
}

// set moves t to that time and reports whether it is now the first.
func (q *taskQueue) set(t *task, due time.Time) bool {
	t.due = due
	if t.index < 0 {
		heap.Push(q, t)
	} else {
		heap.Fix(q, t.index)
	}
	return t.index == 0
}

func (q *taskQueue) remove(t *task) {
	if t.index >= 0 {
		heap.Remove(q, t.index)
	}
}

// popDue returns the next task that is due, nil if none is.
func (q *taskQueue) popDue(now time.Time) *task {
	if len(*q) == 0 || (*q)[0].due.After(now) {
		return nil
	}
	return heap.Pop(q).(*task)
}

// settling is how a thing is read again while it is still changing.
func settling() backoff.Rising {
	return backoff.Rising{First: time.Second, Max: 10 * time.Second, Factor: 1.5}
}

// failing is how a read that fails is tried again.
func (s *Store) failing() backoff.Rising {
	return backoff.Rising{First: time.Second, Max: s.options.PollInterval, Factor: 2}
}

// jittered is a bit less than the interval, never more: the interval is what
// users are promised.
func jittered(interval time.Duration) time.Duration {
	return interval - time.Duration(rand.Int64N(int64(interval)/10+1))
}
