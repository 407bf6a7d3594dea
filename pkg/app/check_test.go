// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestCheckWaitsForReadiness(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(healthHandler(nil, []check{{"caches", func(*http.Request) error {
		if asked.Add(1) < 3 {
			return errors.New("caches not filled: kafkas")
		}
		return nil
	}}}))
	defer server.Close()

	cmd := NewCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"check", server.URL + "/readyz"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "[+]caches ok\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("asked %d times, want 3", n)
	}
}

func TestCheckSaysWhatIsMissing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var asked atomic.Int32
	server := httptest.NewServer(healthHandler(nil, []check{{"caches", func(*http.Request) error {
		// The second request is cut short, which must not hide the answer to the first.
		if asked.Add(1) == 2 {
			cancel()
		}
		return errors.New("caches not filled: kafkas")
	}}}))
	defer server.Close()
	_, err := awaitHealth(ctx, server.URL+"/readyz", time.Millisecond)
	for _, part := range []string{server.URL, "503", "caches not filled: kafkas"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error = %v, want it to contain %q", err, part)
		}
	}
}

// Whoever answers for somebody else is not who was asked.
func TestCheckFollowsNoRedirect(t *testing.T) {
	other := httptest.NewServer(healthHandler(nil, nil))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL+"/readyz", http.StatusFound))
	defer server.Close()
	cmd := NewCommand()
	cmd.SetArgs([]string{"check", server.URL + "/readyz", "--timeout=100ms"})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("error = %v", err)
	}
}

func TestCheckRefusesWhatIsNoURL(t *testing.T) {
	for _, args := range [][]string{{"check"}, {"check", "http://%"}, {"check", "a", "b"}} {
		cmd := NewCommand()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(args)
		if err := cmd.ExecuteContext(t.Context()); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
}
