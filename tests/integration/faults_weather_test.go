// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

const (
	// gust is how long one choice of faults at Aiven lasts.
	gust = 300 * time.Millisecond
	// throttled is the name of the faults whose answers say when to come back,
	// which is after throttledFor.
	throttled    = "throttled"
	throttledFor = time.Second
)

// weather makes both APIs fail at random, while it is bad.
type weather struct {
	sim *aivensim.Server

	mu     sync.Mutex
	random *rand.Rand
	bad    bool
	// counts says how often each fault of the API server happened.
	counts map[string]int
}

func newWeather(sim *aivensim.Server, seed uint64) *weather {
	return &weather{sim: sim, random: rand.New(rand.NewPCG(seed, 1)), counts: map[string]int{}} //nolint:gosec // to be replayed
}

// storm is bad weather until ctx ends.
func (w *weather) storm(ctx context.Context) {
	w.set(true)
	defer w.set(false)
	defer w.sim.ClearFaults()
	ticker := time.NewTicker(gust)
	defer ticker.Stop()
	for {
		w.sim.ClearFaults()
		for range w.draw(4) {
			w.sim.InjectFault(w.fault())
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (w *weather) set(bad bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bad = bad
}

func (w *weather) draw(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.IntN(n)
}

// fault draws what goes wrong at Aiven.
func (w *weather) fault() aivensim.Fault {
	all := []aivensim.Fault{
		{Name: throttled, Status: http.StatusTooManyRequests, RetryAfter: throttledFor, Probability: 0.05},
		{Status: http.StatusInternalServerError},
		{Status: http.StatusInternalServerError, Apply: true},
		{Status: http.StatusServiceUnavailable, RetryAfter: time.Second},
		{Action: aivensim.Reset},
		{Action: aivensim.Reset, Apply: true},
		{Action: aivensim.Hang, Apply: true, Count: 3},
		{Action: aivensim.Hang, Count: 3},
		{Action: aivensim.Slow, Delay: 20 * time.Millisecond},
		{Action: aivensim.Truncate},
		{Action: aivensim.TruncateJSON},
		{Action: aivensim.HTML},
		{Action: aivensim.HTML, Status: http.StatusOK, Apply: true},
		{Action: aivensim.Huge, Count: 2},
		{Action: aivensim.Huge, Apply: true, Count: 2},
		{Action: aivensim.WrongType},
		{Action: aivensim.UnknownEnum},
	}
	f := all[w.draw(len(all))]
	if f.Probability == 0 {
		f.Probability = 0.1 + float64(w.draw(5))/10
	}
	if w.draw(3) == 0 {
		f.Method = []string{http.MethodPost, http.MethodPut, http.MethodDelete}[w.draw(3)]
	}
	return f
}

// overAPIServer is an operator's way to the API server.
func (w *weather) overAPIServer(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		w.mu.Lock()
		hit, which, after := w.bad && w.random.IntN(10) == 0, w.random.IntN(6), time.Duration(w.random.IntN(2000))*time.Millisecond
		if hit {
			w.counts[fmt.Sprintf("%s fault %d", r.Method, which)]++
		}
		w.mu.Unlock()
		if !hit {
			return next.RoundTrip(r)
		}
		if r.URL.Query().Get("watch") != "" && which < 4 {
			return dropped(next, r, after)
		}
		switch which {
		case 0:
			return refusal(r, http.StatusInternalServerError, metav1.StatusReasonInternalError, "etcdserver: request timed out"), nil
		case 1:
			response := refusal(r, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, "too many requests")
			response.Header.Set("Retry-After", "1")
			return response, nil
		case 2:
			return nil, errors.New("read tcp: connection reset by peer")
		case 3: // carried out, and nobody learns of it
			if response, err := next.RoundTrip(r); err == nil {
				_ = response.Body.Close()
			}
			return nil, io.ErrUnexpectedEOF
		case 4:
			return refusal(r, http.StatusGone, metav1.StatusReasonExpired, "too old resource version"), nil
		default:
			return refusal(r, http.StatusConflict, metav1.StatusReasonConflict, "the object has been modified"), nil
		}
	})
}

// refusal is an answer of the API server that a request never reached.
func refusal(r *http.Request, code int32, reason metav1.StatusReason, message string) *http.Response {
	// A Status of strings and numbers can be encoded.
	body, _ := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: code, Reason: reason, Message: message,
	})
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return &http.Response{
		StatusCode: int(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(strings.NewReader(string(body))),
		ContentLength: int64(len(body)),
	}
}

// dropped sends a watch on, and cuts it off after a while.
func dropped(next http.RoundTripper, r *http.Request, after time.Duration) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), after)
	response, err := next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	response.Body = &cutBody{response.Body, cancel}
	return response, nil
}

// cutBody is the body of a request with a context of its own.
type cutBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *cutBody) Close() error {
	b.cancel()
	return b.ReadCloser.Close()
}

// report says how often what went wrong.
func (w *weather) report() string {
	w.mu.Lock()
	counts := maps.Clone(w.counts)
	w.mu.Unlock()
	total := 0
	for _, n := range counts {
		total += n
	}
	aiven := map[string]int{}
	requests := w.sim.Requests()
	for _, r := range requests {
		if r.Fault != "" {
			aiven[r.Fault]++
		}
	}
	return fmt.Sprintf("%d requests to Aiven, of which these failed: %v; %d to the API server failed", len(requests), aiven, total)
}

// tooFast lists where more requests were sent with a token than its limits allow,
// each of which is that of this many objects of credentials.
func tooFast(requests []aivensim.Request, perSecond, burst, concurrency int) []string {
	byToken := map[string][]aivensim.Request{}
	for _, r := range requests {
		byToken[r.Token] = append(byToken[r.Token], r)
	}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(byToken)) {
		sent := byToken[name]
		first := 0
		for i, r := range sent {
			for r.Time.Sub(sent[first].Time) > time.Second {
				first++
			}
			// What the limiter let go evenly may arrive a little less so.
			if n := i - first + 1; n > perSecond+burst+concurrency {
				wrong = append(wrong, fmt.Sprintf("token %s: %d requests within a second until %s", name, n, r.Time.Format("15:04:05.000")))
				break
			}
		}
		for _, told := range sent {
			if told.Fault != throttled || !told.Done {
				continue
			}
			until := told.Time.Add(told.Duration)
			n := 0
			for _, r := range sent {
				// What was on its way already is no disrespect.
				if r.Time.After(until.Add(100*time.Millisecond)) && r.Time.Before(until.Add(throttledFor)) {
					n++
				}
			}
			if n > concurrency {
				wrong = append(wrong, fmt.Sprintf("token %s: %d requests in the second after a 429 at %s", name, n, until.Format("15:04:05.000")))
			}
		}
	}
	return wrong
}
