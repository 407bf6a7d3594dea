// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"io"
	"net/http"
)

// maxBody bounds an answer; what is read here is far smaller.
const maxBody = 4 << 20

// guard turns redirects into errors and bounds the size of answers.
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
	return resp, nil
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
