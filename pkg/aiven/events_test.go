// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// tenant reads as a Source of its own, with its own token.
type tenant struct {
	*world
	name string
}

func (n tenant) client(id string) *Client {
	own := Credential{Token: "token-of-" + n.name, Generation: 1}
	return n.store.Client(fakeSource{n.world, n.name, own}, own, Subscriber{ID: n.name + id, Notify: func() {}})
}

// reads has the tenant read p/s, in vain or not.
func (n tenant) reads() {
	_, _ = n.client("x").Service("p", "s")
	time.Sleep(time.Second)
	if v, err := n.client("x").Service("p", "s"); err == nil {
		v.Users()
	}
}

func withEvents(t *testing.T, test func(t *testing.T, w *world)) {
	running(t, func(_ *TransportOptions, so *StoreOptions) { so.EventInterval = 15 * time.Second }, test)
}

const logPath = "/v1/project/p/events"

// logReads returns how often the log was read, by token.
func (w *world) logReads() map[string]int {
	w.api.mu.Lock()
	defer w.api.mu.Unlock()
	reads := map[string]int{}
	for i, line := range w.api.requests {
		if line == "GET "+logPath {
			reads[w.api.tokens[i]]++
		}
	}
	return reads
}

// refuse has the API answer what refused returns for a token and path, 0 for as
// ever.
func (w *world) refuse(refused func(token, path string) int) {
	w.api.set(func() {
		w.api.fail = func(req *http.Request) *http.Response {
			token := strings.TrimPrefix(req.Header.Get("Authorization"), "aivenv1 token-of-")
			if status := refused(token, req.URL.Path); status != 0 {
				return rawAnswer(status, `{"message":"no"}`)
			}
			return nil
		}
	})
}

// news has the log name the service.
func (w *world) news(id, service string) {
	w.api.set(func() {
		w.api.events = append([]map[string]any{{"id": id, "service_name": service}}, w.api.events...)
	})
}

func TestEventLogIsReadOncePerProject(t *testing.T) {
	withEvents(t, func(t *testing.T, w *world) {
		const references = 200
		for i := range references {
			tenant{w, fmt.Sprint("t", i)}.reads()
		}
		time.Sleep(time.Minute)
		w.api.reset()
		time.Sleep(10 * time.Minute)
		sum := 0
		for _, n := range w.logReads() {
			sum += n
		}
		if sum < 38 || sum > 46 {
			t.Errorf("%d reads of the log in 10 minutes, want 40", sum)
		}
		w.api.reset()
		w.news("1", "s")
		time.Sleep(20 * time.Second)
		if n := w.api.count(getService); n != references {
			t.Errorf("%d of %d read again what the log names, each with its own token", n, references)
		}
	})
}

// A token that does not see the project neither reads its log nor learns of it.
func TestEventLogIsForThoseWhoSeeTheProject(t *testing.T) {
	for name, status := range map[string]int{"no member": 403, "no such project": 404} {
		t.Run(name, func(t *testing.T) {
			withEvents(t, func(t *testing.T, w *world) {
				w.refuse(func(token, _ string) int {
					if token == "aaa" {
						return status
					}
					return 0
				})
				stranger, member := tenant{w, "aaa"}, tenant{w, "bbb"}
				stranger.reads()
				member.reads()
				time.Sleep(70 * time.Second) // and not while a failure is tried again
				if reads := w.logReads(); reads["token-of-aaa"] != 0 || reads["token-of-bbb"] < 4 {
					t.Errorf("the log was read %v", reads)
				}
				w.api.reset()
				w.news("1", "s")
				time.Sleep(20 * time.Second)
				w.api.mu.Lock()
				defer w.api.mu.Unlock()
				for i, line := range w.api.requests {
					if line == getService && w.api.tokens[i] == "token-of-aaa" {
						t.Error("an event made a stranger's token read")
					}
				}
			})
		})
	}
}

// When one who reads for all may not any more, or its token is refused, another
// one does.
func TestEventLogPassesToAnother(t *testing.T) {
	for name, tc := range map[string]struct {
		refused func(token, path string) int
		again   bool // it may read soon after it may
	}{
		"left the project":       {func(token, _ string) int { return map[string]int{"aaa": 403}[token] }, false},
		"may not read the log":   {func(token, path string) int { return map[string]int{"aaa" + logPath: 403}[token+path] }, false},
		"token refused":          {func(token, _ string) int { return map[string]int{"aaa": 401}[token] }, true},
		"throttled":              {func(token, path string) int { return map[string]int{"aaa" + logPath: 429}[token+path] }, true},
		"the log is broken once": {func(token, path string) int { return map[string]int{"aaa" + logPath: 500}[token+path] }, true},
	} {
		t.Run(name, func(t *testing.T) {
			withEvents(t, func(t *testing.T, w *world) {
				first, second := tenant{w, "aaa"}, tenant{w, "bbb"}
				first.reads()
				second.reads()
				time.Sleep(time.Minute)
				if reads := w.logReads(); reads["token-of-bbb"] != 0 {
					t.Fatalf("read by two: %v", reads)
				}
				w.refuse(tc.refused)
				time.Sleep(time.Minute)
				w.news("1", "s")
				w.api.reset()
				time.Sleep(35 * time.Second)
				if reads := w.logReads(); reads["token-of-bbb"] == 0 {
					t.Errorf("nobody else reads it: %v", reads)
				}
				if n := w.api.count(getService); n == 0 {
					t.Error("the news reached nobody")
				}
				w.refuse(func(token, _ string) int { return map[string]int{"bbb": 403}[token] })
				first.reads()
				w.api.reset()
				time.Sleep(2 * time.Minute)
				if reads := w.logReads(); (reads["token-of-aaa"] > 0) != tc.again {
					t.Errorf("the first reads it again: %v", reads)
				}
			})
		})
	}
}

// A token that hangs does not keep the news from others, nor do its reads pile up.
func TestEventLogIsNotHeldUpByOne(t *testing.T) {
	withEvents(t, func(t *testing.T, w *world) {
		tenant{w, "aaa"}.reads()
		tenant{w, "bbb"}.reads()
		time.Sleep(time.Minute)
		w.store.mu.Lock()
		l := w.store.logs["p"]
		stuck := l.followers["aaa"]
		stuck.reading = true // as it is while its lane is full
		w.store.mu.Unlock()
		time.Sleep(time.Minute)
		w.api.reset()
		time.Sleep(10 * time.Minute)
		if reads := w.logReads(); reads["token-of-aaa"] != 0 || reads["token-of-bbb"] < 38 {
			t.Errorf("%v", reads)
		}
	})
}

func TestEventLogEndsWithItsLastReader(t *testing.T) {
	withEvents(t, func(t *testing.T, w *world) {
		a, b := tenant{w, "aaa"}, tenant{w, "bbb"}
		a.reads()
		b.reads()
		w.store.Forget("aaax")
		time.Sleep(time.Minute)
		w.api.reset()
		time.Sleep(time.Minute)
		if reads := w.logReads(); reads["token-of-aaa"] != 0 || reads["token-of-bbb"] == 0 {
			t.Errorf("read with the token of objects that are gone: %v", reads)
		}
		w.store.Forget("bbbx")
		w.store.mu.Lock()
		defer w.store.mu.Unlock()
		if n := len(w.store.logs) + len(w.store.tasks); n != 0 {
			t.Errorf("%d things are left", n)
		}
	})
}
