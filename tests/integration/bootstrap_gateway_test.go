// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// gateway passes requests on to a server, behind a certificate of its own.
type gateway struct {
	*httptest.Server
	mu        sync.Mutex
	requests  []string
	exchanges []exchange
	// lose, if set, says of a request what of it gets lost.
	lose func(request string) loss
	// credentials are the tokens and JWTs that came by.
	credentials map[string]bool
}

// exchange is a request and what became of it.
type exchange struct {
	at      time.Time
	request string
	// status is that of the server's answer, 0 if there was none.
	status int
	// lost is what of it got lost.
	lost loss
}

// loss is what of a request gets lost on its way.
type loss int

const (
	nothing loss = iota
	// theRequest does not reach the server.
	theRequest
	// theAnswer does not reach the client.
	theAnswer
	// theSense: the request is refused with a text that repeats it.
	theSense
)

func newGateway(t testing.TB, server *stack.OpenBao) *gateway {
	t.Helper()
	target, err := url.Parse(server.Address)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(server.CAPEM)
	g := &gateway{credentials: map[string]bool{}}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}},
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	g.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/v1/")
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		g.mu.Lock()
		g.requests = append(g.requests, request)
		g.note(r.Header.Get("X-Vault-Token"), body)
		lost := nothing
		if g.lose != nil {
			lost = g.lose(request)
		}
		number := len(g.exchanges)
		g.exchanges = append(g.exchanges, exchange{at: time.Now(), request: request, lost: lost})
		g.mu.Unlock()
		switch lost {
		case theRequest:
			panic(http.ErrAbortHandler)
		case theAnswer:
			w = httptest.NewRecorder()
		case theSense:
			w.WriteHeader(http.StatusBadRequest)
			text := fmt.Sprintf("no sense: token %s, body %s", r.Header.Get("X-Vault-Token"), body)
			_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{text}})
			return
		}
		answer := &statusRecorder{ResponseWriter: w}
		proxy.ServeHTTP(answer, r)
		g.mu.Lock()
		g.exchanges[number].status = answer.status
		g.mu.Unlock()
		if lost == theAnswer {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(g.Close)
	return g
}

// note remembers what a request authenticates with. The caller holds the lock.
func (g *gateway) note(token string, body []byte) {
	var login struct {
		JWT string `json:"jwt"`
	}
	// Most requests have no body of this kind.
	_ = json.Unmarshal(body, &login)
	for _, credential := range []string{token, login.JWT} {
		if credential != "" {
			g.credentials[credential] = true
		}
	}
}

// seen returns the tokens and JWTs that came by.
func (g *gateway) seen() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.credentials))
}

// statusRecorder notes the status of an answer.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// exchanged returns what was asked, and what became of it.
func (g *gateway) exchanged() []exchange {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.exchanges)
}

func (g *gateway) ca() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.Certificate().Raw}))
}

func (g *gateway) all() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.requests)
}

// writes returns the requests that could change something.
func (g *gateway) writes() []string {
	return slices.DeleteFunc(g.all(), func(r string) bool { return strings.HasPrefix(r, http.MethodGet) })
}

// changes returns the writes but for logins, and what is done with their tokens.
func (g *gateway) changes() []string {
	return slices.DeleteFunc(g.all(), func(r string) bool { return !isChange(r) })
}

// isChange tells whether a request could change what a server holds.
func isChange(request string) bool {
	method, path, _ := strings.Cut(request, " ")
	return method != http.MethodGet && path != "auth/"+mount+"/login" && path != "sys/capabilities-self" && path != "auth/token/revoke-self"
}

// losing has requests get lost from now on; nil ends it.
func (g *gateway) losing(lose func(request string) loss) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lose = lose
}

// logins returns how many logins there were.
func (g *gateway) logins() int {
	n := 0
	for _, r := range g.all() {
		if strings.HasSuffix(r, " auth/"+mount+"/login") {
			n++
		}
	}
	return n
}
