// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"

	"github.com/bailiwick-operator/bailiwick/pkg/version"
)

// leaseServer is an API server that serves one Lease and nothing else.
type leaseServer struct {
	*httptest.Server
	mu    sync.Mutex
	lease *coordinationv1.Lease
	// holders are the identities that the Lease had, in order.
	holders []string
}

func newLeaseServer(t *testing.T) *leaseServer {
	s := &leaseServer{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *leaseServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if !strings.Contains(r.URL.Path, "/leases") || r.Method == http.MethodGet && s.lease == nil {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`))
		return
	}
	if r.Method != http.MethodGet {
		lease := &coordinationv1.Lease{}
		if err := json.NewDecoder(r.Body).Decode(lease); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.lease = lease
		holder := ""
		if h := lease.Spec.HolderIdentity; h != nil {
			holder = *h
		}
		if len(s.holders) == 0 || s.holders[len(s.holders)-1] != holder {
			s.holders = append(s.holders, holder)
		}
	}
	_ = json.NewEncoder(w).Encode(s.lease)
}

// start runs the operator against the server. It returns the addresses it
// serves at and a function that stops it and waits.
func (s *leaseServer) start(t *testing.T) (addresses map[string]string, stop func() error) {
	t.Helper()
	o := NewOptions()
	o.RESTConfig = &rest.Config{Host: s.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
	o.Namespace = "home"
	o.HealthBindAddress, o.MetricsBindAddress = "127.0.0.1:0", "127.0.0.1:0"
	o.LeaderElection.RetryPeriod = time.Second
	listening := make(chan [2]string, 2)
	o.OnListen = func(server string, a net.Addr) { listening <- [2]string{server, a.String()} }

	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(), ktesting.NewLogger(t, ktesting.NewConfig(ktesting.Verbosity(2)))))
	result := make(chan error, 1)
	go func() { result <- Run(ctx, o) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-result
	})
	t.Cleanup(func() { _ = stop() })
	addresses = map[string]string{}
	for range 2 {
		select {
		case l := <-listening:
			addresses[l[0]] = "http://" + l[1]
		case err := <-result:
			t.Fatalf("ended early: %v", err)
		}
	}
	return addresses, stop
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting for %s", what)
		}
	}
}

// Two processes' worth of operator in one: the second waits, takes over when
// the first stops, and both end in order.
func TestRunTwice(t *testing.T) {
	s := newLeaseServer(t)
	leads := func(a map[string]string) bool {
		_, body := get(t, a["metrics"]+"/metrics")
		return strings.Contains(body, "\nbailiwick_leader 1\n")
	}
	first, stopFirst := s.start(t)
	eventually(t, "the first to lead", func() bool { return leads(first) })
	second, stopSecond := s.start(t)
	for _, a := range []map[string]string{first, second} {
		for _, path := range []string{"/healthz", "/readyz"} {
			if code, body := get(t, a["health"]+path); code != 200 {
				t.Errorf("%s: %d %s", path, code, body)
			}
		}
	}
	if leads(second) {
		t.Error("two leaders")
	}
	if err := stopFirst(); err != nil {
		t.Errorf("the first ended with %v", err)
	}
	eventually(t, "the second to lead", func() bool { return leads(second) })
	if _, body := get(t, second["metrics"]+"/metrics"); !strings.Contains(body, "rest_client_requests_total") || !strings.Contains(body, "workqueue_adds_total") {
		t.Error("the metrics of client-go are missing")
	}
	if err := stopSecond(); err != nil {
		t.Errorf("the second ended with %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.holders) != 4 || s.holders[0] == "" || s.holders[1] != "" || s.holders[2] == "" || s.holders[3] != "" {
		t.Errorf("the lease was held by %q, want each to release it in turn", s.holders)
	}
}

func TestRunReportsBadOptions(t *testing.T) {
	o := NewOptions()
	o.RESTConfig = &rest.Config{Host: "http://127.0.0.1:1"}
	o.PollInterval = 0
	err := Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "--poll-interval") || !strings.Contains(err.Error(), "--leader-elect") {
		t.Errorf("got %v", err)
	}
}

// The first line of a log says which build wrote it, even of one that ends at once.
func TestRunTakenAddress(t *testing.T) {
	s := newLeaseServer(t)
	o := NewOptions()
	o.RESTConfig = &rest.Config{Host: s.URL}
	o.Namespace = "home"
	o.HealthBindAddress = strings.TrimPrefix(s.URL, "http://")
	var lines []string
	logger := funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{})
	if err := Run(klog.NewContext(t.Context(), logger), o); err == nil || !strings.Contains(err.Error(), "listen for health") {
		t.Errorf("got %v", err)
	}
	build := version.Get()
	want := fmt.Sprintf("\"msg\"=\"Starting\" \"version\"=%q \"revision\"=%q \"goVersion\"=%q ", build.Version, build.Revision, build.GoVersion)
	if len(lines) == 0 || !strings.Contains(lines[0], want) {
		t.Errorf("the log is %q, want it to start with %s", lines, want)
	}
}
