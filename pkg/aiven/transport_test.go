// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aiven/go-client-codegen/handler/service"
)

func newTestTransport(t *testing.T, options TransportOptions) *Transport {
	t.Helper()
	tr, err := NewTransport(options)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// heard is a Source that keeps what it is told.
type heard struct {
	refused, accepted []uint64
}

func (*heard) Name() string                 { return "ns/secret/key" }
func (*heard) Current() (Credential, error) { return Credential{}, nil }
func (h *heard) Refused(generation uint64)  { h.refused = append(h.refused, generation) }
func (h *heard) Accepted(generation uint64) { h.accepted = append(h.accepted, generation) }

// deaf is a Source that nobody asks.
type deaf struct{}

func (deaf) Name() string                 { return "ns/secret/key" }
func (deaf) Current() (Credential, error) { return Credential{}, nil }
func (deaf) Refused(uint64)               {}
func (deaf) Accepted(uint64)              {}

func call(ctx context.Context, tr *Transport, operation, method string, in any) ([]byte, error) {
	return callFor(ctx, tr, deaf{}, operation, method, in)
}

func callFor(ctx context.Context, tr *Transport, source Source, operation, method string, in any) ([]byte, error) {
	return tr.send(ctx, request{
		operation: operation, method: method, path: "/v1/project/p/service/s", in: in,
		source: source, credential: Credential{Token: "the-api-token", Generation: 7}, maxWait: time.Second,
	})
}

// Of a failure whose text has no end only the beginning is looked at.
func TestFailureTextIsBounded(t *testing.T) {
	var many []string
	for i := range 2 * maxErrors {
		many = append(many, fmt.Sprintf(`{"message":"error <%d>"}`, i))
	}
	text := failureMessage([]byte(`{"errors":[` + strings.Join(many, ",") + `]}`))
	if last := fmt.Sprintf("error <%d>", maxErrors-1); !strings.HasSuffix(text, last) {
		t.Errorf("want %q to be the last of %q", last, text)
	}
	long := strings.Repeat("the-api-token", maxHidden/10)
	e := classify("Operation", "POST", rawAnswer(400, ""), []byte(`{"message":"`+long+` and more"}`), secretsOf("the-api-token", nil))
	// What is left of the last one is too short to be taken for it anywhere.
	if rest, ok := strings.CutPrefix(e.Message, "[redacted]"); !ok || len(rest) >= 8 {
		t.Errorf("got %q", e.Message)
	}
}

func TestClasses(t *testing.T) {
	message := func(text string) string {
		return fmt.Sprintf(`{"message":%q,"errors":[{"message":%q,"status":1}]}`, text, text)
	}
	tests := map[string]struct {
		method   string
		status   int
		body     string
		want     Class
		text     string
		unauth   bool
		accepted bool
	}{
		"ok":                   {status: 200, body: `{"message":"","service":{}}`, accepted: true},
		"list":                 {status: 200, body: `[]`, accepted: true},
		"deleted":              {method: "DELETE", status: 200, body: `{"message":"deleted"}`, accepted: true},
		"read without content": {status: 200, body: `{"errors":[],"message":"ok"}`, want: Unknown, accepted: true},
		"read of nothing":      {status: 200, body: `{}`, want: Unknown, accepted: true},
		"created, no body":     {method: "POST", status: 201, body: ``, accepted: true},
		"empty read":           {status: 200, body: ``, want: Unknown, accepted: true},
		"truncated":            {status: 200, body: `{"service":`, want: Unknown, accepted: true},
		"html":                 {status: 200, body: `<html>login</html>`, want: Unknown, accepted: true},
		"not found":            {status: 404, body: message("Service does not exist"), want: NotFound, text: "Service does not exist", accepted: true},
		"unauthorized":         {status: 401, body: message("Authentication failed"), want: Unauthorized, unauth: true},
		"403 bad token":        {status: 403, body: message("Invalid token"), want: Unauthorized, unauth: true},
		"403 expired":          {status: 403, body: message("Missing (expired) db token"), want: Unauthorized, unauth: true},
		"403 no right":         {status: 403, body: message("Not a project member"), want: Forbidden, accepted: true},
		"conflict":             {method: "POST", status: 409, body: message("Service is being rebuilt"), want: Conflict, accepted: true},
		"already exists":       {method: "POST", status: 409, body: message("User already exists"), want: AlreadyExists, accepted: true},
		"throttled":            {status: 429, body: message("Slow down"), want: Throttled},
		"bad plan":             {method: "POST", status: 400, body: message("Invalid plan 'startup-99'"), want: Invalid, text: "startup-99"},
		"server error":         {method: "POST", status: 503, body: message("Try later"), want: Unavailable},
		"gateway page":         {status: 502, body: `<html>the-api-token</html>`, want: Unavailable},
		"timeout of a read":    {status: 408, body: ``, want: Unavailable},
		"timeout of a write":   {method: "PUT", status: 408, body: ``, want: Unknown},
		"redirect":             {status: 302, body: ``, want: Unavailable, text: "redirect"},
		"delete, 417":          {method: "DELETE", status: 417, body: message("x"), want: Unavailable},
		"message and details":  {status: 400, body: `{"message":"Invalid input","errors":[{"message":"plan is wrong"}]}`, want: Invalid, text: "Invalid input; plan is wrong"},
		"errors of other form": {status: 400, body: `{"message":"Invalid input","errors":["x",{"message":1}]}`, want: Invalid, text: "Invalid input"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tr := newTestTransport(t, TransportOptions{
				RoundTripper: roundTripper(func(*http.Request) (*http.Response, error) { return rawAnswer(tc.status, tc.body), nil }),
			})
			source := &heard{}
			method := tc.method
			if method == "" {
				method = "GET"
			}
			_, err := callFor(t.Context(), tr, source, "Operation", method, nil)
			if got := ClassOf(err); got != tc.want {
				t.Errorf("class %q, want %q (%v)", got, tc.want, err)
			}
			if tc.want != "" && !errors.Is(fmt.Errorf("create: %w", err), tc.want) {
				t.Errorf("errors.Is(%v, %s) is false", err, tc.want)
			}
			if tc.text != "" && !strings.Contains(err.Error(), tc.text) {
				t.Errorf("error %q lacks %q", err, tc.text)
			}
			if err != nil && (strings.Contains(err.Error(), "the-api-token") || len(err.Error()) > maxMessage+100) {
				t.Errorf("error %q", err)
			}
			if unauth, accepted := slices.Equal(source.refused, []uint64{7}), slices.Equal(source.accepted, []uint64{7}); unauth != tc.unauth || accepted != tc.accepted {
				t.Errorf("unauthorized %v, accepted %v", unauth, accepted)
			}
		})
	}
}

func TestClassOfForeignErrors(t *testing.T) {
	var out struct{ A int }
	for name, tc := range map[string]struct {
		err  error
		want Class
	}{
		"nil":            {nil, ""},
		"pending":        {ErrPending, ""},
		"foreign":        {io.EOF, ""},
		"wrong type":     {json.Unmarshal([]byte(`{"A":"x"}`), &out), Unknown},
		"syntax":         {json.Unmarshal([]byte(`{`), &out), Unknown},
		"wrapped":        {fmt.Errorf("x: %w", &Error{Class: NotFound}), NotFound},
		"joined Invalid": {errors.Join(io.EOF, &Error{Class: Invalid}), Invalid},
	} {
		if got := ClassOf(tc.err); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestLostAnswers(t *testing.T) {
	reset := errors.New("connection reset by peer")
	for name, tc := range map[string]struct {
		method, operation string
		connected         bool
		want              Class
	}{
		"read":                    {"GET", "ServiceGet", true, Unavailable},
		"reading post":            {"POST", "ServiceKafkaTopicListV2", true, Unavailable},
		"write, no connection":    {"POST", "ServiceCreate", false, Unavailable},
		"write on a connection":   {"POST", "ServiceCreate", true, Unknown},
		"delete on a connection":  {"DELETE", "ServiceDelete", true, Unknown},
		"unheard-of POST is sent": {"POST", "SomethingNew", true, Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTestTransport(t, TransportOptions{RoundTripper: roundTripper(func(req *http.Request) (*http.Response, error) {
				if tc.connected {
					httptrace.ContextClientTrace(req.Context()).GotConn(httptrace.GotConnInfo{})
				}
				return nil, reset
			})})
			_, err := call(t.Context(), tr, tc.operation, tc.method, nil)
			if ClassOf(err) != tc.want || !errors.Is(err, reset) {
				t.Errorf("%v: class %q, want %q", err, ClassOf(err), tc.want)
			}
		})
	}
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
func (brokenBody) Close() error             { return nil }

func TestCutOffAnswer(t *testing.T) {
	res := func() *http.Response {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: brokenBody{}}
	}
	tr := newTestTransport(t, TransportOptions{RoundTripper: roundTripper(func(*http.Request) (*http.Response, error) { return res(), nil })})
	if _, err := call(t.Context(), tr, "ServiceCreate", "POST", nil); ClassOf(err) != Unknown {
		t.Errorf("write: %v", err)
	}
	if _, err := call(t.Context(), tr, "ServiceGet", "GET", nil); ClassOf(err) != Unavailable {
		t.Errorf("read: %v", err)
	}
}

func TestRequestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		api.latency = time.Hour
		tr := newTestTransport(t, TransportOptions{RoundTripper: api})
		start := time.Now()
		_, err := call(t.Context(), tr, "ServiceUpdate", "PUT", nil)
		if ClassOf(err) != Unknown || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestAnswerSizeIsBounded(t *testing.T) {
	tr := newTestTransport(t, TransportOptions{MaxResponseBytes: 10, RoundTripper: roundTripper(func(*http.Request) (*http.Response, error) {
		return rawAnswer(200, `{"a":"0123456789"}`), nil
	})})
	if _, err := call(t.Context(), tr, "ServiceGet", "GET", nil); ClassOf(err) != Unknown || !strings.Contains(err.Error(), "10 bytes") {
		t.Errorf("got %v", err)
	}
}

func TestRequestForm(t *testing.T) {
	for name, tc := range map[string]struct {
		operation string
		in        any
		query     [][2]string
		wantQuery string
		wantBody  string
	}{
		"plain":         {operation: "ServiceGet", query: [][2]string{{"include_secrets", "true"}}, wantQuery: "include_secrets=true&limit=999"},
		"own limit":     {operation: "X", query: [][2]string{{"limit", "30"}}, wantQuery: "limit=30"},
		"quota":         {operation: "ServiceKafkaQuotaDescribe", query: [][2]string{{"user", "u"}}, wantQuery: "user=u"},
		"quota delete":  {operation: "ServiceKafkaQuotaDelete", wantQuery: ""},
		"nil pointer":   {operation: "X", in: (*service.ServiceUserCreateIn)(nil), wantQuery: "limit=999"},
		"with a body":   {operation: "X", in: &service.ServiceUserCreateIn{Username: "u"}, wantQuery: "limit=999", wantBody: `{"username":"u"}`},
		"pointer empty": {operation: "X", in: &service.ServiceUserCreateIn{}, wantQuery: "limit=999", wantBody: `{"username":""}`},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTestTransport(t, TransportOptions{BaseURL: "https://example.test/base/", Version: "1.2", RoundTripper: roundTripper(func(req *http.Request) (*http.Response, error) {
				if got := req.URL.RawQuery; got != tc.wantQuery {
					t.Errorf("query %q, want %q", got, tc.wantQuery)
				}
				if got := body(req); got != tc.wantBody {
					t.Errorf("body %q, want %q", got, tc.wantBody)
				}
				if got := req.URL.Path; got != "/base/v1/project/p" {
					t.Errorf("path %q", got)
				}
				if got := req.Header.Get("Authorization"); got != "aivenv1 tok" {
					t.Errorf("authorization %q", got)
				}
				if got := req.Header.Get("User-Agent"); got != "bailiwick/1.2" {
					t.Errorf("user agent %q", got)
				}
				return rawAnswer(200, "{}"), nil
			})})
			_, err := tr.send(t.Context(), request{operation: tc.operation, method: "PUT", path: "/v1/project/p", query: tc.query, in: tc.in, source: deaf{}, credential: Credential{Token: "tok"}})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBaseURLIsChecked(t *testing.T) {
	for _, bad := range []string{"ftp://x", "api.aiven.io", "https://", "https://u:p@x", "https://x?a=b", "https://x#f", "http://%zz"} {
		if _, err := NewTransport(TransportOptions{BaseURL: bad}); err == nil || strings.Contains(err.Error(), ":p@") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	tr := newTestTransport(t, TransportOptions{})
	if tr.options.BaseURL != "https://api.aiven.io" {
		t.Errorf("default is %q", tr.options.BaseURL)
	}
	tr.Close()
}

// A process that stands still between the check and the first byte must not send the
// request once it goes on.
func TestGateThatClosesAfterTheCheck(t *testing.T) {
	for _, keptAlive := range []bool{false, true} {
		t.Run(fmt.Sprintf("connection kept alive %t", keptAlive), func(t *testing.T) {
			var received atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				received.Add(1)
				_, _ = w.Write([]byte(`{"a":1}`))
			}))
			defer server.Close()
			var open atomic.Int32
			open.Store(1 << 30)
			closed := errors.New("closed")
			tr := newTestTransport(t, TransportOptions{BaseURL: server.URL, Gate: func() error {
				if open.Add(-1) < 0 {
					return closed
				}
				return nil
			}})
			defer tr.Close()
			if keptAlive {
				if _, err := call(t.Context(), tr, "Anything", "POST", nil); err != nil {
					t.Fatal(err)
				}
			}
			open.Store(1)
			before := received.Load()
			if _, err := call(t.Context(), tr, "Anything", "POST", nil); !errors.Is(err, closed) {
				t.Errorf("error = %v", err)
			}
			if n := received.Load() - before; n != 0 {
				t.Errorf("%d requests were sent", n)
			}
		})
	}
}

func TestGate(t *testing.T) {
	closed := errors.New("not the leader")
	api := newFakeAPI()
	tr := newTestTransport(t, TransportOptions{RoundTripper: api, Gate: func() error { return closed }})
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		if _, err := call(t.Context(), tr, "Anything", method, nil); !errors.Is(err, GateClosed) || !errors.Is(err, closed) {
			t.Errorf("%s: %v", method, err)
		}
	}
	if n := api.count(""); n != 0 {
		t.Errorf("%d requests went through a closed gate", n)
	}
	_, _ = call(t.Context(), tr, "ServiceGet", "GET", nil)
	_, _ = call(t.Context(), tr, "ServiceKafkaTopicListV2", "POST", nil)
	if n := api.count(""); n != 2 {
		t.Errorf("%d reads were sent, want 2", n)
	}
}

func TestSecretsAreNotRepeated(t *testing.T) {
	password := `pa"ss\word-äö-0123456789`
	escaped, _ := json.Marshal(password)
	connector := map[string]string{"name": "sink-one", "connection.url": "jdbc:pg://u:s3cr3t-in-url@host/db", "aws.secret.access.key": "AKIA0123456789"}
	for name, tc := range map[string]struct {
		in    any
		echo  string
		hides []string
		keeps string
	}{
		"the password itself": {&service.ServiceUserCredentialsModifyIn{NewPassword: &password}, "bad: " + password + " is short", []string{"0123456789", "word"}, "is short"},
		"escaped":             {&service.ServiceUserCredentialsModifyIn{NewPassword: &password}, "bad: " + string(escaped), []string{"0123456789"}, "bad"},
		"cut off":             {&service.ServiceUserCredentialsModifyIn{NewPassword: &password}, "bad: 0123456...456789012 " + password[:14] + "...", []string{password[:14]}, "bad"},
		"the token":           {nil, "token the-api-token is not valid here", []string{"the-api-token"}, "is not valid here"},
		"connector":           {connector, `config {"aws.secret.access.key":"AKIA0123456789"} jdbc:pg://u:s3cr3t-in-url@host/db of sink-one`, []string{"AKIA0123", "s3cr3t"}, "sink-one"},
		"plan names stay":     {&service.ServiceCreateIn{Plan: "startup-99"}, "plan startup-99 unknown", nil, "startup-99"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTestTransport(t, TransportOptions{RoundTripper: roundTripper(func(*http.Request) (*http.Response, error) {
				return answer(400, map[string]any{"message": tc.echo, "errors": []any{map[string]any{"message": "also " + tc.echo}}}), nil
			})})
			_, err := call(t.Context(), tr, "Operation", "POST", tc.in)
			for _, secret := range tc.hides {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q repeats %q", err, secret)
				}
			}
			if !strings.Contains(err.Error(), tc.keeps) {
				t.Errorf("%q lacks %q", err, tc.keeps)
			}
		})
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if s := fmt.Sprintf(verb, Credential{Token: "the-api-token"}); strings.Contains(s, "the-api-token") || strings.Contains(s, "7468652d") {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "x": 0, "-3": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second,
		"99999999999": maxRetryAfter, "100000": maxRetryAfter,
		now.Add(time.Minute).Format(http.TimeFormat):  time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
		now.Add(time.Hour).Format(http.TimeFormat):    maxRetryAfter,
	} {
		if got := parseRetryAfter(value, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}
