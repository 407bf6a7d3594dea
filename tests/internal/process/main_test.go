// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"os"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

func TestMain(m *testing.M) {
	if logFile := os.Getenv(parentEnv); logFile != "" {
		runAsParent(logFile)
	}
	os.Exit(m.Run())
}

// eventually waits until condition holds, and fails the test if it never does.
func eventually(t *testing.T, what string, condition func(ctx context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, condition); err != nil {
		t.Fatalf("Waiting for %s: %v", what, err)
	}
}
