// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package node

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
)

// Main is the body of TestMain in a package whose tests share one cluster: it starts
// the cluster, hands it over, runs the tests, stops the cluster and returns the exit
// code. Where no node is available nothing is handed over and the tests run all the
// same; those that need one begin with Require.
func Main(m *testing.M, opts Options, handOver func(*Node)) int {
	if Available() != nil {
		return m.Run()
	}
	n, err := Start(context.Background(), opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting a node:", err)
		return 1
	}
	handOver(n)
	code := m.Run()
	if err := n.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the node:", err)
		return 1
	}
	return code
}

// Require skips a test where no node is available, and says why.
func Require(t testing.TB) {
	t.Helper()
	if err := Available(); err != nil {
		t.Skipf("%s is skipped: %v", t.Name(), err)
	}
}

// Namespace makes a namespace for one test, with its default ServiceAccount and
// these labels, and returns its name. It stays until the cluster goes.
func (n *Node) Namespace(t testing.TB, labels map[string]string) string {
	t.Helper()
	client, err := kubernetes.NewForConfig(n.Config())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	namespace, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Labels: labels},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("Creating a namespace: %v", err)
	}
	err = wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().ServiceAccounts(namespace.Name).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, nil
	})
	if err != nil {
		t.Fatalf("Waiting for the ServiceAccount of namespace %s: %v", namespace.Name, err)
	}
	return namespace.Name
}
