// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/klog/v2"
)

// stillRunningInterval is how often a drain that takes long says what it waits
// for.
const stillRunningInterval = 5 * time.Second

// goroutineGroup is goroutines that are waited for by name.
type goroutineGroup struct {
	wg sync.WaitGroup

	mu      sync.Mutex
	running []string
}

// start runs f in a goroutine.
func (c *goroutineGroup) start(name string, f func()) {
	c.mu.Lock()
	c.running = append(c.running, name)
	c.mu.Unlock()
	c.wg.Go(func() {
		defer func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			i := slices.Index(c.running, name)
			c.running = slices.Delete(c.running, i, i+1)
		}()
		f()
	})
}

// names returns who is running.
func (c *goroutineGroup) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.running)
}

// wait waits for all. Once drain is closed it logs regularly who is still
// running.
func (c *goroutineGroup) wait(ctx context.Context, drain <-chan struct{}) {
	logger := klog.FromContext(ctx)
	done := make(chan struct{})
	var reporter sync.WaitGroup
	reporter.Go(func() {
		select {
		case <-drain:
		case <-done:
			return
		}
		ticker := time.NewTicker(stillRunningInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				logger.Info("Still running", "running", c.names())
			case <-done:
				return
			}
		}
	})
	c.wg.Wait()
	close(done)
	reporter.Wait()
}
