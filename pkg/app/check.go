// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	checkInterval = time.Second
	checkTimeout  = time.Minute
	// checkRequestTimeout bounds one request, of many.
	checkRequestTimeout = 5 * time.Second
	// checkReportLimit is more than a report of health has.
	checkReportLimit = 64 << 10
)

// newCheckCommand returns the command that asks another process how it is. The
// image holds nothing else that could.
func newCheckCommand() *cobra.Command {
	timeout := checkTimeout
	cmd := &cobra.Command{
		Use:   "check URL",
		Short: "Wait until an operator answers well, as at http://HOST:8081/readyz",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			report, err := awaitHealth(ctx, args[0], checkInterval)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), report)
			return err
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "How long to wait.")
	return cmd
}

// awaitHealth returns what url answers as soon as that is a success. Its error
// holds the last answer before ctx ended.
func awaitHealth(ctx context.Context, url string, interval time.Duration) (string, error) {
	if _, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil); err != nil {
		return "", fmt.Errorf("check: %w", err)
	}
	// Whom it asks is in the same cluster, and no proxy is in between.
	client := &http.Client{
		Transport: &http.Transport{}, Timeout: checkRequestTimeout,
		// Whoever answers for somebody else is not who was asked.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	var report string
	var last error
	err := wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		text, err := askHealth(ctx, client, url)
		// A request that the end of ctx cut short says less than the one before.
		if err == nil || last == nil || ctx.Err() == nil {
			report, last = text, err
		}
		return err == nil, nil
	})
	if err != nil {
		return "", fmt.Errorf("check: %s did not answer well in time: %w", url, last)
	}
	return report, nil
}

func askHealth(ctx context.Context, client *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	body, err := io.ReadAll(io.LimitReader(response.Body, checkReportLimit))
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(body)))
	}
	return string(body), nil
}
