// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bailiwick-operator/bailiwick/tests/internal/grants"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

var (
	// shared is what all tests of this package run on.
	shared *stack.Stack
	// auditLogs is the folder of what the accounts of the operator did.
	auditLogs string
)

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(runAsOperator())
	}
	if filepath.Base(os.Args[0]) == baoCommandName {
		os.Exit(runAsBao())
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bailiwick-audit-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	auditLogs = dir
	audit, err := grants.AuditArgs(filepath.Join(dir, "shared.log"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return stack.Run(m, stack.Options{
		Kubernetes: &stack.KubernetesOptions{CRDs: []string{manifests + "/crds"}, APIServerArgs: audit},
		OpenBao:    &stack.OpenBaoOptions{},
	}, func(s *stack.Stack) {
		shared = s
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := install(ctx, s.Kubernetes); err != nil {
			fmt.Fprintln(os.Stderr, "installing the manifests:", err)
			os.Exit(1)
		}
	}, func(*stack.Stack) error { return checkRights(dir) })
}
