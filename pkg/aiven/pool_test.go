// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// The connection pool itself, against a real server on loopback.
func TestRealConnections(t *testing.T) {
	var connections, redirected atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/elsewhere" {
			redirected.Add(1)
			return
		}
		switch req.Method {
		case "GET":
			_, _ = rw.Write([]byte(`{"service":{}}`))
		case "PUT":
			http.Redirect(rw, req, "/elsewhere", http.StatusTemporaryRedirect)
		case "POST": // hangs up in the middle of the answer
			rw.Header().Set("Content-Length", "100")
			_, _ = rw.Write([]byte(`{"user":`))
		case "DELETE": // hangs up without an answer
			panic(http.ErrAbortHandler)
		case "PATCH": // never answers
			<-req.Context().Done()
		}
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	tr := newTestTransport(t, TransportOptions{BaseURL: server.URL, RequestTimeout: 500 * time.Millisecond})
	defer tr.Close()

	for range 5 {
		if _, err := call(t.Context(), tr, "ServiceGet", "GET", nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("5 requests in a row used %d connections", n)
	}
	for method, want := range map[string]Class{"PUT": Unavailable, "POST": Unknown, "DELETE": Unknown, "PATCH": Unknown} {
		if _, err := call(t.Context(), tr, "Write", method, nil); ClassOf(err) != want {
			t.Errorf("%s: %v has class %q, want %q", method, err, ClassOf(err), want)
		}
	}
	if redirected.Load() != 0 {
		t.Error("followed a redirect")
	}
	server.Close()
	// On a connection that is left over a request may seem to have been sent.
	tr.Close()
	if _, err := call(t.Context(), tr, "Write", "POST", nil); ClassOf(err) != Unavailable {
		t.Errorf("no server: %v has class %q", err, ClassOf(err))
	}
}
