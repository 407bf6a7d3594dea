// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package baosim

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/openbao/openbaotest"
)

// Server is one OpenBao server, initialised and unsealed.
type Server struct {
	http *httptest.Server
	id   string
	// root may do everything until it is revoked, admin what adminPolicy says.
	root, admin string

	mu       sync.Mutex
	mounts   map[string]object
	config   object
	roles    map[string]object
	policies map[string]string
	tokens   map[string][]string // policies by token
	acls     map[string]openbaotest.ACL
	counts   map[string]int
	unknown  []string
	last     time.Time
}

// object is a JSON object.
type object = map[string]any

// Start starts a server of that cluster id on loopback. Close ends it.
func Start(id string) *Server {
	s := &Server{
		id: id, root: "root-" + id, admin: "admin-" + id,
		mounts: map[string]object{"token/": {"type": "token", "description": ""}},
		roles:  map[string]object{}, policies: map[string]string{"admin": adminPolicy}, acls: map[string]openbaotest.ACL{}, counts: map[string]int{},
	}
	s.tokens = map[string][]string{s.root: {"root"}, s.admin: {"admin", "default"}}
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	// A client that goes away during a handshake is none of our business.
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.http.StartTLS()
	return s
}

// Close ends the server and waits for its requests.
func (s *Server) Close() { s.http.Close() }

// URL is where the server listens.
func (s *Server) URL() string { return s.http.URL }

// RootToken is the token that may do everything.
func (s *Server) RootToken() string { return s.root }

// adminPolicy lets a token manage auth methods, roles and policies.
const adminPolicy = `
path "sys/auth" { capabilities = ["read"] }
path "sys/auth/*" { capabilities = ["create", "read", "update", "delete", "sudo"] }
path "auth/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "sys/policies/acl/*" { capabilities = ["create", "read", "update", "delete", "list"] }
`

// AdminToken is a token that may manage auth methods, roles and policies, and that
// expires.
func (s *Server) AdminToken() string { return s.admin }

// CAPEM is what the server's certificate is checked with.
func (s *Server) CAPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
}

// Counts returns how often each operation was asked for since the start, and
// when the last one was.
func (s *Server) Counts() (map[string]int, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts), s.last
}

// Unknown returns the requests that the server has no path for.
func (s *Server) Unknown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.unknown)
}

// request is one request, taken apart.
type request struct {
	capability string // that it takes
	path       string // without the version
	token      string
	body       object
}

// failure is an answer with a status of its own.
type failure struct {
	status int
	text   string
}

func (f *failure) Error() string { return f.text }

func fail(status int, format string, args ...any) error {
	return &failure{status, fmt.Sprintf(format, args...)}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	answer, err := s.handle(r)
	w.Header().Set("Content-Type", "application/json")
	var f *failure
	switch {
	case errors.As(err, &f):
		w.WriteHeader(f.status)
		texts := []string{}
		if f.text != "" {
			texts = append(texts, f.text)
		}
		answer = object{"errors": texts}
	case answer == nil:
		w.WriteHeader(http.StatusNoContent)
		return
	}
	// The client notices by itself that an answer is cut off.
	_ = json.NewEncoder(w).Encode(answer)
}

// handle carries out one request.
func (s *Server) handle(r *http.Request) (object, error) {
	path, versioned := strings.CutPrefix(r.URL.Path, "/v1/")
	q := request{path: path, token: r.Header.Get("X-Vault-Token")}
	switch {
	case r.Method == "LIST", r.Method == http.MethodGet && r.URL.Query().Get("list") == "true":
		q.capability = "list"
	case r.Method == http.MethodGet:
		q.capability = "read"
	case r.Method == http.MethodPut, r.Method == http.MethodPost:
		q.capability = "update"
		if err := json.NewDecoder(r.Body).Decode(&q.body); err != nil && !errors.Is(err, io.EOF) {
			return nil, fail(http.StatusBadRequest, "failed to parse JSON input: %v", err)
		}
	case r.Method == http.MethodDelete:
		q.capability = "delete"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
	name, do := s.route(&q)
	if do == nil || !versioned {
		s.unknown = append(s.unknown, r.Method+" "+r.URL.Path)
		return nil, fail(http.StatusNotFound, "no handler for route %q", q.path)
	}
	s.counts[name]++
	if name != "Health" && name != "Login" {
		if err := s.allowed(&q); err != nil {
			return nil, err
		}
	}
	return do()
}

// data is an answer as most paths give it.
func data(fields object) (object, error) { return object{"data": fields}, nil }

func found(fields object, ok bool) (object, error) {
	if !ok {
		return nil, fail(http.StatusNotFound, "")
	}
	return data(fields)
}
