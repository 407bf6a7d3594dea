// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/bailiwick-operator/bailiwick/tests/internal/process"
)

// startTimeout is enough for a stack on a busy machine.
const startTimeout = 5 * time.Minute

// Run is the body of TestMain in a package whose tests share one stack: it
// starts the stack, hands it over, runs the tests, stops the stack and returns
// the exit code. If the stack can't start, it says why and no test runs. What all
// tests together must have left behind is checked by the functions in after,
// unless a test failed.
func Run(m *testing.M, opts Options, handOver func(*Stack), after ...func(*Stack) error) int {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	s, err := Start(ctx, opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting the stack:", err)
		return 1
	}
	handOver(s)
	code := m.Run()
	for _, check := range after {
		if code != 0 {
			break
		}
		if err := check(s); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := s.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the stack:", err)
		return 1
	}
	return code
}

// NewKubernetes starts a Kubernetes part for one test, which stops it at its end.
func NewKubernetes(t testing.TB, opts KubernetesOptions) *Kubernetes {
	t.Helper()
	return forTest(t, opts, StartKubernetes)
}

// NewOpenBao starts an OpenBao part for one test, which stops it at its end.
func NewOpenBao(t testing.TB, opts OpenBaoOptions) *OpenBao {
	t.Helper()
	return forTest(t, opts, StartOpenBao)
}

func forTest[O any, P interface{ Stop() error }](t testing.TB, opts O, start func(context.Context, O) (P, error)) P {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	part, err := start(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := part.Stop(); err != nil {
			t.Error(err)
		}
	})
	return part
}

// Namespace makes a namespace for one test, with its default ServiceAccount, and
// returns its name. It stays until the stack goes: objects that keep a finalizer
// would keep a deleted one Terminating, and dozens of those leave the namespace
// controller no time for a test that waits for it.
func (k *Kubernetes) Namespace(t testing.TB) string {
	t.Helper()
	client, err := kubernetes.NewForConfig(k.Config())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	namespace, err := client.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("Creating a namespace: %v", err)
	}
	err = wait.PollUntilContextCancel(ctx, process.ReadyInterval, true, func(ctx context.Context) (bool, error) {
		return namespaceReady(ctx, client, namespace.Name) == nil, nil
	})
	if err != nil {
		t.Fatalf("Waiting for the ServiceAccount of namespace %s: %v", namespace.Name, err)
	}
	return namespace.Name
}
