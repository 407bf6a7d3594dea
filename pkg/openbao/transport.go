// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/bailiwick-operator/bailiwick/pkg/redact"
)

// maxBody bounds an answer; what is read here is far smaller.
const maxBody = 4 << 20

// guard turns redirects into errors, bounds the size of answers, and takes out of
// refusals what they repeat of the token or JWT that was sent.
type guard struct {
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		// Nothing of the body is wanted.
		_ = resp.Body.Close()
		host := "no other"
		if location, err := resp.Location(); err == nil {
			host = location.Host
		}
		return nil, &redirectError{host: host}
	}
	resp.Body = &boundedBody{body: resp.Body, left: maxBody}
	if resp.StatusCode >= http.StatusBadRequest {
		if err := hide(req, resp); err != nil {
			return nil, err
		}
	}
	return resp, nil
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

// hide takes the secrets of a request out of the answer to it.
func hide(req *http.Request, resp *http.Response) error {
	defer func() { _ = resp.Body.Close() }() // it was read or lost by now
	secrets, err := secretsOf(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	text = []byte(secrets.Hide(string(text)))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return nil
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
