// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/internal/silence"
)

// A connection that has gone silent fails the requests on it, and none of those
// that are sent after it was noticed.
func TestSilentConnection(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"protocol":"` + r.Proto + `"}`))
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	proxy := silence.NewProxy(t, strings.TrimPrefix(server.URL, "https://"))
	pool := newPool(16, nil)
	pool.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the server of this test
	tr := newTestTransport(t, TransportOptions{BaseURL: "https://" + proxy.Addr(), RoundTripper: pool})
	defer tr.Close()

	answer, err := call(t.Context(), tr, "ServiceGet", "GET", nil)
	if err != nil || !strings.Contains(string(answer), "HTTP/2") {
		t.Fatalf("%s, %v", answer, err)
	}
	proxy.Silence()
	var early, late atomic.Int32
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			after := time.Duration(i) * 300 * time.Millisecond
			time.Sleep(after)
			switch _, err := call(t.Context(), tr, "ServiceGet", "GET", nil); {
			case err != nil && after > 8*time.Second:
				late.Add(1)
			case err != nil:
				early.Add(1)
			}
		})
	}
	wg.Wait()
	if late.Load() > 0 || early.Load() == 0 {
		t.Errorf("%d requests failed, %d of those that were sent 8 s later", early.Load(), late.Load())
	}
}
