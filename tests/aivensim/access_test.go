// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTokens(t *testing.T) {
	s := startSim(t, Options{Projects: []string{testProject, "other"}, Tokens: []Token{
		{Name: "all", Value: "secret"}, {Name: "narrow", Value: "n", Projects: []string{"other"}}, {Name: "reader", Value: "r", ReadOnly: true},
	}})
	s.create(t, "pg", "db", "startup-4")
	get := func(value string) error {
		_, err := s.as(t, value).project.ProjectGet(t.Context(), testProject)
		return err
	}
	wantStatus(t, get("n"), 403, "Not a project member")
	wantStatus(t, get("nobody's"), 401, MessageInvalidToken)
	wantStatus(t, get(""), 401, "Missing authorization")
	must(t, get("r"))
	wantStatus(t, s.as(t, "r").service.ServiceDelete(t.Context(), testProject, "db"), 403, "read-only")
	must(t, s.SetTokenPermissions("reader", nil, false))
	must(t, s.as(t, "r").service.ServiceDelete(t.Context(), testProject, "db"))

	must(t, s.RevokeToken("all", 0, ""))
	wantStatus(t, get("secret"), 401, MessageInvalidToken)
	must(t, s.RevokeToken("all", http.StatusForbidden, MessageExpiredToken))
	wantStatus(t, get("secret"), 403, MessageExpiredToken)
	must(t, s.RestoreToken("all"))
	must(t, get("secret"))
	must(t, s.ReplaceToken("all", "fresh"))
	wantStatus(t, get("secret"), 401, MessageInvalidToken)
	must(t, get("fresh"))
	if err := s.RevokeToken("nobody", 0, ""); err == nil {
		t.Error("a token that does not exist was revoked")
	}
	s.ResetRequests()
	must(t, get("fresh"))
	if r := s.Requests(); len(r) != 1 || r[0].Token != "all" {
		t.Errorf("recorded %+v", r)
	}
}

func TestAutoProjects(t *testing.T) {
	s := startSim(t, Options{Projects: []string{}, AutoProjects: true})
	s.create(t, "valkey", "cache", "startup-4")
	if objects := s.Objects(); len(objects) != 2 {
		t.Errorf("objects are %v", objects)
	}
}

func TestRateLimit(t *testing.T) {
	s := startSim(t, Options{RateLimit: 1, RateBurst: 2})
	now := time.Now()
	s.tokens.now = func() time.Time { return now }
	send := func() int {
		t.Helper()
		status, _, header, err := s.send(t, "GET", "/v1/project/acme", "")
		must(t, err)
		if (status == 429) != (header.Get("Retry-After") == "1") {
			t.Errorf("status %d with Retry-After %q", status, header.Get("Retry-After"))
		}
		return status
	}
	got := [3]int{send(), send(), send()}
	if want := [3]int{200, 200, 429}; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	now = now.Add(time.Second)
	if got := [2]int{send(), send()}; got != [2]int{200, 429} {
		t.Errorf("a second later: %v", got)
	}
}

func TestAccounting(t *testing.T) {
	s := startSim(t, Options{Tokens: []Token{{Name: "a", Value: "secret"}, {Name: "b", Value: "other"}}})
	s.create(t, "pg", "db", "startup-4")
	s.ResetRequests()
	h := s.InjectFault(Fault{Action: Hang, Token: "a"})
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			if _, err := s.doer.Do(testContext(t), "", "POST", "/v1/project/acme/service/db/user", map[string]string{"username": fmt.Sprint("u", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	must(t, h.WaitHanging(testContext(t), 5))
	other := s.as(t, "other")
	for range 3 {
		other.get(t, "db", true)
	}
	must(t, s.WaitCount(testContext(t), 3, ByToken("b"), ByOperation("ServiceGet")))
	if n := s.Count(func(r Request) bool { return !r.Done }); n != 5 {
		t.Errorf("%d requests in flight, want 5", n)
	}
	h.Remove()
	wg.Wait()
	must(t, s.WaitCount(testContext(t), 5, And(ByToken("a"), Mutating, ByPath("/user$"), ByService(testProject, "db"))))
	for _, want := range []struct {
		token             string
		peak, connections int
	}{{"a", 5, 5}, {"b", 1, 1}, {"", 6, 6}} {
		if peak, connections := s.PeakConcurrency(want.token), s.Connections(want.token); peak != want.peak || connections != want.connections {
			t.Errorf("token %q: peak %d on %d connections, want %d on %d", want.token, peak, connections, want.peak, want.connections)
		}
	}
	requests := s.Requests()
	for i, r := range requests {
		if i > 0 && r.Seq != requests[i-1].Seq+1 || r.Status != 200 || r.Bytes == 0 || r.Duration <= 0 || r.Time.IsZero() || r.Query.Get("limit") != "999" {
			t.Errorf("recorded %+v", r)
		}
	}
	s.ResetRequests()
	if s.Count() != 0 || s.PeakConcurrency("a") != 0 || s.Connections("") != 0 {
		t.Error("a reset leaves something")
	}
}

func TestAdminShowsNoSecrets(t *testing.T) {
	s := startSim(t, Options{Admin: true})
	s.create(t, "pg", "db", "startup-4")
	sv, _ := s.Project(testProject).Service("db")
	for path, part := range map[string]string{"/_sim/state": `"plan": "startup-4"`, "/_sim/requests": `"ServiceCreate"`} {
		status, body, _, err := s.send(t, "GET", path, "")
		must(t, err)
		if status != 200 || !strings.Contains(body, part) || strings.Contains(body, sv.Users[0].Password) || strings.Contains(body, `"secret"`) {
			t.Errorf("%s answers %d %s", path, status, body)
		}
	}
	if n := s.Count(ByPath("^/_sim/")); n != 0 {
		t.Errorf("%d admin requests are in the log", n)
	}
}

// TestAdminChanges checks what people who experiment may send, and that nothing else
// changes anything.
func TestAdminChanges(t *testing.T) {
	s := startSim(t, Options{Admin: true})
	s.create(t, "pg", "db", "startup-4")
	post := func(method, path, body string, want int) string {
		t.Helper()
		status, answer, _, err := s.send(t, method, path, body)
		must(t, err)
		if status != want {
			t.Errorf("%s %s with %s answers %d %s", method, path, body, status, answer)
		}
		return answer
	}
	const service = "/v1/project/acme/service/db"
	post("POST", "/_sim/console", `{"method":"PUT","path":"`+service+`","body":{"plan":"business-4"}}`, 200)
	if sv, _ := s.Project(testProject).Service("db"); sv.Plan != "business-4" {
		t.Errorf("the plan is %s", sv.Plan)
	}
	post("POST", "/_sim/console", `{"method":"PUT","path":"`+service+`","body":{"plan":"no-such-plan"}}`, 400)
	post("POST", "/_sim/console", `{"method":"PUT","path":"/v1/nowhere"}`, 404)
	post("POST", "/_sim/console", `{"verb":"PUT"}`, 400)
	post("POST", "/_sim/console", `{} {}`, 400)

	read := func() int {
		status, _, _, err := s.send(t, "GET", service, "")
		must(t, err)
		return status
	}
	post("POST", "/_sim/faults", `{"path":"/service/db$","status":429,"count":1,"retry_after":"1s"}`, 200)
	if got := []int{read(), read()}; got[0] != 429 || got[1] == 429 {
		t.Errorf("with a fault for one request they answer %v", got)
	}
	post("POST", "/_sim/faults", `{"path":"/service/db$","status":503}`, 200)
	if read() != 503 {
		t.Error("the fault has no effect")
	}
	post("DELETE", "/_sim/faults", "", 200)
	if read() == 503 {
		t.Error("the fault is still there")
	}
	for _, wrong := range []string{`{"path":"("}`, `{"action":"explode"}`, `{"status":1000}`, `{"retry_after":"soon"}`, `{"count":-1}`, `{"probability":2}`, `{"delay":1}`} {
		post("POST", "/_sim/faults", wrong, 400)
	}
	post("PUT", "/_sim/state", "", 404)
}

// TestConcurrentUse is for the race detector: every part of the state is read
// and written at once.
func TestConcurrentUse(t *testing.T) {
	s := startSim(t, Options{Timing: Timing{TopicActive: time.Microsecond}})
	s.create(t, "kafka", "kafka", "business-4")
	var wg sync.WaitGroup
	const workers, rounds = 8, 20
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				name := fmt.Sprintf("t-%d-%d", w, i)
				const service = "/v1/project/acme/service/kafka"
				for _, step := range []struct {
					method, path string
					body         any
				}{
					{"POST", service + "/topic", map[string]any{"topic_name": name, "config": map[string]any{"retention_ms": 1}}},
					{"POST", service + "/acl", map[string]any{"permission": "read", "topic": name, "username": "u"}},
					{"PUT", service + "/topic/" + name, map[string]any{"partitions": 2}},
					{"GET", service, nil},
				} {
					if _, err := s.doer.Do(testContext(t), "", step.method, step.path, step.body); err != nil {
						t.Error(err)
					}
				}
				s.Objects()
				s.Project(testProject).Services()
				s.PeakConcurrency("")
				if err := s.Outside(testProject, "kafka").DeleteTopic(name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	sv, _ := s.Project(testProject).Service("kafka")
	if len(sv.Topics) != 0 || len(sv.ACLs) != workers*rounds+1 {
		t.Errorf("%d topics and %d ACL entries are left", len(sv.Topics), len(sv.ACLs))
	}
	// A request is recorded when its answer has been sent.
	ctx, cancel := context.WithTimeout(testContext(t), 10*time.Second)
	defer cancel()
	applied := func(r Request) bool { return r.Applied }
	const changes = 3*workers*rounds + 1
	if err := s.WaitCount(ctx, changes, Mutating, applied); err != nil {
		t.Error(err)
	}
	if n := s.Count(Mutating, applied); n != changes {
		t.Errorf("%d changes are recorded, want %d", n, changes)
	}
}
