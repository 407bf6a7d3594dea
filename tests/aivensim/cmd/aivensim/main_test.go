// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"testing"
)

func TestRunRefusesBadArguments(t *testing.T) {
	for name, args := range map[string][]string{
		"unknown flag":     {"--nonsense"},
		"token, no value":  {"--tokens=a", "--postgres=false"},
		"bad project name": {"--projects=a b", "--postgres=false"},
		"port in no range": {"--port=99999", "--postgres=false"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(t.Context(), args); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, []string{"--tokens=a=b", "--postgres=false"}); err != nil {
		t.Error(err)
	}
}
