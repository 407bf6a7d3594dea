// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/tools/cache"
)

// Of many keys that hang, some at a time do, and one more gets its turn.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, patience, hangs = 3, 5 * time.Second, 20 * time.Second
		var mu sync.Mutex
		running, most := 0, 0
		began := time.Now()
		var quick time.Duration
		sync := func(_ context.Context, name cache.ObjectName) Outcome {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			if name.Name == "quick" {
				quick = time.Since(began)
			} else {
				time.Sleep(hangs)
			}
			mu.Lock()
			running--
			mu.Unlock()
			return Done()
		}
		l := NewLoop(t.Context(), LoopOptions{
			Name: "test", Sync: sync, Lanes: NewLanes(1), Places: NewPlaces(limit, patience),
			Lane: func(name cache.ObjectName) string { return name.Name },
		})
		for i := range 2 * limit {
			l.Enqueue(cache.NewObjectName("ns", fmt.Sprint("hangs-", i)))
		}
		l.Enqueue(cache.NewObjectName("ns", "quick"))
		drain := make(chan struct{})
		done := make(chan struct{})
		go func() { defer close(done); l.Run(t.Context(), drain) }()
		synctest.Wait()
		mu.Lock()
		if running != limit {
			t.Errorf("%d run at once, want %d", running, limit)
		}
		mu.Unlock()
		time.Sleep(hangs)
		synctest.Wait()
		mu.Lock()
		if quick != 2*patience || most > 2*limit+1 {
			t.Errorf("one that does not hang ran after %s, want %s; %d ran at once", quick, 2*patience, most)
		}
		mu.Unlock()
		for i := range 2 * limit {
			l.Enqueue(cache.NewObjectName("ns", fmt.Sprint("more-", i)))
		}
		synctest.Wait()
		stopped := time.Now()
		close(drain)
		<-done
		if took := time.Since(stopped); took > hangs {
			t.Errorf("it took %s to stop: what had no place was begun", took)
		}
		if len(l.opts.Places.taken) != 0 {
			t.Errorf("%d places were not given back", len(l.opts.Places.taken))
		}
	})
}
