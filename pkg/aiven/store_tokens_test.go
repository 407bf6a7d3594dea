// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aiven/go-client-codegen/handler/service"
)

func TestErrorsReachReaders(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		status := 403
		w.api.fail = func(*http.Request) *http.Response {
			if status == 0 {
				return nil
			}
			return rawAnswer(status, `{"message":"Not a member"}`)
		}
		mustPend(t, w, "a")
		time.Sleep(100 * time.Millisecond)
		if w.takeNotified("a") != 1 {
			t.Fatal("not told of the error")
		}
		if _, err := w.client("a").Service("p", "s"); ClassOf(err) != Forbidden {
			t.Fatalf("got %v", err)
		}
		time.Sleep(30 * time.Minute)
		if n := w.takeNotified("a"); n != 0 {
			t.Errorf("told %d times of the same error", n)
		}
		if n := w.api.count(""); n > 15 {
			t.Errorf("%d tries in half an hour", n)
		}
		w.api.set(func() { status = 0 })
		time.Sleep(10 * time.Minute)
		if w.takeNotified("a") != 1 {
			t.Error("not told that it is over")
		}
		w.service("a", "p", "s").User("alice")

		// What passes does not make good data bad, until it is too old.
		w.api.set(func() { status = 503 })
		time.Sleep(15 * time.Minute)
		v, err := w.client("a").Service("p", "s")
		if err != nil || ClassOf(v.RefreshError()) != Unavailable {
			t.Fatalf("%v", err)
		}
		v.User("alice")
		if w.takeNotified("a") != 0 {
			t.Error("told of an error that passes")
		}
		time.Sleep(20 * time.Minute)
		if w.takeNotified("a") != 1 {
			t.Error("not told that the data is too old")
		}
		if _, err := w.client("a").Service("p", "s"); ClassOf(err) != Unavailable {
			t.Errorf("got %v", err)
		}
		w.api.set(func() { status = 0 })
		time.Sleep(10 * time.Minute)
		if w.takeNotified("a") != 1 {
			t.Error("not told that it is over")
		}
	})
}

func TestRejectedTokenStopsFetches(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.service("a", "p", "s").User("alice")
		w.takeNotified("a")
		w.api.set(func() {
			w.api.fail = func(*http.Request) *http.Response { return rawAnswer(401, `{"message":"no"}`) }
		})
		w.store.Refresh("p", "s")
		w.setCredential(Credential{Token: "tok-1", Generation: 1}, nil)
		time.Sleep(time.Second)
		if w.takeNotified("a") != 1 || w.counted(&w.unauth) != 1 {
			t.Errorf("unauthorized %d times", w.unauth)
		}
		w.setCredential(Credential{}, errors.New("rejected")) // the token cache says so
		w.api.reset()
		time.Sleep(time.Hour)
		if n := w.api.count(""); n != 0 {
			t.Errorf("%d requests with a rejected token", n)
		}
		// Renewed: the next reader gets it going at once.
		w.api.set(func() { w.api.fail = nil })
		w.setCredential(Credential{Token: "tok-2", Generation: 2}, nil)
		mustPend(t, w, "a")
		time.Sleep(time.Second)
		if _, err := w.client("a").Service("p", "s"); err != nil {
			t.Error(err)
		}
		if w.api.tokens[0] != "tok-2" {
			t.Errorf("fetched with %q", w.api.tokens[0])
		}
	})
}

// Objects whose token is refused fail before they read: to tell them of each
// failed attempt of the Store would wake all of them, again and again.
func TestRefusalIsToldOnce(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.api.set(func() {
			w.api.fail = func(*http.Request) *http.Response { return rawAnswer(401, `{"message":"no"}`) }
			// Both wait for the same answer.
			w.api.latency = time.Millisecond
		})
		mustPend(t, w, "a")
		mustPend(t, w, "b")
		time.Sleep(100 * time.Millisecond)
		w.setCredential(Credential{}, errors.New("rejected"))
		time.Sleep(time.Hour)
		for _, id := range []string{"a", "b"} {
			if n := w.takeNotified(id); n != 1 {
				t.Errorf("%s was told %d times", id, n)
			}
		}
		probe := Credential{Token: "tok-2", Generation: 2, Probe: true}
		c := w.store.Client(fakeSource{world: w, name: "ns/secret/key"}, probe, Subscriber{ID: "a", Notify: func() { w.mu.Lock(); w.notified["a"]++; w.mu.Unlock() }})
		if _, err := c.Service("p", "s"); !errors.Is(err, ErrPending) {
			t.Fatalf("a probe was answered from memory: %v", err)
		}
		time.Sleep(time.Hour)
		if a, b := w.takeNotified("a"), w.takeNotified("b"); a != 1 || b != 0 {
			t.Errorf("of a probe that was refused, who sent it was told %d times, another %d times", a, b)
		}
	})
}

func TestProbeAsksAiven(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.service("a", "p", "s").User("alice")
		w.takeNotified("a")
		w.setCredential(Credential{}, errors.New("rejected"))
		w.api.reset()
		probe := Credential{Token: "tok-1", Generation: 1, Probe: true}
		c := w.store.Client(fakeSource{world: w, name: "ns/secret/key"}, probe, Subscriber{ID: "a", Notify: func() { w.mu.Lock(); w.notified["a"]++; w.mu.Unlock() }})
		if _, err := c.Service("p", "s"); !errors.Is(err, ErrPending) {
			t.Fatalf("a probe was answered from memory: %v", err)
		}
		before := w.counted(&w.accepted)
		time.Sleep(time.Second)
		if w.api.count(getService) != 1 || w.counted(&w.accepted) != before+1 || w.takeNotified("a") != 1 {
			t.Errorf("requests %v", w.api.requests)
		}
		if _, err := c.Service("p", "s"); err != nil {
			t.Errorf("a second read of the probing sync: %v", err)
		}
	})
}

func TestReplacedTokenSeesForItself(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.service("a", "p", "s")
		w.setCredential(Credential{Token: "tok-1", Generation: 2}, nil)
		if _, err := w.client("a").Service("p", "s"); err != nil {
			t.Errorf("the same value read anew: %v", err)
		}
		w.setCredential(Credential{Token: "other", Generation: 3}, nil)
		mustPend(t, w, "a")
		time.Sleep(time.Second)
		if _, err := w.client("a").Service("p", "s"); err != nil {
			t.Error(err)
		}
		if last := w.api.tokens[len(w.api.tokens)-1]; last != "other" {
			t.Errorf("fetched with %q", last)
		}
	})
}

func TestTokensAreApart(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.service("a", "p", "s").User("x")
		other := func() *Client {
			return w.store.Client(fakeSource{world: w, name: "other/secret/key"}, w.credential, Subscriber{ID: "b", Notify: func() {}})
		}
		if _, err := other().Service("p", "s"); !errors.Is(err, ErrPending) {
			t.Fatalf("got %v", err)
		}
		time.Sleep(time.Second)
		if _, err := other().Service("p", "s"); err != nil {
			t.Fatal(err)
		}
		w.api.set(func() { w.api.latency = time.Second })
		handler := service.NewHandler(w.client("a"))
		if _, err := handler.ServiceUserCreate(t.Context(), "p", "s", &service.ServiceUserCreateIn{Username: "x"}); err != nil {
			t.Fatal(err)
		}
		if _, err := other().Service("p", "s"); !errors.Is(err, ErrPending) {
			t.Errorf("the other token's snapshot: %v", err)
		}
	})
}

func TestSubscriptionsFollowTheToken(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.service("a", "p", "s")
		c := w.store.Client(fakeSource{world: w, name: "another"}, w.credential, Subscriber{ID: "a", Notify: func() {}})
		_, _ = c.Service("p", "s")
		w.store.mu.Lock()
		defer w.store.mu.Unlock()
		if len(w.store.entries) != 1 {
			t.Errorf("%d entries: the one of the old token stays", len(w.store.entries))
		}
	})
}

func TestFetchesPerToken(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.api.set(func() { w.api.latency = 5 * time.Second })
		busy := Credential{Token: "busy", Generation: 1}
		for i := range 100 {
			c := w.store.Client(fakeSource{w, fmt.Sprint("busy", i%2), busy}, busy, Subscriber{ID: i, Notify: func() {}})
			_, _ = c.Service("p", fmt.Sprint("s", i))
		}
		synctest.Wait()
		if n := w.api.count(""); n < 2 || n > 8 {
			t.Errorf("%d fetches of one token at once, want at most 8", n)
		}
		start := time.Now()
		w.service("a", "p", "s")
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("another token waited %v", took)
		}
	})
}
