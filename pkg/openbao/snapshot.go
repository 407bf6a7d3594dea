// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"io"
	"net/http"

	"github.com/openbao/openbao/api/v2"
)

// Snapshot returns the Raft snapshot of the cluster, whose size is not known before it
// ends. A server that fails in between ends it early: only what is in it tells whether it
// is whole. ctx ends it; the timeout of the client does not. The caller closes it.
func (c *Client) Snapshot(ctx context.Context) (io.ReadCloser, error) {
	const op = "take a snapshot"
	request, err := http.NewRequestWithContext(context.WithValue(ctx, unboundedKey{}, true), http.MethodGet, c.opts.Address+"/v1/sys/storage/raft/snapshot", nil)
	if err != nil {
		return nil, classify(op, err)
	}
	request.Header.Set(tokenHeader, c.opts.Token.reveal())
	request.Header.Set("X-Vault-Request", "true")
	request.Header.Set("User-Agent", c.opts.userAgent())
	unlimited := &http.Client{Transport: c.http.Transport, CheckRedirect: c.http.CheckRedirect}
	response, err := unlimited.Do(request)
	if err != nil {
		return nil, classify(op, err)
	}
	if response.StatusCode != http.StatusOK {
		defer closeQuietly(response.Body)
		if err := classify(op, (&api.Response{Response: response}).Error()); err != nil {
			return nil, err
		}
		return nil, &Error{Class: Unknown, Op: op, StatusCode: response.StatusCode, Detail: notOpenBao}
	}
	return response.Body, nil
}

// unboundedKey marks the context of a request whose answer may be of any size.
type unboundedKey struct{}

func unbounded(ctx context.Context) bool { return ctx.Value(unboundedKey{}) != nil }
