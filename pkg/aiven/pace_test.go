// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// allowance is a server that accepts rate requests per second, and burst at once.
type allowance struct {
	rate, burst float64

	mu               sync.Mutex
	has              float64
	at               time.Time
	answers, refused int
}

func (a *allowance) take() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.has += now.Sub(a.at).Seconds() * a.rate
	if a.at.IsZero() || a.has > a.burst {
		a.has = a.burst
	}
	a.at = now
	if a.has < 1 {
		a.refused++
		return false
	}
	a.has--
	a.answers++
	return true
}

// The rate that Aiven accepts is found with few refusals, and then made use of.
func TestPace(t *testing.T) {
	for _, tc := range []struct {
		burst   float64
		latency time.Duration
		within  time.Duration
		refused int
	}{
		{50, 30 * time.Millisecond, 20 * time.Second, 9},
		{50, 10 * time.Millisecond, 21 * time.Second, 9},
		{100, 10 * time.Millisecond, 20 * time.Second, 9},
		{100, 30 * time.Millisecond, 20 * time.Second, 13},
		{10, 30 * time.Millisecond, 28 * time.Second, 9},
		{50, 300 * time.Millisecond, 22 * time.Second, 9},
		{1, 30 * time.Millisecond, 70 * time.Second, 15},
	} {
		t.Run(fmt.Sprintf("burst %v, %s", tc.burst, tc.latency), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &allowance{rate: 50, burst: tc.burst}
				r := rand.New(rand.NewPCG(1, 1))
				var mu sync.Mutex
				l := newLimited(t, TransportOptions{}, func(int, *http.Request) *http.Response {
					mu.Lock()
					jitter := time.Duration(r.Int64N(int64(tc.latency) / 5))
					mu.Unlock()
					time.Sleep(tc.latency/2 + jitter)
					ok := server.take()
					time.Sleep(tc.latency / 2)
					if !ok {
						return refusal("1")
					}
					return rawAnswer(200, `{"a":1}`)
				})
				took := createAll(t, l, 900, r, &mu)
				t.Logf("%s, %d refused", took.Round(100*time.Millisecond), server.refused)
				if took > tc.within || server.refused > tc.refused {
					t.Errorf("900 requests took %s and were refused %d times, want %s and %d", took, server.refused, tc.within, tc.refused)
				}
			})
		})
	}
}

// createAll sends n requests as 32 workers of a lane do, and returns how long that
// took.
func createAll(t *testing.T, l *limited, n int, r *rand.Rand, mu *sync.Mutex) time.Duration {
	queue := make(chan struct{}, n)
	for range n {
		queue <- struct{}{}
	}
	done := make(chan struct{})
	var workers, timers sync.WaitGroup
	start := time.Now()
	for range 32 {
		workers.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-queue:
				}
				err := l.do(t.Context(), "a", "tok", "POST", servicePath, time.Second)
				mu.Lock()
				if err == nil {
					if n--; n == 0 {
						close(done)
					}
					mu.Unlock()
					continue
				}
				again := max(time.Second, RetryAfter(err))
				again += time.Duration(r.Int64N(int64(again) / 10))
				mu.Unlock()
				timers.Go(func() {
					time.Sleep(again)
					queue <- struct{}{}
				})
			}
		})
	}
	workers.Wait()
	took := time.Since(start)
	timers.Wait()
	return took
}

// Where nothing is refused, nothing is slower than the options say, but for a
// second or two at the beginning.
func TestPaceWithoutRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimited(t, TransportOptions{}, func(int, *http.Request) *http.Response {
			time.Sleep(30 * time.Millisecond)
			return rawAnswer(200, `{"a":1}`)
		})
		var mu sync.Mutex
		r := rand.New(rand.NewPCG(1, 1))
		if took := createAll(t, l, 2000, r, &mu); took > 10*time.Second { // 200 at once, then 200 per second
			t.Errorf("2,000 requests took %s", took)
		}
		if took := createAll(t, l, 200, r, &mu); took > 1200*time.Millisecond {
			t.Errorf("200 more took %s", took)
		}
	})
}

// A rate that was raised is found again.
func TestPaceRises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &allowance{rate: 10, burst: 10}
		l := newLimited(t, TransportOptions{}, func(int, *http.Request) *http.Response {
			time.Sleep(30 * time.Millisecond)
			if !server.take() {
				return refusal("1")
			}
			return rawAnswer(200, `{"a":1}`)
		})
		var mu sync.Mutex
		r := rand.New(rand.NewPCG(1, 1))
		slow := createAll(t, l, 200, r, &mu)
		server.mu.Lock()
		server.rate, server.burst = 1000, 1000
		server.mu.Unlock()
		createAll(t, l, 1500, r, &mu)
		if took := createAll(t, l, 200, r, &mu); slow < 15*time.Second || took > 5*time.Second {
			t.Errorf("200 requests took %s at 10 per second, and %s some minutes after that was raised", slow, took)
		}
	})
}
