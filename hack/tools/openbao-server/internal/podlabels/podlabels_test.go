// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package podlabels

import (
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// apiServer keeps the labels of one pod.
type apiServer struct {
	mu      sync.Mutex
	labels  map[string]string
	refused int
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path != "/api/v1/namespaces/ns/pods/demo-0" || r.Header.Get("Authorization") != "Bearer secret" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if r.Method == http.MethodGet {
		return
	}
	// The right to patch comes late.
	if s.refused++; s.refused == 1 {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	var patches []patch
	if err := json.NewDecoder(r.Body).Decode(&patches); err != nil || r.Header.Get("Content-Type") != "application/json-patch+json" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, p := range patches {
		s.labels[strings.TrimPrefix(p.Path, "/metadata/labels/")] = p.Value
	}
}

func (s *apiServer) waitFor(t *testing.T, want map[string]string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		s.mu.Lock()
		got := maps.Clone(s.labels)
		s.mu.Unlock()
		if maps.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("labels %v, want %v", got, want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestLabels(t *testing.T) {
	api := &apiServer{labels: map[string]string{}}
	server := httptest.NewTLSServer(api)
	defer server.Close()
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", address.Hostname())
	t.Setenv("KUBERNETES_SERVICE_PORT", address.Port())
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for file, content := range map[string]string{"token": "secret\n", "ca.crt": string(ca)} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	r := New("ns", "demo-0", "2.6.2", hclog.NewNullLogger())
	r.pod.accountDir = dir
	stop := make(chan struct{})
	var wait sync.WaitGroup
	if err := r.Run(stop, &wait, ""); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"openbao-version": "2.6.2", "openbao-active": "false", "openbao-sealed": "true",
		"openbao-perf-standby": "false", "openbao-initialized": "false",
	}
	api.waitFor(t, want)

	_ = r.NotifyInitializedStateChange(true)
	_ = r.NotifySealedStateChange(false)
	_ = r.NotifyActiveStateChange(true)
	want["openbao-initialized"], want["openbao-sealed"], want["openbao-active"] = "true", "false", "true"
	api.waitFor(t, want)

	// The process ends right after the last change.
	_ = r.NotifyActiveStateChange(false)
	_ = r.NotifySealedStateChange(true)
	close(stop)
	wait.Wait()
	want["openbao-active"], want["openbao-sealed"] = "false", "true"
	api.waitFor(t, want)
}
