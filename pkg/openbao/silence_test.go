// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"encoding/pem"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/internal/silence"
)

// A connection that has gone silent is given up, and the next request gets another.
func TestSilentConnection(t *testing.T) {
	server := httptest.NewUnstartedServer(answer(200, `{"initialized":true}`))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	proxy := silence.NewProxy(t, strings.TrimPrefix(server.URL, "https://"))
	client, err := New(Options{
		Address:  "https://" + proxy.Addr(),
		CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		Timeout:  2 * time.Second, AllowLocal: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if _, err := client.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	proxy.Silence()
	for i := range 3 {
		_, err := client.Health(t.Context())
		if err != nil && i > 0 || err == nil && i == 0 {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if n := proxy.Accepted(); n != 2 {
		t.Errorf("%d connections", n)
	}
}
