// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/version"
)

// Requests over HTTP/2 share a connection, and what one of them sends or reads
// holds up the others. The lease must not be among them.
func TestLeaseHasItsOwnConnection(t *testing.T) {
	var mu sync.Mutex
	from, agents := map[string]string{}, map[string]bool{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		from[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]] = r.Proto + " " + r.RemoteAddr
		agents[r.UserAgent()] = true
		mu.Unlock()
		w.WriteHeader(http.StatusNotFound)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	o := NewOptions()
	o.RESTConfig = &rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
	yields := 0
	c, err := newClients(o, func(context.Context) error { yields++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	ctx, get := t.Context(), metav1.GetOptions{}
	_, _ = c.kube.CoreV1().Secrets("a").Get(ctx, "secret", get)
	_, _ = c.custom.AivenV1alpha1().Kafkas("a").Get(ctx, "kafka", get)
	_, _ = c.leases.CoordinationV1().Leases("a").Get(ctx, "lease", get)
	if yields != 0 {
		t.Errorf("%d reads waited", yields)
	}
	_ = c.kube.CoreV1().Secrets("a").Delete(ctx, "secret", metav1.DeleteOptions{})
	_ = c.events.CoreV1().Events("a").Delete(ctx, "event", metav1.DeleteOptions{})
	_ = c.leases.CoordinationV1().Leases("a").Delete(ctx, "lease", metav1.DeleteOptions{})
	if yields != 2 {
		t.Errorf("%d writes waited for the lease, want all but its own", yields)
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.HasPrefix(from["secret"], "HTTP/2") || from["secret"] != from["kafka"] {
		t.Errorf("requests came from %v, want those of objects from one", from)
	}
	if from["lease"] == "" || from["lease"] == from["secret"] {
		t.Errorf("requests came from %v, want that of the lease from another", from)
	}
	for _, component := range []string{"controllers", "leader-election", "events"} {
		want := fmt.Sprintf("%s/%s (%s/%s) %s", filepath.Base(os.Args[0]), version.Get().Version, runtime.GOOS, runtime.GOARCH, component)
		if !agents[want] {
			t.Errorf("no request says %q; they say %v", want, agents)
		}
	}
}

func TestOpenBaoIsToldTheVersion(t *testing.T) {
	var mu sync.Mutex
	agents := map[string]bool{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		agents[r.UserAgent()] = true
		mu.Unlock()
		_, _ = w.Write([]byte(`{"initialized":true,"sealed":false,"standby":false}`))
	}))
	defer server.Close()
	client, err := (&OpenBaoOptions{}).connectOpenBao(openbao.Options{
		Address: server.URL, AllowLocal: true, ServerName: "example.com",
		CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := "bailiwick/" + version.Get().Version; len(agents) != 1 || !agents[want] {
		t.Errorf("the user agents are %v, want %q only", agents, want)
	}
}
