// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/bailiwick-operator/bailiwick/pkg/internal/silence"
)

// quietClients returns the clients of an API server that knows nothing, and the
// proxy in between. client-go keeps connections by the name that is asked for, and
// by how the server is checked.
func quietClients(t *testing.T, serverName string) (*clients, *silence.Proxy, *Options) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	proxy := silence.NewProxy(t, strings.TrimPrefix(server.URL, "https://"))
	o := NewOptions()
	o.LeaderElection.RenewDeadline = 2 * time.Second
	o.RESTConfig = &rest.Config{Host: "https://" + proxy.Addr(), TLSClientConfig: rest.TLSClientConfig{
		CAData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), ServerName: serverName,
	}}
	c, err := newClients(o, func(context.Context) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return c, proxy, o
}

// The lease is renewed over another connection before it ends.
func TestLeaseOutlivesASilentConnection(t *testing.T) {
	c, proxy, o := quietClients(t, "")
	get := func() error {
		_, err := c.leases.CoordinationV1().Leases("a").Get(t.Context(), "lease", metav1.GetOptions{})
		return err
	}
	if err := get(); !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	leases := c.leases.CoordinationV1().RESTClient().(*rest.RESTClient)
	if limit := leases.Client.Timeout; limit <= 0 || limit > o.LeaderElection.RenewDeadline/2 {
		t.Errorf("a request may take %s, which leaves no time for another one", limit)
	}
	proxy.Silence()
	// One request is lost; the next one is sent over another connection.
	if err := get(); err == nil || apierrors.IsNotFound(err) {
		t.Fatalf("the silent connection answered: %v", err)
	}
	if err := get(); !apierrors.IsNotFound(err) {
		t.Errorf("the second request was lost, too: %v", err)
	}
}

// What client-go offers for its own connections is in use for ours.
func TestSilentConnectionsAreGivenUp(t *testing.T) {
	t.Setenv("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "1")
	t.Setenv("HTTP2_PING_TIMEOUT_SECONDS", "1")
	c, proxy, _ := quietClients(t, "example.com")
	get := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.custom.AivenV1alpha1().Kafkas("a").Get(ctx, "kafka", metav1.GetOptions{})
		return err
	}
	if err := get(); !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	proxy.Silence()
	start := time.Now()
	for !apierrors.IsNotFound(get()) {
		if time.Since(start) > 15*time.Second {
			t.Fatal("the connection is still in use")
		}
	}
}
