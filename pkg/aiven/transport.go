// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"
)

// maxAnnounced bounds what is set aside for an answer before it has come, in
// bytes.
const maxAnnounced = 8 << 20

// TransportOptions configure a Transport. The zero value of a field stands for
// the default in its comment.
type TransportOptions struct {
	// BaseURL is where the API is; https://api.aiven.io.
	BaseURL string
	// Version is sent as User-Agent bailiwick/Version; "devel".
	Version string
	// RequestTimeout bounds one request from sending it to the end of its
	// answer; 10 s. Keep it well inside the leader election lease: a request
	// that was sent as the leader must not be on its way after the lease.
	RequestTimeout time.Duration
	// MaxWait is how long a request of a Client may wait for its token's limits
	// before it fails as Throttled; 1 s. Background fetches wait longer, but for
	// what Aiven itself asks to wait.
	MaxWait time.Duration
	// QPS, Burst and Concurrency limit the requests of each token, whatever names
	// it; 200 per second, 200 and 16. Where Aiven accepts less, less is sent.
	QPS         float64
	Burst       int
	Concurrency int
	// MaxResponseBytes bounds an answer; 64 MiB.
	MaxResponseBytes int64
	// Gate is asked immediately before each request that changes something, and again
	// before anything is written to a connection; an error keeps it from being sent.
	// Nil is always open.
	Gate func() error
	// OnRequest is told of each request that was sent, for metrics.
	OnRequest func(RequestInfo)
	// RoundTripper replaces the connection pool, in tests.
	RoundTripper http.RoundTripper
}

// RequestInfo describes one request that was sent.
type RequestInfo struct {
	Operation string
	Method    string
	Status    int   // 0: no answer
	Class     Class // "" for success
	Duration  time.Duration
}

// Transport sends requests to the Aiven API. One per process. It is safe for
// concurrent use.
type Transport struct {
	options TransportOptions
	client  *http.Client
	limits  *limits
}

// NewTransport returns a Transport, or why the options can't be used.
func NewTransport(options TransportOptions) (*Transport, error) {
	setDefault(&options.BaseURL, "https://api.aiven.io")
	setDefault(&options.Version, "devel")
	setDefault(&options.RequestTimeout, 10*time.Second)
	setDefault(&options.MaxWait, time.Second)
	setDefault(&options.QPS, 200)
	setDefault(&options.Burst, 200)
	setDefault(&options.Concurrency, 16)
	setDefault(&options.MaxResponseBytes, 64<<20)
	if options.RequestTimeout < 0 || options.MaxWait < 0 || options.QPS < 0 || options.Burst < 0 || options.Concurrency < 0 || options.MaxResponseBytes < 0 {
		return nil, errors.New("limits and timeouts of the Aiven transport must not be negative")
	}
	base, err := parseBaseURL(options.BaseURL)
	if err != nil {
		return nil, err
	}
	options.BaseURL = base
	if options.RoundTripper == nil {
		options.RoundTripper = newPool(options.Concurrency, options.Gate)
	}
	return &Transport{
		options: options,
		client: &http.Client{
			Transport: options.RoundTripper,
			// A redirect would carry the token to wherever it points.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		limits: newLimits(options),
	}, nil
}

// Forget ends the limits of a token that nothing holds any more.
func (t *Transport) Forget(token string) {
	t.limits.forget(t.limits.digest(token))
}

// Close closes the idle connections.
func (t *Transport) Close() {
	t.client.CloseIdleConnections()
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func parseBaseURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil {
		return "", fmt.Errorf("parse the Aiven API's URL: %w", err)
	}
	if (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("the Aiven API's URL %q must be http(s)://host[:port][/path] and nothing else", u.Redacted())
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// newPool returns a connection pool that gives up early on each step, so that
// a dead peer is noticed within the request's timeout. gate may be nil.
func newPool(perHost int, gate func() error) *http.Transport {
	dialer := &gatedDialer{net: net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}, gate: gate}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   5 * time.Second,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConns:          4 * perHost,
		MaxIdleConnsPerHost:   4 * perHost, // more tokens than one are busy at a time
		HTTP2:                 pings(),
	}
}

// gatedDialer makes connections to which nothing is written while the gate is closed.
// A process may be stopped for longer than its lease lasts, between the check before
// a request and the first byte of it: the connection may have to be made yet, and
// other goroutines run first.
type gatedDialer struct {
	net  net.Dialer
	gate func() error
}

// DialContext is that of http.Transport.
func (d *gatedDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.net.DialContext(ctx, network, address)
	if err != nil || d.gate == nil {
		return conn, err
	}
	return &gatedConn{Conn: conn, gate: d.gate}, nil
}

type gatedConn struct {
	net.Conn
	gate func() error
}

// Write implements net.Conn.
func (c *gatedConn) Write(b []byte) (int, error) {
	if err := c.gate(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// pings says when a connection that has gone silent is given up. With HTTP/2 all
// tokens share one, and a request that times out on it leaves it in use for those
// that follow.
func pings() *http.HTTP2Config {
	return &http.HTTP2Config{
		SendPingTimeout:  3 * time.Second,
		PingTimeout:      3 * time.Second,
		WriteByteTimeout: 5 * time.Second,
	}
}

// request is one call of an operation.
type request struct {
	operation, method, path string
	query                   [][2]string
	in                      any

	source     Source
	credential Credential
	// maxWait bounds the wait for the token's limits; negative: none but ctx.
	maxWait time.Duration
	// beforeSend is called once nothing but the network is left to fail.
	beforeSend func()
}

func (r *request) mutates() bool {
	return mutates(r.operation, r.method)
}

// send carries out one request and returns the body of a 2xx answer. Any
// error is an *Error or that of ctx before the request was sent.
func (t *Transport) send(ctx context.Context, r request) ([]byte, error) {
	var body []byte
	if !empty(r.in) {
		var err error
		if body, err = json.Marshal(r.in); err != nil {
			return nil, &Error{Class: Invalid, Operation: r.operation, Err: fmt.Errorf("encode the request: %w", err)}
		}
	}
	permit, err := t.limits.acquire(ctx, t.limits.digest(r.credential.Token), scopeOf(r.path), r.operation, r.maxWait)
	if err != nil {
		return nil, err
	}
	answered := false
	defer func() { permit.release(answered) }()

	ctx, cancel := context.WithTimeout(ctx, t.options.RequestTimeout)
	defer cancel()
	var connected atomic.Bool
	req, err := t.newRequest(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}), r, body)
	if err != nil {
		return nil, &Error{Class: Invalid, Operation: r.operation, Err: err}
	}
	if r.mutates() && t.options.Gate != nil {
		if err := t.options.Gate(); err != nil {
			return nil, &Error{Class: GateClosed, Operation: r.operation, Err: err}
		}
	}
	if r.beforeSend != nil {
		r.beforeSend()
	}
	start := time.Now()
	status, answer, err := t.exchange(req, r, body, &connected)
	switch {
	case status == http.StatusTooManyRequests:
		permit.refuse(RetryAfter(err))
	case status == http.StatusServiceUnavailable && RetryAfter(err) > 0:
		permit.rest(RetryAfter(err))
	default:
		answered = status > 0
	}
	t.report(ctx, r, status, err, time.Since(start))
	return answer, err
}

func (t *Transport) newRequest(ctx context.Context, r request, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, t.options.BaseURL+r.path, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the request's path is malformed")
	}
	req.URL.RawQuery = encodeQuery(r.operation, r.query)
	req.Header.Set("Authorization", "aivenv1 "+r.credential.Token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "bailiwick/"+t.options.Version)
	return req, nil
}

// exchange sends req and reads its answer.
func (t *Transport) exchange(req *http.Request, r request, body []byte, connected *atomic.Bool) (int, []byte, error) {
	res, err := t.client.Do(req)
	if err != nil {
		return 0, nil, lost(r, err, connected.Load())
	}
	defer func() { _ = res.Body.Close() }() // the answer is read or lost by now
	answer, err := readAnswer(res, t.options.MaxResponseBytes+1)
	success := res.StatusCode >= 200 && res.StatusCode < 300
	switch {
	case !success:
		// A failure whose text was cut off is a failure all the same.
		return res.StatusCode, nil, classify(r.operation, r.method, res, answer, secretsOf(r.credential.Token, body))
	case err != nil:
		return res.StatusCode, nil, lost(r, err, true)
	case int64(len(answer)) > t.options.MaxResponseBytes:
		return res.StatusCode, nil, &Error{Class: Unknown, Operation: r.operation, Err: fmt.Errorf("the answer is larger than %d bytes", t.options.MaxResponseBytes)}
	case !json.Valid(answer) && (len(answer) > 0 || !r.mutates()):
		return res.StatusCode, nil, &Error{Class: Unknown, Operation: r.operation, Err: errors.New("the answer is not JSON")}
	case !r.mutates() && !informative(answer):
		return res.StatusCode, nil, &Error{Class: Unknown, Operation: r.operation, Err: errors.New("the answer holds nothing of what was asked for")}
	}
	return res.StatusCode, answer, nil
}

// readAnswer reads at most limit bytes, into a buffer of the announced size.
func readAnswer(res *http.Response, limit int64) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(int(min(max(res.ContentLength, 0), maxAnnounced, limit)) + bytes.MinRead)
	_, err := buf.ReadFrom(io.LimitReader(res.Body, limit))
	return buf.Bytes(), err
}

// informative is false for an object without any member apart from those that every
// answer may have. Decoded, it would say that nothing exists.
func informative(answer []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(answer))
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		return true // a list or a plain value
	}
	for decoder.More() {
		member, err := decoder.Token()
		if err != nil || member != "message" && member != "errors" {
			return true
		}
		var skipped json.RawMessage
		if err := decoder.Decode(&skipped); err != nil {
			return true
		}
	}
	return false
}

// lost is the error of a request that got no whole answer. What was to change
// something and may have arrived is Unknown; everything else can be repeated.
func lost(r request, err error, maySent bool) *Error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the URL says no more than the operation
	}
	class := Unavailable
	if maySent && r.mutates() {
		class = Unknown
	}
	return &Error{Class: class, Operation: r.operation, Err: err}
}

// report tells the token's source, the hook and the log how the request went.
func (t *Transport) report(ctx context.Context, r request, status int, err error, took time.Duration) {
	class := ClassOf(err)
	switch {
	case class == Unauthorized:
		r.source.Refused(r.credential.Generation)
	case status >= 200 && status < 300, class == Forbidden, class == NotFound, class == Conflict, class == AlreadyExists:
		r.source.Accepted(r.credential.Generation)
	}
	if t.options.OnRequest != nil {
		t.options.OnRequest(RequestInfo{Operation: r.operation, Method: r.method, Status: status, Class: class, Duration: took})
	}
	verbosity := 5
	if r.mutates() {
		verbosity = 2
	}
	klog.FromContext(ctx).V(verbosity).Info("Aiven request", "operation", r.operation, "path", r.path,
		"token", r.source.Name(), "status", status, "class", class, "took", took)
}

// scopeOf returns the part of the API that a path is about: what is not available
// there may be elsewhere.
func scopeOf(path string) string {
	segments := splitPath(path)
	switch {
	case len(segments) > 3 && segments[0] == "project" && segments[2] == "service":
		segments = segments[:4]
	case len(segments) > 2:
		segments = segments[:2]
	}
	return strings.Join(segments, "/")
}

// encodeQuery adds the limit that Aiven's own client sends, without which
// lists are cut to a page. The two quota operations take no limit.
func encodeQuery(operation string, query [][2]string) string {
	values := make(url.Values, len(query)+1)
	for _, q := range query {
		values.Add(q[0], q[1])
	}
	withoutLimit := []string{"ServiceKafkaQuotaDescribe", "ServiceKafkaQuotaDelete"}
	if !values.Has("limit") && !slices.Contains(withoutLimit, operation) {
		values.Set("limit", "999")
	}
	return values.Encode()
}

// empty reports whether a typed handler has no body to send: nil, a nil
// pointer or a zero value.
func empty(in any) bool {
	return in == nil || reflect.ValueOf(in).IsZero()
}
