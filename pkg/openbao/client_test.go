// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const secret = "s.Sup3rS3cretT0ken"

// active is what the active server says of itself.
const active = `{"initialized":true,"sealed":false,"standby":false,"version":"2.6.2","cluster_id":"11111111-2222-3333-4444-555555555555"}`

// start runs a TLS server with the handler, which is the active one, and returns a
// client of it.
func start(t *testing.T, handler http.HandlerFunc, mutate ...func(*Options)) *Client {
	t.Helper()
	return startRaw(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/"+healthPath {
			answer(200, active)(w, r)
			return
		}
		handler(w, r)
	}, mutate...)
}

// startRaw is start without the answer about health.
func startRaw(t *testing.T, handler http.HandlerFunc, mutate ...func(*Options)) *Client {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	opts := Options{
		Address:  server.URL,
		CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		Token:    NewToken(secret),
		// A test server is on this machine.
		AllowLocal: true,
	}
	for _, m := range mutate {
		m(&opts)
	}
	client, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestErrorClasses(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		want   Class
	}{
		"not found":                  {404, `{"errors":[]}`, NotFound},
		"no mount":                   {404, `{"errors":["no handler for route 'auth/x/config'"]}`, NotFound},
		"denied":                     {403, `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`, PermissionDenied},
		"unknown token":              {403, `{"errors":["permission denied"]}`, Unauthenticated},
		"unknown token, in words":    {403, `{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}`, Unauthenticated},
		"bad token":                  {403, `{"errors":["bad token"]}`, Unauthenticated},
		"unauthorized":               {401, `{"errors":["x"]}`, Unauthenticated},
		"bad request":                {400, `{"errors":["invalid role"]}`, Invalid},
		"unsupported":                {405, `{"errors":["1 error occurred:\n\t* unsupported operation\n\n"]}`, Invalid},
		"compare failed":             {400, `{"errors":["check-and-set parameter did not match the current version"]}`, Conflict},
		"sealed":                     {503, `{"errors":["Vault is sealed"]}`, Sealed},
		"sealed, by its new name":    {503, `{"errors":["OpenBao is sealed"]}`, Sealed},
		"namespace is sealed":        {503, `{"errors":["namespace is sealed"]}`, NamespaceSealed},
		"namespace is locked":        {503, `{"errors":["API access to this namespace has been locked by an administrator - \"team/\" must be unlocked to gain access."]}`, NamespaceLocked},
		"no such namespace":          {404, `{"errors":["namespace not found"]}`, NamespaceNotFound},
		"batch token":                {400, `{"errors":["batch tokens cannot be revoked"]}`, NotRevocable},
		"no active node":             {500, `{"errors":["local node not active but active cluster node not found"]}`, Standby},
		"not initialized":            {400, `{"errors":["server is not yet initialized"]}`, NotInitialized},
		"too many":                   {429, `{"errors":["request path \"x\": rate limit quota exceeded"]}`, Throttled},
		"gateway":                    {502, `<html>Bad Gateway</html>`, Unavailable},
		"nobody behind the balancer": {503, `no endpoints`, Unavailable},
		"internal":                   {500, `{"errors":["1 error occurred:\n\t* internal error\n\n"]}`, Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			client := start(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				answer(tc.status, tc.body)(w, r)
			})
			_, err := client.ReadRole(t.Context(), "jwt-operator", "backup")
			if got := ClassOf(err); got != tc.want {
				t.Errorf("got class %q of %v, want %q", got, err, tc.want)
			}
			want := int32(1)
			if tc.want == Standby {
				// Another may be the active one by now.
				want = 2
			}
			if calls.Load() != want {
				t.Errorf("asked %d times, want %d", calls.Load(), want)
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is not fit for a condition: %q", err)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	server := httptest.NewTLSServer(answer(200, "{}"))
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	server.Close()
	client, err := New(Options{Address: server.URL, CABundle: bundle, AllowLocal: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Health(t.Context())
	if got := ClassOf(err); got != Unavailable {
		t.Errorf("got class %q of %v", got, err)
	}
}

func TestTimeout(t *testing.T) {
	release := make(chan struct{})
	client := start(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}, func(o *Options) { o.Timeout = 50 * time.Millisecond })
	defer close(release)
	_, err := client.ReadPolicy(t.Context(), "x")
	if got := ClassOf(err); got != Unavailable {
		t.Errorf("got class %q of %v", got, err)
	}
}

func TestUntrustedCertificate(t *testing.T) {
	for name, mutate := range map[string]func(*Options){
		"other CA":   func(o *Options) { o.CABundle = otherCA(t) },
		"other name": func(o *Options) { o.ServerName = "bao.elsewhere" },
	} {
		t.Run(name, func(t *testing.T) {
			client := start(t, answer(200, "{}"), mutate)
			_, err := client.Health(t.Context())
			if got := ClassOf(err); got != Untrusted {
				t.Errorf("got class %q of %v", got, err)
			}
		})
	}
}

// TestRedirectKeepsTheToken checks that the token is not sent where an answer points.
func TestRedirectKeepsTheToken(t *testing.T) {
	var reached atomic.Bool
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		client := start(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, status)
		})
		err := client.WriteRole(t.Context(), "jwt-operator", "backup", map[string]any{"a": "b"})
		if got := ClassOf(err); got != Standby {
			t.Errorf("%d: got class %q of %v", status, got, err)
		}
		if strings.Contains(err.Error(), strings.TrimPrefix(elsewhere.URL, "https://")) {
			t.Errorf("%d: the error repeats where the server points: %v", status, err)
		}
	}
	if reached.Load() {
		t.Error("the redirect was followed")
	}
}

// TestIgnoresTheEnvironment checks that no variable changes whom the client
// talks to or as whom.
func TestIgnoresTheEnvironment(t *testing.T) {
	for _, prefix := range []string{"BAO_", "VAULT_"} {
		t.Setenv(prefix+"ADDR", "https://127.0.0.1:1")
		t.Setenv(prefix+"TOKEN", "from-the-environment")
		t.Setenv(prefix+"NAMESPACE", "from-the-environment")
		t.Setenv(prefix+"CACERT", "/does/not/exist")
		t.Setenv(prefix+"WRAP_TTL", "5m")
		t.Setenv(prefix+"MAX_RETRIES", "9")
	}
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	var got http.Header
	client := start(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		answer(503, "{}")(w, r)
	}, func(o *Options) { o.Token = Token{} })
	_, err := client.ReadPolicy(t.Context(), "x")
	if ClassOf(err) != Unavailable || got == nil {
		t.Fatalf("the server was not asked: %v", err)
	}
	for _, name := range []string{"X-Vault-Token", "X-Vault-Namespace", "X-Vault-Wrap-Ttl"} {
		if v := got.Get(name); v != "" {
			t.Errorf("header %s is %q", name, v)
		}
	}
}

func TestNamespaceAndToken(t *testing.T) {
	var got http.Header
	client := start(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		answer(200, `{"data":{"policy":"p","version":7,"expiration":"2031-01-01T00:00:00Z"}}`)(w, r)
	}, func(o *Options) { o.Namespace, o.Version = "team", "v1.2.3" })
	policy, err := client.ReadPolicy(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if policy.Text != "p" || policy.Version == nil || *policy.Version != 7 || !policy.Expires {
		t.Errorf("got policy %+v", policy)
	}
	if got.Get("X-Vault-Token") != secret || strings.Trim(got.Get("X-Vault-Namespace"), "/") != "team" {
		t.Errorf("got headers %v", got)
	}
	if agent := got.Get("User-Agent"); agent != "bailiwick/v1.2.3" {
		t.Errorf("got user agent %q", agent)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	client := start(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":{"policy":"`)
		chunk := strings.Repeat("x", 1<<20)
		for range 8 {
			_, _ = io.WriteString(w, chunk)
		}
		_, _ = io.WriteString(w, `"}}`)
	})
	if _, err := client.ReadPolicy(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "larger than any") {
		t.Errorf("got error %v", err)
	}
}

func TestNamesStayInTheirPath(t *testing.T) {
	client := start(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked for %s", r.URL.Path) })
	for _, name := range []string{"", "..", "../../sys/seal", "a/b", "a?b", "a b", "%2e%2e"} {
		if err := client.WritePolicy(t.Context(), name, "x", nil); ClassOf(err) != Invalid {
			t.Errorf("%q: got error %v", name, err)
		}
		if err := client.DeleteRole(t.Context(), "jwt-operator", name); ClassOf(err) != Invalid {
			t.Errorf("%q: got error %v", name, err)
		}
	}
}

// policyServer keeps one policy and compares versions if it counts them.
type policyServer struct {
	counts  bool
	text    string
	version int
	exists  bool
}

func (s *policyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		if !s.exists {
			answer(404, `{"errors":[]}`)(w, r)
			return
		}
		data := map[string]any{"policy": s.text}
		if s.counts {
			data["version"] = s.version
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
		return
	}
	var body struct {
		Policy string
		CAS    *int
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		answer(400, `{"errors":["no JSON"]}`)(w, r)
		return
	}
	if s.counts && body.CAS != nil && ((*body.CAS == -1 && s.exists) || (*body.CAS >= 0 && *body.CAS != s.version)) {
		answer(400, `{"errors":["check-and-set parameter did not match the current version"]}`)(w, r)
		return
	}
	s.text, s.exists = body.Policy, true
	s.version++
	w.WriteHeader(http.StatusNoContent)
}

func TestWritePolicyNeverOverwritesAnotherWrite(t *testing.T) {
	for _, counts := range []bool{true, false} {
		t.Run(fmt.Sprintf("counts=%t", counts), func(t *testing.T) {
			server := &policyServer{counts: counts}
			client := start(t, server.ServeHTTP)
			ctx := context.Background()
			if err := client.WritePolicy(ctx, "p", "one", nil); err != nil {
				t.Fatal(err)
			}
			if err := client.WritePolicy(ctx, "p", "two", nil); ClassOf(err) != Conflict {
				t.Errorf("create over an existing policy: %v", err)
			}
			read, err := client.ReadPolicy(ctx, "p")
			if err != nil {
				t.Fatal(err)
			}
			if (read.Version != nil) != counts {
				t.Errorf("read version %v", read.Version)
			}
			if err := client.WritePolicy(ctx, "p", "three", &read); err != nil {
				t.Fatal(err)
			}
			if err := client.WritePolicy(ctx, "p", "four", &read); ClassOf(err) != Conflict {
				t.Errorf("replace with an old read: %v", err)
			}
			if server.text != "three" {
				t.Errorf("the server has %q", server.text)
			}
		})
	}
}

func TestLogin(t *testing.T) {
	client := start(t, func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		if r.URL.Path != "/v1/auth/jwt-operator/login" || body["role"] != "backup" || body["jwt"] != "eyJ" {
			t.Errorf("got %s %v", r.URL.Path, body)
		}
		if r.Header.Get("X-Vault-Token") != "" {
			t.Error("the login carries a token")
		}
		answer(200, `{"auth":{"client_token":"`+secret+`","lease_duration":3600,
			"policies":["default","p","x"],"token_policies":["default","p"],"identity_policies":["x"],"renewable":true,
			"token_type":"service","orphan":true,"num_uses":3}}`)(w, r)
	})
	login, err := client.LoginJWT(t.Context(), "jwt-operator", "backup", NewToken("eyJ"))
	if err != nil {
		t.Fatal(err)
	}
	if login.TTL != time.Hour || !login.Renewable || !slices.Equal(login.Policies, []string{"default", "p", "x"}) || login.Token.IsZero() ||
		!slices.Equal(login.TokenPolicies, []string{"default", "p"}) || !slices.Equal(login.IdentityPolicies, []string{"x"}) ||
		login.Type != "service" || !login.Orphan || login.NumUses != 3 {
		t.Errorf("got %+v", login)
	}
	if printed := fmt.Sprintf("%v %+v %#v %s %d", login, login, login, login.Token, login.Token); strings.Contains(printed, secret) {
		t.Errorf("the token is printed: %s", printed)
	}
}

func TestCapabilitiesSelf(t *testing.T) {
	client := start(t, answer(200, `{"data":{"a":["read"],"b":["deny"],"capabilities":["read"]}}`))
	got, err := client.CapabilitiesSelf(t.Context(), "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !slices.Equal(got["a"], []string{"read"}) || !slices.Equal(got["b"], []string{"deny"}) {
		t.Errorf("got %v", got)
	}
	// An answer that leaves a path out says nothing about it.
	for _, body := range []string{
		`{"data":{"a":["read"]}}`, `{"data":{"a":["read"],"b":[]}}`, `{"data":{"a":["read"],"b":"deny"}}`, `{"data":{"a":["read"],"b":null}}`, `{}`,
	} {
		client := start(t, answer(200, body))
		if got, err := client.CapabilitiesSelf(t.Context(), "a", "b"); ClassOf(err) != Unknown || got != nil {
			t.Errorf("%s: got %v, %v", body, got, err)
		}
	}
	if got, err := start(t, answer(204, "")).CapabilitiesSelf(t.Context(), "a"); ClassOf(err) != Unknown {
		t.Errorf("an empty answer: got %v, %v", got, err)
	}
}

func TestAuthMounts(t *testing.T) {
	client := start(t, answer(200, `{"data":{"token/":{"type":"token"},"jwt-operator/":{"type":"jwt","description":"d"}}}`))
	got, err := client.AuthMounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got["jwt-operator"] != (Mount{Type: "jwt", Description: "d"}) || len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

func TestHealthOfSealedServer(t *testing.T) {
	client := startRaw(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("sealedcode") == "" {
			t.Errorf("got %s", r.URL)
		}
		answer(299, `{"initialized":true,"sealed":true,"standby":true,"version":"2.6.2"}`)(w, r)
	})
	got, err := client.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (Health{Initialized: true, Sealed: true, Standby: true, Version: "2.6.2"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := Options{Address: "https://bao.example:8200", CABundle: otherCA(t)}
	for name, mutate := range map[string]func(*Options){
		"http":      func(o *Options) { o.Address = "http://bao.example:8200" },
		"no host":   func(o *Options) { o.Address = "https://" },
		"user":      func(o *Options) { o.Address = "https://u:p@bao.example" },
		"path":      func(o *Options) { o.Address = "https://bao.example/v1" },
		"query":     func(o *Options) { o.Address = "https://bao.example?x=y" },
		"no CA":     func(o *Options) { o.CABundle = nil },
		"broken CA": func(o *Options) { o.CABundle = []byte("x") },
	} {
		t.Run(name, func(t *testing.T) {
			opts := good
			mutate(&opts)
			if _, err := New(opts); err == nil {
				t.Error("accepted")
			}
		})
	}
	if _, err := New(good); err != nil {
		t.Errorf("refused: %v", err)
	}
}
