// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	err = errors.Join(err, response.Body.Close())
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestHealth(t *testing.T) {
	var sick error
	ready := &readiness{}
	s, err := listen(t.Context(), "health", "127.0.0.1:0", healthHandler(
		[]check{{"ping", ping}, {"other", func(*http.Request) error { return sick }}},
		[]check{{"caches", ready.check}},
	))
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + s.listener.Addr().String()
	expect := func(path string, code int, text string) {
		t.Helper()
		if c, body := get(t, url+path); c != code || !strings.Contains(body, text) {
			t.Errorf("%s: got %d %q, want %d %q", path, c, body, code, text)
		}
	}
	expect("/healthz", 200, "[+]other ok")
	sick = errors.New("lease too old")
	expect("/healthz", 503, "[-]other failed: lease too old")

	expect("/readyz", 200, "caches ok") // a standby is ready
	ready.lead(func() []string { return []string{"kafka-controller"} })
	expect("/readyz", 503, "kafka-controller")
	ready.lead(func() []string { return nil })
	expect("/readyz", 200, "caches ok")
	expect("/metrics", 404, "")

	s.stop(t.Context())
	if _, err := (&http.Client{}).Get(url + "/healthz"); err == nil {
		t.Error("still serving after stop")
	}
}

func TestServerOff(t *testing.T) {
	s, err := listen(t.Context(), "health", addressOff, nil)
	if s != nil || err != nil {
		t.Errorf("got %v, %v", s, err)
	}
	s.stop(t.Context())
}

func TestProfilingIsOffByDefault(t *testing.T) {
	for profiling, want := range map[bool]int{false: 404, true: 200} {
		s, err := listen(t.Context(), "metrics", "127.0.0.1:0", metricsHandler(http.NotFoundHandler(), profiling))
		if err != nil {
			t.Fatal(err)
		}
		if code, _ := get(t, "http://"+s.listener.Addr().String()+"/debug/pprof/cmdline"); code != want {
			t.Errorf("profiling %v: got %d", profiling, code)
		}
		s.stop(t.Context())
	}
}
