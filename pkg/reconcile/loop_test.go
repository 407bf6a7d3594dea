// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2/ktesting"
)

// runLoop runs a loop in the background of the test's bubble.
func runLoop(t *testing.T, opts LoopOptions) *Loop {
	_, ctx := ktesting.NewTestContext(t)
	if opts.Lanes == nil {
		opts.Lanes = NewLanes(4)
	}
	opts.Name = "test-loop"
	loop := NewLoop(ctx, opts)
	drain, ended := make(chan struct{}), make(chan struct{})
	go func() { defer close(ended); loop.Run(ctx, drain) }()
	t.Cleanup(func() { close(drain); <-ended })
	return loop
}

func TestLoopOutcomes(t *testing.T) {
	name := cache.ObjectName{Namespace: "ns", Name: "x"}
	tests := map[string]struct {
		outcome Outcome
		// within which two further syncs must come, or not at all
		earliest, latest time.Duration
	}{
		"done":     {Done(), 0, 0},
		"terminal": {Terminal(errors.New("bad spec")), 0, 0},
		"after":    {After(10 * time.Second), 20 * time.Second, 24 * time.Second},
		"retry":    {Retry(errors.New("no answer")), 15 * time.Second, 15 * time.Second},
	}
	for label, tt := range tests {
		t.Run(label, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var syncs []time.Duration
				loop := runLoop(t, LoopOptions{Sync: func(context.Context, cache.ObjectName) Outcome {
					syncs = append(syncs, time.Since(start))
					if len(syncs) == 3 {
						return Done()
					}
					return tt.outcome
				}})
				loop.Enqueue(name)
				time.Sleep(time.Hour)
				synctest.Wait()
				if tt.latest == 0 {
					if len(syncs) != 1 {
						t.Fatalf("synced at %v, want once", syncs)
					}
					return
				}
				if len(syncs) != 3 || syncs[2] < tt.earliest || syncs[2] > tt.latest {
					t.Errorf("synced at %v, want the third between %v and %v", syncs, tt.earliest, tt.latest)
				}
			})
		})
	}
}

func TestLoopSurvivesAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var syncs atomic.Int32
		loop := runLoop(t, LoopOptions{Sync: func(context.Context, cache.ObjectName) Outcome {
			if syncs.Add(1) == 1 {
				panic("secret value")
			}
			return Done()
		}})
		loop.Enqueue(cache.ObjectName{Name: "x"})
		time.Sleep(time.Minute)
		synctest.Wait()
		if syncs.Load() != 2 {
			t.Errorf("synced %d times, want a retry after the panic", syncs.Load())
		}
	})
}

func TestLoopAHangingLaneDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var good atomic.Int32
		loop := runLoop(t, LoopOptions{
			Lanes: NewLanes(2),
			Lane:  func(n cache.ObjectName) string { return n.Namespace },
			Sync: func(_ context.Context, n cache.ObjectName) Outcome {
				if n.Namespace == "bad" {
					<-release
				} else {
					good.Add(1)
				}
				return Done()
			},
		})
		for range 3 {
			for i := range 100 {
				loop.Enqueue(cache.ObjectName{Namespace: "bad", Name: string(rune('a' + i))})
			}
		}
		for i := range 10 {
			loop.Enqueue(cache.ObjectName{Namespace: "good", Name: string(rune('a' + i))})
		}
		synctest.Wait()
		if good.Load() != 10 {
			t.Errorf("%d of 10 syncs of the good lane ran while the bad one hangs", good.Load())
		}
		close(release)
		synctest.Wait()
	})
}

func TestLoopDrainsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ctx := ktesting.NewTestContext(t)
		started, release := make(chan struct{}), make(chan struct{})
		var finished, second atomic.Bool
		loop := NewLoop(ctx, LoopOptions{Name: "l", Lanes: NewLanes(1), Sync: func(ctx context.Context, n cache.ObjectName) Outcome {
			if n.Name == "second" {
				second.Store(true)
				return Done()
			}
			close(started)
			<-release
			finished.Store(ctx.Err() == nil)
			return Done()
		}})
		drain, ended := make(chan struct{}), make(chan struct{})
		go func() { defer close(ended); loop.Run(ctx, drain) }()
		loop.Enqueue(cache.ObjectName{Name: "first"})
		<-started
		loop.Enqueue(cache.ObjectName{Name: "second"})
		close(drain)
		synctest.Wait()
		select {
		case <-ended:
			t.Fatal("the loop ended while a sync was under way")
		default:
		}
		close(release)
		<-ended
		if !finished.Load() {
			t.Error("the sync under way was cut short")
		}
		if second.Load() {
			t.Error("a parked key was taken up after drain")
		}
	})
}
