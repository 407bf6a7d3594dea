// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

var secretsResource = schema.GroupResource{Resource: "secrets"}

// fakeSecrets is an API server that knows Secrets and takes its time.
type fakeSecrets struct {
	latency time.Duration

	mu      sync.Mutex
	secrets map[string]map[string]string // "namespace/name" -> data
	errs    map[string]error
	gets    int
	// finalizers are on every Secret; patches are what came, answered by refusal.
	finalizers []string
	patches    []string
	refusal    error
}

func newFakeSecrets() *fakeSecrets {
	return &fakeSecrets{secrets: map[string]map[string]string{}, errs: map[string]error{}}
}

func (f *fakeSecrets) set(name string, data map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.secrets[name] = data
}

func (f *fakeSecrets) fail(name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs[name] = err
}

func (f *fakeSecrets) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gets
}

func (f *fakeSecrets) Secrets(namespace string) corev1client.SecretInterface {
	return fakeNamespace{namespace: namespace, f: f}
}

type fakeNamespace struct {
	corev1client.SecretInterface // any other verb panics
	namespace                    string
	f                            *fakeSecrets
}

// Get reads the state first and answers later, as a slow network does.
func (n fakeNamespace) Get(ctx context.Context, name string, _ metav1.GetOptions) (*corev1.Secret, error) {
	key := n.namespace + "/" + name
	n.f.mu.Lock()
	n.f.gets++
	data, ok := n.f.secrets[key]
	err := n.f.errs[key]
	n.f.mu.Unlock()

	select {
	case <-time.After(n.f.latency):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, apierrors.NewNotFound(secretsResource, name)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: n.namespace, Name: name, UID: types.UID("uid-of-" + name), Finalizers: n.f.finalizers},
		Data:       map[string][]byte{},
	}
	for k, v := range data {
		secret.Data[k] = []byte(v)
	}
	return secret, nil
}

// Patch only takes notes: what a patch does is the API server's to show.
func (n fakeNamespace) Patch(_ context.Context, name string, pt types.PatchType, data []byte, _ metav1.PatchOptions, _ ...string) (*corev1.Secret, error) {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	n.f.patches = append(n.f.patches, fmt.Sprintf("%s %s/%s %s", pt, n.namespace, name, data))
	return nil, n.f.refusal
}

// newCache returns a Cache that is stopped when the test ends.
func newCache(t *testing.T, f *fakeSecrets, options Options) *Cache {
	t.Helper()
	options.Secrets = f
	c, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.stop)
	return c
}

// run starts c.Run and returns the function that ends it and waits.
func run(t *testing.T, c *Cache) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { c.Run(ctx) })
	return func() {
		cancel()
		wg.Wait()
	}
}

// recorder collects OnRecovered calls.
type recorder struct {
	mu    sync.Mutex
	names []string
}

func (r *recorder) add(namespace, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = append(r.names, namespace+"/"+name)
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := r.names
	r.names = nil
	return names
}
