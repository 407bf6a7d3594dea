// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A panic in the background fails the fetch that it came from, which is tried
// again, and nothing else.
func TestPanicInAFetch(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		var good atomic.Bool
		var calls atomic.Int32
		read := func(id string) (*Reading[int], error) {
			return Read(w.client(id), Resource[int]{Kind: "quota", Project: "p", Service: "s", Fetch: func(context.Context, Doer) (*int, error) {
				if calls.Add(1); !good.Load() {
					panic("with a s3cret value")
				}
				return new(int), nil
			}})
		}
		if _, err := read("a"); !errors.Is(err, ErrPending) {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if w.takeNotified("a") != 1 {
			t.Fatal("whoever waits was not told")
		}
		_, err := read("a")
		if ClassOf(err) != Unavailable || strings.Contains(err.Error(), "s3cret") {
			t.Fatalf("got %v", err)
		}
		w.service("b", "p", "s") // the lane goes on
		time.Sleep(2 * time.Minute)
		if n := calls.Load(); n < 6 || n > 9 {
			t.Errorf("tried %d times in two minutes", n)
		}
		good.Store(true)
		time.Sleep(2 * time.Minute)
		if w.takeNotified("a") != 1 {
			t.Error("not told that it is over")
		}
		if _, err := read("a"); err != nil {
			t.Error(err)
		}
	})
}

// What panics while the result is taken in leaves no lock behind.
func TestPanicWhileTakingIn(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		var good atomic.Bool
		c := w.store.Client(fakeSource{world: w, name: "x"}, w.credential, Subscriber{ID: "a", Notify: func() {
			if !good.Load() {
				panic("notify")
			}
		}})
		_, _ = c.Service("p", "s")
		time.Sleep(100 * time.Millisecond)
		good.Store(true)
		time.Sleep(5 * time.Second)
		if _, err := c.Service("p", "s"); err != nil {
			t.Errorf("never read: %v", err)
		}
	})
}

func TestPanicInTheEventLog(t *testing.T) {
	withEvents(t, func(t *testing.T, w *world) {
		panics := 0
		w.api.fail = func(req *http.Request) *http.Response {
			if strings.HasSuffix(req.URL.Path, "/events") && panics == 0 {
				panics++
				panic("events")
			}
			return nil
		}
		w.service("a", "p", "s")
		time.Sleep(time.Minute)
		if n := w.api.count("GET " + logPath); n < 3 {
			t.Errorf("%d reads of the log after a panic", n)
		}
	})
}
