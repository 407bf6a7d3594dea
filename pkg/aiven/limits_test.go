// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// named is a Source of that name.
type named struct {
	deaf
	name string
}

func (n named) Name() string { return n.name }

// limited is a Transport over a function that answers, and what was sent.
type limited struct {
	*Transport
	mu   sync.Mutex
	sent []time.Time
}

// newLimited takes answers from answer, which is told how many came before.
func newLimited(t *testing.T, options TransportOptions, answer func(n int, req *http.Request) *http.Response) *limited {
	t.Helper()
	l := &limited{}
	options.RoundTripper = roundTripper(func(req *http.Request) (*http.Response, error) {
		l.mu.Lock()
		n := len(l.sent)
		l.sent = append(l.sent, time.Now())
		l.mu.Unlock()
		return answer(n, req), nil
	})
	l.Transport = newTestTransport(t, options)
	return l
}

func (l *limited) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sent)
}

// do sends one request with that token value under a name.
func (l *limited) do(ctx context.Context, name, token, method, path string, maxWait time.Duration) error {
	_, err := l.send(ctx, request{
		operation: "Operation", method: method, path: path, source: named{name: name},
		credential: Credential{Token: token}, maxWait: maxWait,
	})
	return err
}

const servicePath = "/v1/project/p/service/s"

func refusal(retryAfter string) *http.Response {
	res := rawAnswer(429, `{"message":"Slow down"}`)
	if retryAfter != "" {
		res.Header.Set("Retry-After", retryAfter)
	}
	return res
}

func TestThrottledTokenWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimited(t, TransportOptions{}, func(int, *http.Request) *http.Response { return refusal("20") })
		for range 3 {
			err := l.do(t.Context(), "a", "tok", "GET", servicePath, time.Second)
			if ClassOf(err) != Throttled || RetryAfter(err) != 20*time.Second {
				t.Fatalf("%v, retry after %v", err, RetryAfter(err))
			}
		}
		if n := l.count(); n != 1 {
			t.Errorf("%d requests sent during the wait, want 1", n)
		}
		time.Sleep(20 * time.Second)
		_ = l.do(t.Context(), "a", "tok", "GET", servicePath, time.Second)
		if n := l.count(); n != 2 {
			t.Errorf("%d requests, want one more after the wait", n)
		}
	})
}

// A limit is of the token, not of the Secret that it was read from.
func TestLimitsBelongToTheValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimited(t, TransportOptions{}, func(int, *http.Request) *http.Response { return refusal("20") })
		for i := range 200 {
			_ = l.do(t.Context(), fmt.Sprint("ns/secret-", i), "shared", "GET", servicePath, time.Second)
		}
		if n := l.count(); n != 1 {
			t.Errorf("%d requests with one token went through a 429", n)
		}
		_ = l.do(t.Context(), "ns/secret-0", "another", "GET", servicePath, time.Second)
		if n := l.count(); n != 2 {
			t.Error("another token has to wait")
		}
		if dump := fmt.Sprintf("%+v %#v", l.limits.tokens, l.limits.tokens); strings.Contains(dump, "shared") {
			t.Error("the limits name the token")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		under, most := 0, 0
		var mu sync.Mutex
		l := newLimited(t, TransportOptions{Concurrency: 4}, func(int, *http.Request) *http.Response {
			mu.Lock()
			under++
			most = max(most, under)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			under--
			mu.Unlock()
			return rawAnswer(200, `{"a":1}`)
		})
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				_ = l.do(t.Context(), fmt.Sprint("ns/secret-", i), "shared", "GET", servicePath, -1+time.Duration(i%2)*5)
			})
		}
		wg.Wait()
		if most > 4 {
			t.Errorf("%d requests of one token at once", most)
		}
	})
}

// What waits for a slot or for its turn respects a block that begins meanwhile.
func TestBlockStopsWhatWaits(t *testing.T) {
	for name, options := range map[string]TransportOptions{
		"for a slot": {Concurrency: 1},
		"its turn":   {QPS: 4, Burst: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLimited(t, options, func(int, *http.Request) *http.Response {
					time.Sleep(200 * time.Millisecond)
					return refusal("20")
				})
				var wg sync.WaitGroup
				for i := range 4 {
					wg.Go(func() {
						time.Sleep(time.Duration(i) * time.Millisecond)
						maxWait := time.Second
						if i == 3 {
							maxWait = -1
						}
						if err := l.do(t.Context(), "a", "tok", "GET", servicePath, maxWait); ClassOf(err) != Throttled || RetryAfter(err) < 19*time.Second {
							t.Errorf("%v, retry after %v", err, RetryAfter(err))
						}
					})
				}
				wg.Wait()
				if n := l.count(); n != 1 {
					t.Errorf("%d requests were sent, want 1", n)
				}
			})
		})
	}
}

// A short block is waited for, by whoever has the time.
func TestShortBlockIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimited(t, TransportOptions{MaxWait: 2 * time.Second}, func(n int, _ *http.Request) *http.Response {
			if n == 0 {
				return refusal("1")
			}
			return rawAnswer(200, `{"a":1}`)
		})
		_ = l.do(t.Context(), "a", "tok", "GET", servicePath, time.Second)
		start := time.Now()
		for _, maxWait := range []time.Duration{time.Second, -1} {
			if err := l.do(t.Context(), "a", "tok", "GET", servicePath, maxWait); err != nil {
				t.Errorf("%v", err)
			}
		}
		if took := time.Since(start); took < time.Second || took > 1500*time.Millisecond {
			t.Errorf("waited %s", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		l.limits.use(l.limits.digest("tok")).blocked = time.Now().Add(time.Second)
		time.AfterFunc(time.Millisecond, cancel)
		if err := l.do(ctx, "a", "tok", "GET", servicePath, time.Second); !errors.Is(err, context.Canceled) {
			t.Errorf("whoever waits and is cancelled gets %v", err)
		}
	})
}

// A later answer that asks for less does not make a block shorter.
func TestShorterRetryAfterDoesNotShortenABlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimited(t, TransportOptions{}, func(n int, _ *http.Request) *http.Response {
			time.Sleep(time.Duration(n+1) * time.Second)
			return refusal([]string{"60", "1", ""}[n])
		})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { _ = l.do(t.Context(), "a", "tok", "GET", servicePath, time.Second) })
			synctest.Wait()
		}
		wg.Wait()
		if err := l.do(t.Context(), "a", "tok", "GET", servicePath, time.Second); RetryAfter(err) != 58*time.Second || l.count() != 3 {
			t.Errorf("the next may be sent after %v, want 58s; %d were", RetryAfter(err), l.count())
		}
	})
}

// A 429 without a time makes the token pause all the same, longer each time.
func TestRefusalWithoutATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := false
		l := newLimited(t, TransportOptions{}, func(int, *http.Request) *http.Response {
			if good {
				return rawAnswer(200, `{"a":1}`)
			}
			return refusal("")
		})
		start := time.Now()
		for time.Since(start) < 10*time.Minute {
			for i := range 10 { // objects
				_ = l.do(t.Context(), fmt.Sprint(i), "tok", "GET", servicePath, 0)
			}
			time.Sleep(100 * time.Millisecond)
		}
		// 1, 2, 4, 8, 16, 32 s, and then once a minute
		if n := l.count(); n < 14 || n > 18 {
			t.Errorf("%d requests in 10 minutes of refusals", n)
		}
		good = true
		time.Sleep(time.Minute)
		if err := l.do(t.Context(), "0", "tok", "GET", servicePath, time.Second); err != nil {
			t.Fatal(err)
		}
		good = false
		time.Sleep(time.Minute)
		if err := l.do(t.Context(), "0", "tok", "GET", servicePath, time.Second); ClassOf(err) != Throttled {
			t.Fatal(err)
		}
		if err := l.do(t.Context(), "0", "tok", "GET", servicePath, 0); RetryAfter(err) != time.Second {
			t.Errorf("the pause after an answer is %v, want it short again", RetryAfter(err))
		}
	})
}

// What a 503 says of a part of the API holds for reads and writes, and for no
// other part.
func TestRetryAfterOfUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimited(t, TransportOptions{}, func(_ int, req *http.Request) *http.Response {
			if !strings.HasPrefix(req.URL.Path, servicePath) {
				return rawAnswer(200, `{"a":1}`)
			}
			res := rawAnswer(503, `{"message":"The service is moved"}`)
			res.Header.Set("Retry-After", "30")
			return res
		})
		for _, method := range []string{"POST", "PUT", "DELETE", "GET"} {
			err := l.do(t.Context(), "a", "tok", method, servicePath+"/topic/"+method, time.Second)
			if ClassOf(err) != Unavailable || RetryAfter(err) != 30*time.Second {
				t.Errorf("%s: %v, retry after %v", method, err, RetryAfter(err))
			}
		}
		if n := l.count(); n != 1 {
			t.Errorf("%d requests were sent to what is not available", n)
		}
		for _, path := range []string{"/v1/project/p/service/other", "/v1/project/p", "/v1/project/p/service", "/v1/organization/o"} {
			if err := l.do(t.Context(), "a", "tok", "GET", path, time.Second); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		if err := l.do(t.Context(), "a", "another", "GET", servicePath, time.Second); ClassOf(err) != Unavailable || l.count() != 6 {
			t.Errorf("another token: %v, %d requests", err, l.count())
		}
		time.Sleep(30 * time.Second)
		_ = l.do(t.Context(), "a", "tok", "POST", servicePath, time.Second)
		if n := l.count(); n != 7 {
			t.Errorf("%d requests, want one more after the wait", n)
		}
	})
}

func TestScopes(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/project/p/service/s":         "project/p/service/s",
		"/v2/project/p/service/s/topic/t": "project/p/service/s",
		"/v1/project/p/service":           "project/p",
		"/v1/project/p/integration/i":     "project/p",
		"/v1/project/p":                   "project/p",
		"/v1/organization/o/x/y":          "organization/o",
		"/v1/project":                     "project",
		"":                                "",
	} {
		if got := scopeOf(path); got != want {
			t.Errorf("%q is about %q, want %q", path, got, want)
		}
	}
}

func TestConcurrencyPerToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		api.latency = 5 * time.Second
		tr := newTestTransport(t, TransportOptions{RoundTripper: api, Concurrency: 2, QPS: 1000, Burst: 1000})
		send := func(token string, maxWait time.Duration) error {
			_, err := tr.send(t.Context(), request{
				operation: "X", method: "GET", path: "/v1/project/p/events", source: deaf{}, credential: Credential{Token: token}, maxWait: maxWait,
			})
			return err
		}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { _ = send("a", time.Second) })
		}
		synctest.Wait()
		if err := send("a", time.Second); ClassOf(err) != Throttled || RetryAfter(err) <= 0 {
			t.Errorf("third request of the token: %v", err)
		}
		start := time.Now()
		if err := send("b", time.Second); err != nil || time.Since(start) != 5*time.Second {
			t.Errorf("another token: %v after %v", err, time.Since(start))
		}
		wg.Wait()
		start = time.Now()
		for range 3 { // the background waits for as long as it takes
			wg.Go(func() {
				if err := send("a", -1); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if err := send("a", time.Second); err != nil {
			t.Errorf("the background leaves nothing to objects: %v", err)
		}
		wg.Wait()
		if took := time.Since(start); took < 15*time.Second {
			t.Errorf("the background took all slots: %s", took)
		}
	})
}

func TestRatePerToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		tr := newTestTransport(t, TransportOptions{RoundTripper: api, QPS: 2, Burst: 1})
		start := time.Now()
		for range 5 {
			if _, err := call(t.Context(), tr, "ServiceGet", "GET", nil); ClassOf(err) != NotFound {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took < 1900*time.Millisecond || took > 2100*time.Millisecond {
			t.Errorf("5 requests at 2 per second took %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := call(ctx, tr, "ServiceGet", "GET", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled wait: %v", err)
		}
	})
}

// Limits end with the token, or when they were idle for long; a block lasts until
// its end.
func TestLimitsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := true
		l := newLimited(t, TransportOptions{}, func(int, *http.Request) *http.Response {
			if blocked {
				return refusal("60")
			}
			time.Sleep(time.Second)
			return rawAnswer(200, `{"a":1}`)
		})
		send := func(token string) { _ = l.do(t.Context(), "a", token, "GET", servicePath, 0) }
		left := func() int {
			l.limits.mu.Lock()
			defer l.limits.mu.Unlock()
			return len(l.limits.tokens)
		}
		send("blocked")
		l.Forget("blocked")
		send("blocked")
		if n := l.count(); n != 1 || left() != 1 {
			t.Errorf("%d requests: the block ended with the token", n)
		}
		blocked = false
		time.Sleep(time.Minute)
		var wg sync.WaitGroup
		wg.Go(func() { send("busy") })
		synctest.Wait()
		l.Forget("busy")
		if left() != 2 {
			t.Error("ended during a request")
		}
		wg.Wait()
		l.Forget("blocked")
		if n := left(); n != 0 {
			t.Errorf("%d limits are left", n)
		}
		for i := range 1000 { // nobody says that they are gone
			send(fmt.Sprint(i))
		}
		time.Sleep(2 * idleLimit)
		send("last")
		if n := left(); n != 1 {
			t.Errorf("%d limits are left, want 1", n)
		}
	})
}

// A random walk: what is taken is given back, and nothing is sent during a block.
func TestLimitsRandomWalk(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			var mu sync.Mutex
			roll := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return r.IntN(n)
			}
			var said, blocked time.Time
			l := newLimited(t, TransportOptions{Concurrency: 6, QPS: 20, Burst: 10}, func(int, *http.Request) *http.Response {
				began := time.Now()
				mu.Lock()
				if began.After(said) && began.Before(blocked) {
					t.Errorf("sent %s before the end of a block", blocked.Sub(began))
				}
				mu.Unlock()
				time.Sleep(time.Duration(roll(1000)) * time.Millisecond)
				var wait time.Duration
				res := rawAnswer(200, `{"a":1}`)
				switch roll(12) {
				case 0:
					wait = time.Duration(roll(30)+1) * time.Second
					res = refusal(fmt.Sprint(int(wait.Seconds())))
				case 1:
					wait = time.Second // at least
					res = refusal("")
				case 2:
					res = rawAnswer(503, `{"message":"no"}`)
					res.Header.Set("Retry-After", "5")
				}
				mu.Lock()
				defer mu.Unlock()
				said, blocked = time.Now(), later(blocked, time.Now().Add(wait))
				return res
			})
			var wg sync.WaitGroup
			for range 200 {
				time.Sleep(time.Duration(roll(200)) * time.Millisecond)
				maxWait := time.Duration(roll(3)-1) * time.Second
				path := fmt.Sprint("/v1/project/p/service/s", roll(3))
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(roll(5000)+1)*time.Millisecond)
				wg.Go(func() {
					defer cancel()
					_ = l.do(ctx, fmt.Sprint(roll(5)), "tok", "GET", path, maxWait)
				})
			}
			wg.Wait()
			limit := l.limits.tokens[l.limits.digest("tok")]
			if limit.users != 0 || len(limit.slots) != limit.opened || len(limit.fetches) != (limit.opened+1)/2 || limit.opened > 6 {
				t.Errorf("seed %d: %d users, %d of %d slots and %d fetches are free", seed, limit.users, len(limit.slots), limit.opened, len(limit.fetches))
			}
		})
	}
}
