// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"os"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

// shared is the stack of all tests but those that need one of their own.
var shared *Stack

func TestMain(m *testing.M) {
	os.Exit(Run(m, Options{
		Kubernetes: &KubernetesOptions{CRDs: []string{"testdata"}},
		OpenBao:    &OpenBaoOptions{},
	}, func(s *Stack) { shared = s }))
}

// eventually waits until condition holds, and fails the test if it never does.
func eventually(t *testing.T, what string, condition func(ctx context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, condition); err != nil {
		t.Fatalf("Waiting for %s: %v", what, err)
	}
}

func adminClient(t *testing.T) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(shared.Kubernetes.Config())
	if err != nil {
		t.Fatal(err)
	}
	return client
}
