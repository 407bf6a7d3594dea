// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

const (
	// namespace holds the work, and floorNamespace that of the floor.
	namespace, floorNamespace = "bench", "floor"
	// project exists in every simulator.
	project = "bench-project"
	// operatorNamespace and operatorAccount are those of manifests/rbac.
	operatorNamespace, operatorAccount = "bailiwick-system", "bailiwick"
	// tokenSecret is in every namespace, with the key "token".
	tokenSecret = "aiven-token"
	// goodToken is the one that the simulator accepts.
	goodToken = "bench-token"
)

// bench is one run of the program.
type bench struct {
	options
	binary string
	rows   []row
}

func (b *bench) prepare(ctx context.Context) error {
	if err := os.MkdirAll(b.out, 0o700); err != nil {
		return err
	}
	if b.operator != "" {
		return nil
	}
	return b.build(ctx)
}

// world is the servers of one scenario, and the client that drives them.
type world struct {
	bench   *bench
	name    string
	cluster *stack.Kubernetes
	sim     *aivensim.Server
	kube    kubernetes.Interface
	// http reaches the API server as the administrator, as fast as it can.
	http *http.Client
	// operatorConfig is the kubeconfig file of this checkout's operator.
	operatorConfig string
	ready          *readiness
	own            ownWrites
	operators      []*operator
}

// newWorld starts the servers and installs what every operator needs.
func newWorld(ctx context.Context, b *bench, name string, timing aivensim.Timing) (*world, error) {
	w := &world{bench: b, name: name}
	if err := os.Remove(filepath.Join(b.out, name+".log")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := w.startServers(ctx, timing); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) startServers(ctx context.Context, timing aivensim.Timing) error {
	var err error
	if w.cluster, err = stack.StartKubernetes(ctx, stack.KubernetesOptions{CRDs: []string{w.bench.crds}}); err != nil {
		return err
	}
	timing.Latency = w.bench.latency
	w.sim, err = aivensim.New(aivensim.Options{
		Projects: []string{project}, Tokens: []aivensim.Token{{Name: "good", Value: goodToken}}, Timing: timing,
		SecretsUnasked: w.bench.operator != "",
	})
	if err != nil {
		return err
	}
	if _, err = w.sim.Start(); err != nil {
		return err
	}
	config := w.cluster.Config()
	if w.http, err = rest.HTTPClientFor(config); err != nil {
		return err
	}
	if w.kube, err = kubernetes.NewForConfigAndClient(config, w.http); err != nil {
		return err
	}
	for _, ns := range []string{namespace, floorNamespace} {
		if err := w.namespace(ctx, ns, goodToken); err != nil {
			return err
		}
	}
	w.ready = newReadiness(w)
	if w.bench.operator != "" {
		return nil
	}
	return w.install(ctx)
}

// namespace makes a namespace whose objects can use that token.
func (w *world) namespace(ctx context.Context, name, token string) error {
	_, err := w.kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, err = w.kube.CoreV1().Secrets(name).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: tokenSecret}, Data: map[string][]byte{"token": []byte(token)},
	}, metav1.CreateOptions{})
	return err
}

// install gives this checkout's operator the rights that the manifests give it.
func (w *world) install(ctx context.Context) error {
	kubectl, err := stack.Tool("kubectl")
	if err != nil {
		return err
	}
	for _, folder := range []string{"rbac", "admission"} {
		cmd := exec.CommandContext(ctx, kubectl, "--kubeconfig", w.cluster.Kubeconfig,
			"apply", "--server-side", "-k", filepath.Join(w.bench.root, "manifests", folder))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("install manifests/%s: %w: %s", folder, err, out)
		}
	}
	token, err := w.cluster.ServiceAccountToken(ctx, operatorNamespace, operatorAccount)
	if err != nil {
		return err
	}
	w.operatorConfig = filepath.Join(w.cluster.Dir, "operator.kubeconfig")
	return clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"bench": {Server: w.cluster.Server, CertificateAuthorityData: w.cluster.CAPEM}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"bench": {Token: token}},
		Contexts:       map[string]*clientcmdapi.Context{"bench": {Cluster: "bench", AuthInfo: "bench"}},
		CurrentContext: "bench",
	}, w.operatorConfig)
}

// close ends all that was started, the operators first.
func (w *world) close() error {
	var errs []error
	for _, op := range w.operators {
		errs = append(errs, op.stop())
	}
	if w.ready != nil {
		w.ready.close()
	}
	if w.sim != nil {
		errs = append(errs, w.sim.Close())
	}
	if w.cluster != nil {
		errs = append(errs, w.cluster.Stop())
	}
	return errors.Join(errs...)
}

// freeAddress returns an address on loopback that nobody listens on just now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// until waits until cond holds, asking every interval.
func until(ctx context.Context, interval time.Duration, cond func() (bool, error)) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		ok, err := cond()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// plural is where the API server serves a kind.
func plural(kind string) string {
	if kind == "PostgreSQL" {
		return "postgresqls"
	}
	return strings.ToLower(kind) + "s"
}
