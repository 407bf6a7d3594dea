// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// node is one of them.
type node struct {
	state   string
	handler http.HandlerFunc
	// leader is what it says of the active server.
	leader   string
	requests atomic.Int32
}

const (
	standby       = `{"initialized":true,"sealed":false,"standby":true,"version":"2.6.2","cluster_id":"c"}`
	sealed        = `{"initialized":true,"sealed":true,"standby":true}`
	uninitialized = `{"initialized":false,"sealed":true,"standby":true}`
)

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Vault-Token") == "" {
		switch r.URL.Path {
		case "/v1/sys/health":
			answer(299, n.state)(w, r)
			return
		case "/v1/sys/leader":
			_ = json.NewEncoder(w).Encode(map[string]any{"ha_enabled": true, "leader_address": n.leader})
			return
		}
	}
	n.requests.Add(1)
	n.handler(w, r)
}

// balance forwards connections to one after the other.
func balance(t *testing.T, nodes ...*node) (*Client, []*httptest.Server) {
	t.Helper()
	var servers []*httptest.Server
	for _, n := range nodes {
		server := httptest.NewTLSServer(n)
		t.Cleanup(server.Close)
		servers = append(servers, server)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for i := 0; ; i++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", servers[i%len(servers)].Listener.Addr().String())
			if err != nil {
				_ = conn.Close()
				continue
			}
			go pipe(conn, to)
			go pipe(to, conn)
		}
	}()
	client, err := New(Options{
		Address: "https://" + listener.Addr().String(), CABundle: certificateOf(servers[0]), Token: NewToken(secret), AllowLocal: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, servers
}

func pipe(from, to net.Conn) {
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	_ = from.Close()
	_ = to.Close()
}

var okRole = answer(200, `{"data":{"a":"b"}}`)

func TestRequestsGoToTheActiveServer(t *testing.T) {
	for name, states := range map[string][]string{
		"second":                        {standby, active},
		"third":                         {standby, standby, active},
		"beside a sealed one":           {sealed, active, standby},
		"beside one that is not set up": {uninitialized, active},
		"only one":                      {active},
	} {
		t.Run(name, func(t *testing.T) {
			var nodes []*node
			for _, state := range states {
				nodes = append(nodes, &node{state: state, handler: okRole})
			}
			client, _ := balance(t, nodes...)
			for range 3 {
				if err := client.WriteRole(t.Context(), "m", "r", map[string]any{"a": "b"}); err != nil {
					t.Fatal(err)
				}
				if _, err := client.ReadRole(t.Context(), "m", "r"); err != nil {
					t.Fatal(err)
				}
				client.Close()
			}
			for i, n := range nodes {
				if got, want := n.requests.Load(), map[bool]int32{true: 6}[n.state == active]; got != want {
					t.Errorf("server %d got %d requests, want %d", i, got, want)
				}
			}
		})
	}
}

// A standby that is alone says where the active server is.
func TestStandbyNamesTheActiveServer(t *testing.T) {
	leader := &node{state: active, handler: okRole}
	server := httptest.NewTLSServer(leader)
	t.Cleanup(server.Close)
	follower := &node{state: standby, handler: okRole, leader: server.URL}
	client, _ := balance(t, follower)
	if _, err := client.ReadRole(t.Context(), "m", "r"); err != nil {
		t.Fatal(err)
	}
	if follower.requests.Load() != 0 || leader.requests.Load() != 1 {
		t.Errorf("the standby got %d requests, the active server %d", follower.requests.Load(), leader.requests.Load())
	}
}

// A server may name any address. What is there gets nothing unless it has the
// certificate of the address that the token is for.
func TestNamedServerNeedsTheSameCertificate(t *testing.T) {
	for name, tc := range map[string]struct {
		leader func(elsewhere string) string
	}{
		"of another name":     {func(elsewhere string) string { return elsewhere }},
		"without TLS":         {func(elsewhere string) string { return strings.Replace(elsewhere, "https", "http", 1) }},
		"with a path":         {func(elsewhere string) string { return elsewhere + "/v1/auth" }},
		"with nothing there":  {func(string) string { return "https://127.0.0.1:1" }},
		"with control in it":  {func(string) string { return "https://bao\x1b[31m.example" }},
		"with a long name":    {func(string) string { return "https://" + strings.Repeat("x", 5000) }},
		"with nothing at all": {func(string) string { return "" }},
	} {
		t.Run(name, func(t *testing.T) {
			var reached atomic.Int32
			elsewhere := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
			elsewhere.TLS = certificateFor(t, "elsewhere.example")
			elsewhere.StartTLS()
			t.Cleanup(elsewhere.Close)
			follower := &node{state: standby, handler: okRole, leader: tc.leader(elsewhere.URL)}
			client, _ := balance(t, follower)
			_, err := client.ReadRole(t.Context(), "m", "r")
			if ClassOf(err) != Standby {
				t.Errorf("got class %q of %v", ClassOf(err), err)
			}
			if reached.Load() != 0 || follower.requests.Load() != 0 {
				t.Errorf("elsewhere got %d requests, the standby %d", reached.Load(), follower.requests.Load())
			}
			if text := err.Error(); len(text) > 700 || strings.ContainsRune(text, '\x1b') {
				t.Errorf("the error is not fit for a condition: %q", text)
			}
		})
	}
}

// What a server says when it just stopped being the active one has the request sent
// once more.
func TestActiveServerStepsDown(t *testing.T) {
	for name, stepped := range map[string]http.HandlerFunc{
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusTemporaryRedirect)
		},
		"knows no active one": answer(500, `{"errors":["local node not active but active cluster node not found"]}`),
	} {
		t.Run(name, func(t *testing.T) {
			var bodies []string
			first := &node{state: active}
			second := &node{state: active, handler: func(w http.ResponseWriter, r *http.Request) {
				var body map[string]any
				_ = json.NewDecoder(r.Body).Decode(&body)
				bodies = append(bodies, fmt.Sprint(body))
				w.WriteHeader(http.StatusNoContent)
			}}
			first.handler = func(w http.ResponseWriter, r *http.Request) {
				first.state = standby
				stepped(w, r)
			}
			client, _ := balance(t, first, second)
			if err := client.WriteRole(t.Context(), "m", "r", map[string]any{"a": "b"}); err != nil {
				t.Fatal(err)
			}
			if len(bodies) != 1 || bodies[0] != "map[a:b]" || first.requests.Load() != 1 {
				t.Errorf("the successor got %q, the other server %d requests", bodies, first.requests.Load())
			}
		})
	}
}

func TestNoActiveServer(t *testing.T) {
	for name, tc := range map[string]struct {
		states []string
		want   Class
	}{
		"standbys":               {[]string{standby, standby}, Standby},
		"a standby and a sealed": {[]string{sealed, standby}, Standby},
	} {
		t.Run(name, func(t *testing.T) {
			var nodes []*node
			for _, state := range tc.states {
				nodes = append(nodes, &node{state: state, handler: okRole})
			}
			client, _ := balance(t, nodes...)
			if _, err := client.ReadRole(t.Context(), "m", "r"); ClassOf(err) != tc.want {
				t.Errorf("got class %q of %v, want %q", ClassOf(err), err, tc.want)
			}
		})
	}
	// One that is sealed says so itself.
	client, _ := balance(t, &node{state: sealed, handler: answer(503, `{"errors":["Vault is sealed"]}`)})
	if h, err := client.Health(t.Context()); err != nil || !h.Sealed {
		t.Errorf("got %+v, %v", h, err)
	}
	if _, err := client.ReadRole(t.Context(), "m", "r"); ClassOf(err) != Sealed {
		t.Errorf("got class %q of %v", ClassOf(err), err)
	}
}

// What can't be asked about its health is asked for what is wanted.
func TestHealthThatSaysNothing(t *testing.T) {
	for name, health := range map[string]http.HandlerFunc{
		"forbidden":  answer(403, `{"errors":["permission denied"]}`),
		"not JSON":   answer(200, `<html>fine</html>`),
		"other JSON": answer(200, `{"status":"ok"}`),
		"cut off":    answer(200, `{"initialized":`),
		"very large": answer(200, strings.Repeat(" ", 1<<20)),
		"one request": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			answer(200, active)(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := startRaw(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v1/sys/health" {
					health(w, r)
					return
				}
				okRole(w, r)
			})
			if _, err := client.ReadRole(t.Context(), "m", "r"); err != nil {
				t.Error(err)
			}
		})
	}
}

// From OpenBao 2.6 on a server does not answer this in a namespace.
func TestHealthIsOutsideOfNamespaces(t *testing.T) {
	client := startRaw(t, func(w http.ResponseWriter, r *http.Request) {
		switch namespace := r.Header.Get("X-Vault-Namespace"); {
		case r.URL.Path == "/v1/sys/health" && namespace != "":
			answer(400, `{"errors":["operation unavailable in namespaces"]}`)(w, r)
		case r.URL.Path == "/v1/sys/health":
			answer(200, active)(w, r)
		case strings.Trim(namespace, "/") != "team":
			t.Errorf("asked for %s in the namespace %q", r.URL.Path, namespace)
		default:
			okRole(w, r)
		}
	}, func(o *Options) { o.Namespace = "team" })
	if h, err := client.Health(t.Context()); err != nil || h.ClusterID == "" {
		t.Errorf("got %+v, %v", h, err)
	}
	if _, err := client.ReadRole(t.Context(), "m", "r"); err != nil {
		t.Error(err)
	}
}
