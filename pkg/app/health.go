// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// check is one thing that must be well. run returns what is not.
type check struct {
	name string
	run  func(*http.Request) error
}

// healthHandler serves /healthz and /readyz. Both list every check.
func healthHandler(healthz, readyz []check) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", checks(healthz))
	mux.Handle("GET /readyz", checks(readyz))
	return mux
}

type checks []check

// ServeHTTP implements http.Handler.
func (c checks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var report strings.Builder
	status := http.StatusOK
	for _, check := range c {
		if err := check.run(r); err != nil {
			status = http.StatusServiceUnavailable
			fmt.Fprintf(&report, "[-]%s failed: %v\n", check.name, err)
			continue
		}
		fmt.Fprintf(&report, "[+]%s ok\n", check.name)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A reader that went away is no concern of ours.
	_, _ = w.Write([]byte(report.String()))
}

func ping(*http.Request) error { return nil }

// readiness says whether this process does its part: a standby does by waiting,
// a leader when its caches have filled.
type readiness struct {
	mu sync.Mutex
	// unsynced names the caches that have not filled; nil for a standby.
	unsynced func() []string
}

// lead makes the readiness that of a leader with these caches.
func (r *readiness) lead(unsynced func() []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsynced = unsynced
}

func (r *readiness) check(*http.Request) error {
	r.mu.Lock()
	unsynced := r.unsynced
	r.mu.Unlock()
	if unsynced == nil {
		return nil
	}
	if names := unsynced(); len(names) > 0 {
		return fmt.Errorf("caches not filled: %s", strings.Join(names, ", "))
	}
	return nil
}
