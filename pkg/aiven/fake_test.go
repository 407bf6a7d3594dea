// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// fakeAPI answers requests from a state that tests change, after a latency.
type fakeAPI struct {
	latency time.Duration

	mu       sync.Mutex
	services map[string]map[string]any // "project/service" -> fields
	topics   map[string][]map[string]any
	events   []map[string]any
	requests []string // "METHOD path"
	tokens   []string
	fail     func(req *http.Request) *http.Response
	gets     map[string]int // by "METHOD path"
}

func newFakeAPI() *fakeAPI {
	return &fakeAPI{
		services: map[string]map[string]any{},
		topics:   map[string][]map[string]any{},
		gets:     map[string]int{},
	}
}

func answer(status int, body any) *http.Response {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return rawAnswer(status, string(b))
}

func rawAnswer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// RoundTrip implements http.RoundTripper. The answer is computed when the
// request arrives and delivered after the latency.
func (f *fakeAPI) RoundTrip(req *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	res := f.handle(req)
	f.mu.Lock()
	latency := f.latency
	f.mu.Unlock()
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	return res, nil
}

func (f *fakeAPI) handle(req *http.Request) *http.Response {
	f.mu.Lock()
	defer f.mu.Unlock()
	line := req.Method + " " + req.URL.Path
	f.requests = append(f.requests, line)
	f.gets[line]++
	f.tokens = append(f.tokens, strings.TrimPrefix(req.Header.Get("Authorization"), "aivenv1 "))
	if f.fail != nil {
		if res := f.fail(req); res != nil {
			return res
		}
	}
	var body map[string]any
	if req.Body != nil {
		b, _ := io.ReadAll(req.Body)
		_ = json.Unmarshal(b, &body)
	}
	segments := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	if len(segments) == 4 && segments[3] == "events" {
		return answer(200, map[string]any{"events": slices.Clone(f.events)})
	}
	if len(segments) == 5 && segments[3] == "kms" {
		return answer(200, map[string]any{"certificate": "CA"})
	}
	if len(segments) == 4 && req.Method == "POST" {
		name := segments[2] + "/" + body["service_name"].(string)
		f.services[name] = newService(body["service_name"].(string), "REBUILDING")
		return answer(200, map[string]any{"service": f.services[name]})
	}
	key := segments[2] + "/" + segments[4]
	s, ok := f.services[key]
	if !ok {
		return answer(404, map[string]any{"message": "Service does not exist"})
	}
	rest := strings.Join(segments[5:], "/")
	switch {
	case rest == "" && req.Method == "GET", rest == "" && req.Method == "PUT":
		return answer(200, map[string]any{"service": s})
	case rest == "" && req.Method == "DELETE":
		delete(f.services, key)
		return answer(200, map[string]any{})
	case rest == "user":
		u := user(body["username"].(string), "created")
		s["users"] = append(slices.Clone(s["users"].([]any)), u)
		return answer(200, map[string]any{"user": u})
	case strings.HasPrefix(rest, "user/") && req.Method == "DELETE":
		s["users"] = slices.DeleteFunc(slices.Clone(s["users"].([]any)), func(u any) bool {
			return u.(map[string]any)["username"] == segments[6]
		})
		return answer(200, map[string]any{})
	case rest == "db":
		s["databases"] = append(slices.Clone(s["databases"].([]any)), body["database"])
		return answer(200, map[string]any{})
	case rest == "acl":
		acl := map[string]any{"id": fmt.Sprint("acl", len(s["acl"].([]any))), "username": body["username"], "topic": body["topic"], "permission": body["permission"]}
		s["acl"] = append(slices.Clone(s["acl"].([]any)), acl)
		return answer(200, map[string]any{"acl": s["acl"]})
	case rest == "topic" && segments[0] == "v1" && req.Method == "GET":
		return answer(200, map[string]any{"topics": slices.Clone(f.topics[key])})
	case rest == "topic" && segments[0] == "v1":
		f.topics[key] = append(f.topics[key], topic(body["topic_name"].(string), "ACTIVE"))
		return answer(200, map[string]any{})
	case strings.HasPrefix(rest, "topic/"):
		return answer(200, map[string]any{})
	case rest == "topic":
		found := []map[string]any{}
		for _, name := range body["topic_names"].([]any) {
			found = append(found, map[string]any{
				"topic_name": name,
				"config":     map[string]any{"retention_ms": map[string]any{"value": 1}},
				"partitions": []any{map[string]any{"latest_offset": len(f.requests)}},
			})
		}
		return answer(200, map[string]any{"topics": found})
	}
	return answer(404, map[string]any{"message": "no such route " + rest})
}

func newService(name, state string) map[string]any {
	return map[string]any{
		"service_name": name, "service_type": "kafka", "state": state, "plan": "p1",
		"users": []any{}, "databases": []any{}, "acl": []any{}, "service_uri": "kafka://x",
		"tags": map[string]any{"a": "b"}, "user_config": map[string]any{"x": 1},
	}
}

func user(name, password string) map[string]any {
	return map[string]any{"username": name, "password": password, "type": "normal"}
}

func topic(name, state string) map[string]any {
	return map[string]any{"topic_name": name, "state": state, "partitions": 1, "replication": 2}
}

// set changes the state as somebody else would.
func (f *fakeAPI) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// count returns how many requests began with that text since the last reset.
func (f *fakeAPI) count(prefix string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}

func (f *fakeAPI) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests, f.tokens = nil, nil
}

// world is a running Store over a fakeAPI.
type world struct {
	t     *testing.T
	api   *fakeAPI
	store *Store
	stop  func()

	mu         sync.Mutex
	credential Credential
	err        error
	notified   map[string]int
	unauth     int
	accepted   int
}

func newWorld(t *testing.T, api *fakeAPI, change func(*TransportOptions, *StoreOptions)) *world {
	t.Helper()
	w := &world{t: t, api: api, credential: Credential{Token: "tok-1", Generation: 1}, notified: map[string]int{}}
	to := TransportOptions{RoundTripper: api}
	so := StoreOptions{PollInterval: 10 * time.Minute, EventInterval: -1}
	if change != nil {
		change(&to, &so)
	}
	transport, err := NewTransport(to)
	if err != nil {
		t.Fatal(err)
	}
	so.Transport = transport
	w.store, err = NewStore(so)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { w.store.Run(ctx) })
	w.stop = func() {
		cancel()
		wg.Wait()
	}
	return w
}

// fakeSource is a Source of one credential or, if it has none, that of its world.
type fakeSource struct {
	*world
	name string
	own  Credential
}

func (s fakeSource) Name() string { return s.name }

func (s fakeSource) Current() (Credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own.Token != "" {
		return s.own, nil
	}
	return s.credential, s.err
}

func (s fakeSource) Refused(uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unauth++
}

func (s fakeSource) Accepted(uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted++
}

func (w *world) setCredential(c Credential, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.credential, w.err = c, err
}

// client returns a new sync's Client of the subscriber id.
func (w *world) client(id string) *Client {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.store.Client(fakeSource{world: w, name: "ns/secret/key"}, w.credential, Subscriber{ID: id, Notify: func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.notified[id]++
	}})
}

// counted reads one of the counters of hooks.
func (w *world) counted(n *int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *n
}

// takeNotified returns how often id was notified since the last call.
func (w *world) takeNotified(id string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.notified[id]
	w.notified[id] = 0
	return n
}

// service reads until the view is there.
func (w *world) service(id, project, name string) *ServiceView {
	w.t.Helper()
	for range 100 {
		v, err := w.client(id).Service(project, name)
		if err == nil {
			return v
		}
		if !errors.Is(err, ErrPending) {
			w.t.Fatalf("Service(%s, %s): %v", project, name, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Fatalf("Service(%s, %s) stays pending", project, name)
	return nil
}

func (w *world) do(c *Client, operation, method, path string, in any) error {
	_, err := c.Do(w.t.Context(), operation, method, path, in)
	return err
}

// roundTripper makes a function an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// body reads what a request carries.
func body(req *http.Request) string {
	var b bytes.Buffer
	if req.Body != nil {
		_, _ = b.ReadFrom(req.Body)
	}
	return b.String()
}
