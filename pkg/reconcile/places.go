// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"sync"
	"time"
)

// Places bounds how many syncs run in parallel, whatever their lanes, to spare what
// all of them use. A sync gives its place back when it ends or after the
// patience, so that syncs which hang delay the others for a bounded time.
type Places struct {
	taken    chan struct{}
	patience time.Duration
}

// NewPlaces returns limit places, all free.
func NewPlaces(limit int, patience time.Duration) *Places {
	return &Places{taken: make(chan struct{}, max(limit, 1)), patience: patience}
}

// enter waits for a place and returns how to give it back. It is false if drain
// was closed or ctx ended first. Nil has room for all.
func (p *Places) enter(ctx context.Context, drain <-chan struct{}) (leave func(), ok bool) {
	if p == nil {
		return func() {}, true
	}
	select {
	case p.taken <- struct{}{}:
	case <-drain:
		return nil, false
	case <-ctx.Done():
		return nil, false
	}
	free := sync.OnceFunc(func() { <-p.taken })
	timer := time.AfterFunc(p.patience, free)
	return func() { timer.Stop(); free() }, true
}
