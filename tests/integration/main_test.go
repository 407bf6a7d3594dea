// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// shared is what all tests of this package run on.
var shared *stack.Stack

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(runAsOperator())
	}
	os.Exit(stack.Run(m, stack.Options{
		Kubernetes: &stack.KubernetesOptions{CRDs: []string{manifests + "/crds"}},
		OpenBao:    &stack.OpenBaoOptions{},
	}, func(s *stack.Stack) {
		shared = s
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := install(ctx, s); err != nil {
			fmt.Fprintln(os.Stderr, "installing the manifests:", err)
			os.Exit(1)
		}
	}))
}
