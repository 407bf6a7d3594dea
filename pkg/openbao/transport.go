// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"

	"github.com/bailiwick-operator/bailiwick/pkg/redact"
)

// maxBody bounds an answer; what is read here is far smaller.
const maxBody = 4 << 20

// guard turns redirects into errors, bounds the size of answers, and takes out of
// refusals what they repeat of the token or JWT that was sent.
type guard struct {
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper. A server that is no longer the active one,
// and so did nothing, is left: the request is sent once more, to the one that is.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	first := g.trip(req)
	if !first.inactive || first.conn == nil {
		return first.resp, first.err
	}
	again, ok := replay(req)
	if !ok {
		return first.resp, first.err
	}
	// A new connection asks for the active one.
	closeQuietly(first.conn)
	if first.resp != nil {
		closeQuietly(first.resp.Body)
	}
	second := g.trip(again)
	return second.resp, second.err
}

// outcome is what came of one request.
type outcome struct {
	resp *http.Response
	err  error
	conn net.Conn
	// inactive says that the server did nothing because it is not the active one.
	inactive bool
}

// trip sends a request once.
func (g *guard) trip(req *http.Request) outcome {
	var out outcome
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { out.conn = info.Conn }}
	resp, err := g.next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		out.err = err
		return out
	}
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		// Nothing of the body is wanted.
		_ = resp.Body.Close()
		out.err, out.inactive = errRedirect, true
		return out
	}
	if resp.StatusCode != http.StatusOK || !unbounded(req.Context()) {
		resp.Body = &boundedBody{body: resp.Body, left: maxBody}
	}
	if resp.StatusCode >= http.StatusBadRequest {
		text, err := hide(req, resp)
		if err != nil {
			out.err = err
			return out
		}
		says := strings.ToLower(string(text))
		out.inactive = isStandby(resp.StatusCode, says)
		if isNamespaceNotFound(resp.StatusCode, says) {
			// The API's client takes every 404 for an object that does not exist.
			out.err = errNamespaceNotFound
			return out
		}
	}
	out.resp = resp
	return out
}

// replay returns a copy of a request that was sent, if there can be one.
func replay(req *http.Request) (*http.Request, bool) {
	again := req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return again, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, false
	}
	again.Body = body
	return again, true
}

// tokenHeader is where the API's clients put their token.
const tokenHeader = "X-Vault-Token"

// secretsOf returns the token of a request and the JWT in its body.
func secretsOf(req *http.Request) (*redact.Secrets, error) {
	secrets := &redact.Secrets{}
	secrets.Add(req.Header.Get(tokenHeader))
	if req.GetBody == nil {
		return secrets, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	defer func() { _ = body.Close() }() // it is in memory
	var login struct {
		JWT string `json:"jwt"`
	}
	if json.NewDecoder(body).Decode(&login) == nil {
		secrets.Add(login.JWT)
	}
	return secrets, nil
}

// hide takes the secrets of a request out of the answer to it, and returns that.
func hide(req *http.Request, resp *http.Response) ([]byte, error) {
	defer func() { _ = resp.Body.Close() }() // it was read or lost by now
	secrets, err := secretsOf(req)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	text = []byte(secrets.Hide(string(text)))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return text, nil
}

// CloseIdleConnections lets http.Client close those of the transport.
func (g *guard) CloseIdleConnections() {
	if c, ok := g.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// boundedBody fails instead of ending early, so that a cut answer is never
// taken for a whole one.
type boundedBody struct {
	body io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// Close implements io.Closer.
func (b *boundedBody) Close() error { return b.body.Close() }
