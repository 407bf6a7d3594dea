// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// send makes a request and returns the status, the body and the headers.
func (s *sim) send(t *testing.T, method, path, body string) (int, string, http.Header, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(testContext(t), method, s.URL()+path, strings.NewReader(body))
	must(t, err)
	req.Header.Set("Authorization", "aivenv1 secret")
	resp, err := s.doer.client.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), resp.Header, err
}

func TestFaults(t *testing.T) {
	const users = "/v1/project/acme/service/db/user"
	tests := map[string]struct {
		fault   Fault
		applied bool
		check   func(t *testing.T, status int, body string, header http.Header, err error)
	}{
		"429 with Retry-After": {Fault{Status: 429, RetryAfter: 7 * time.Second}, false, func(t *testing.T, status int, body string, h http.Header, err error) {
			if err != nil || status != 429 || h.Get("Retry-After") != "7" || !strings.Contains(body, `"message"`) {
				t.Errorf("got %d %q %v %v", status, body, h, err)
			}
		}},
		"503 without effect": {Fault{Status: 503, Message: "come back"}, false, func(t *testing.T, status int, body string, _ http.Header, _ error) {
			if status != 503 || !strings.Contains(body, "come back") {
				t.Errorf("got %d %q", status, body)
			}
		}},
		"500 after the effect": {Fault{Apply: true}, true, func(t *testing.T, status int, _ string, _ http.Header, _ error) {
			if status != 500 {
				t.Errorf("got %d", status)
			}
		}},
		"reset before the effect": {Fault{Action: Reset}, false, wantReset},
		"reset after the effect":  {Fault{Action: Reset, Apply: true}, true, wantReset},
		"truncated answer": {Fault{Action: Truncate}, true, func(t *testing.T, status int, body string, _ http.Header, err error) {
			if status != 200 || !errors.Is(err, io.ErrUnexpectedEOF) || body == "" {
				t.Errorf("got %d %q %v", status, body, err)
			}
		}},
		"truncated JSON": {Fault{Action: TruncateJSON}, true, func(t *testing.T, status int, body string, _ http.Header, err error) {
			if status != 200 || err != nil || strings.HasSuffix(body, "}}") || !strings.HasPrefix(body, "{") {
				t.Errorf("got %d %q %v", status, body, err)
			}
		}},
		"slow answer": {Fault{Action: Slow, Delay: time.Millisecond}, true, func(t *testing.T, status int, body string, _ http.Header, err error) {
			if status != 200 || err != nil || !strings.HasSuffix(body, "}}") {
				t.Errorf("got %d %q %v", status, body, err)
			}
		}},
		"wrong type": {Fault{Action: WrongType}, true, func(t *testing.T, status int, body string, _ http.Header, err error) {
			if status != 200 || err != nil || !strings.Contains(body, `4711`) && !strings.Contains(body, `"unexpected"`) || !json.Valid([]byte(body)) {
				t.Errorf("got %d %q %v", status, body, err)
			}
		}},
		"unknown enum": {Fault{Action: UnknownEnum}, true, func(t *testing.T, status int, body string, _ http.Header, err error) {
			if status != 200 || err != nil || strings.Count(body, `:"UNHEARD_OF"`) != 1 {
				t.Errorf("got %d %q %v", status, body, err)
			}
		}},
		"page": {Fault{Action: HTML}, false, func(t *testing.T, status int, body string, h http.Header, _ error) {
			if status != 502 || h.Get("Content-Type") != "text/html" || !strings.HasPrefix(body, "<html>") {
				t.Errorf("got %d %q", status, body)
			}
		}},
		"huge answer": {Fault{Action: Huge}, false, func(t *testing.T, status int, body string, _ http.Header, err error) {
			if status != 200 || err != nil || len(body) != 10<<20 {
				t.Errorf("got %d, %d bytes, %v", status, len(body), err)
			}
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := startSim(t, Options{})
			s.create(t, "pg", "db", "startup-4")
			s.ResetRequests()
			test.fault.Count = 1
			test.fault.Method, test.fault.Path = "POST", "/user$"
			h := s.InjectFault(test.fault)
			status, body, header, err := s.send(t, "POST", users, `{"username":"u"}`)
			test.check(t, status, body, header, err)
			sv, _ := s.Project(testProject).Service("db")
			if _, exists := sv.User("u"); exists != test.applied {
				t.Errorf("user exists: %v, want %v", exists, test.applied)
			}
			must(t, s.WaitCount(testContext(t), 1))
			if r := s.Requests()[0]; r.Applied != test.applied || r.Fault != h.fault.Name || r.Operation != "ServiceUserCreate" || !r.Mutating || r.Status != status && status != 200 {
				t.Errorf("recorded as %+v", r)
			}
			// The fault is used up: the same request works now.
			if status, _, _, err := s.send(t, "GET", users+"/avnadmin", ""); status != 200 || err != nil || h.Hits() != 1 {
				t.Errorf("after the fault: %d %v, %d hits", status, err, h.Hits())
			}
		})
	}
}

func wantReset(t *testing.T, _ int, _ string, _ http.Header, err error) {
	t.Helper()
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want a reset connection", err)
	}
}

func TestFaultMatching(t *testing.T) {
	s := startSim(t, Options{Tokens: []Token{{Name: "a", Value: "secret"}, {Name: "b", Value: "other"}}, Seed: 1})
	other := s.as(t, "other")
	get := func(s *sim) bool {
		_, err := s.project.ProjectGet(t.Context(), testProject)
		if err != nil {
			wantStatus(t, err, 500, "")
		}
		return err == nil
	}
	h := s.InjectFault(Fault{Token: "a", Operation: "ProjectGet", Skip: 1, Count: 2})
	var got []bool
	for range 4 {
		if !get(other) {
			t.Error("the fault of one token hit another")
		}
		got = append(got, get(s))
	}
	if want := [4]bool{true, false, false, true}; [4]bool(got) != want {
		t.Errorf("answers are %v, want %v", got, want)
	}
	h.Remove()
	s.InjectFault(Fault{Probability: 0.5})
	failed := 0
	for range 100 {
		if !get(s) {
			failed++
		}
	}
	if failed < 20 || failed > 80 {
		t.Errorf("%d of 100 requests failed at probability 0.5", failed)
	}
	s.ClearFaults()
	if !get(s) {
		t.Error("a cleared fault hit")
	}
}

func TestHang(t *testing.T) {
	s := startSim(t, Options{})
	s.create(t, "pg", "db", "startup-4")
	tests := map[string]bool{"effect after release": false, "effect before": true}
	for name, apply := range tests {
		t.Run(name, func(t *testing.T) {
			h := s.InjectFault(Fault{Action: Hang, Method: "PUT", Apply: apply})
			defer h.Remove()
			tag := map[bool]string{true: "before", false: "after"}[apply]
			done := make(chan error, 1)
			go func() {
				_, err := s.doer.Do(testContext(t), "", "PUT", "/v1/project/acme/service/db/tags", map[string]any{"tags": map[string]string{"when": tag}})
				done <- err
			}()
			must(t, h.WaitHanging(testContext(t), 1))
			sv, _ := s.Project(testProject).Service("db")
			if got := sv.Tags["when"] == tag; got != apply {
				t.Errorf("while it hangs the effect is there: %v, want %v", got, apply)
			}
			h.Release()
			must(t, <-done)
			if sv, _ = s.Project(testProject).Service("db"); sv.Tags["when"] != tag {
				t.Errorf("tags are %v", sv.Tags)
			}
		})
	}
	t.Run("close", func(t *testing.T) {
		h := s.InjectFault(Fault{Action: Hang})
		done := make(chan error, 1)
		go func() {
			_, err := s.doer.Do(testContext(t), "", "GET", "/v1/project/acme", nil)
			done <- err
		}()
		must(t, h.WaitHanging(testContext(t), 1))
		must(t, s.Close())
		if err := <-done; err == nil {
			t.Error("a hanging request was answered at Close")
		}
	})
}
