// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// ProbeTimeout bounds one question to a server that may not be ready.
const ProbeTimeout = 2 * time.Second

// HTTPReady returns a check that a plain URL answers with 200.
func HTTPReady(url string) func(context.Context) error {
	client := &http.Client{
		Timeout: ProbeTimeout,
		// No connection stays open when the check is over.
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, response.Status)
		}
		return nil
	}
}
