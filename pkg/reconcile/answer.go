// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"sync"
	"time"
)

// Answer is what was asked for last, and is asked for again only when it has become old.
// One that cannot be renewed stays. It is safe for concurrent use: one call asks for all
// that wait.
type Answer[T any] struct {
	// Ask asks.
	Ask func(ctx context.Context) (T, error)
	// Valid is how long an answer counts, and Again how long after it could not be renewed
	// that is tried again; 0 means with the next call.
	Valid, Again time.Duration
	// Refutes reports whether an error says that the answer does not hold any more. Nil
	// means that none does.
	Refutes func(error) bool

	mu    sync.Mutex
	known bool
	value T
	until time.Time
}

// Get returns the answer. The error is that of the first one, or one that refutes it.
func (a *Answer[T]) Get(ctx context.Context, now time.Time) (T, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known && now.Before(a.until) {
		return a.value, nil
	}
	value, err := a.Ask(ctx)
	switch {
	case err == nil:
		a.known, a.value, a.until = true, value, now.Add(a.Valid)
	case !a.known, a.Refutes != nil && a.Refutes(err):
		var none T
		return none, err
	default:
		a.until = now.Add(a.Again)
	}
	return a.value, nil
}

// Forget has the next call ask again.
func (a *Answer[T]) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known = false
}
