// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/bailiwick-operator/bailiwick/tests/internal/pki"
	"github.com/bailiwick-operator/bailiwick/tests/internal/process"
)

// DefaultIssuer is the issuer of ServiceAccount tokens unless the options name
// another; it is what most clusters have.
const DefaultIssuer = "https://kubernetes.default.svc.cluster.local"

// KubernetesOptions configure the Kubernetes part.
type KubernetesOptions struct {
	// Dir and Keep are as in Options.
	Dir  string
	Keep bool
	// Issuer is the "iss" claim of ServiceAccount tokens and, as in most
	// clusters, the API server's own audience. The default is DefaultIssuer.
	Issuer string
	// CRDs are manifest files, or directories of them, whose
	// CustomResourceDefinitions are created before the controller manager
	// starts. Its garbage collector learns of kinds that come later only every
	// 30 seconds.
	CRDs []string
	// WithoutControllerManager leaves the start of the controller manager to
	// StartControllerManager, until which its binary need not exist.
	WithoutControllerManager bool
	// APIServerArgs and ControllerManagerArgs are added to the arguments, and
	// win over those that the stack sets.
	APIServerArgs         []string
	ControllerManagerArgs []string
}

// Kubernetes is a control plane without nodes: etcd, kube-apiserver with RBAC,
// and a kube-controller-manager that runs the controllers in controllers.
type Kubernetes struct {
	// Dir holds all files of the part, and the log of each process as
	// logs/<process>.log.
	Dir string
	// Kubeconfig is the path of a file with the administrator's access.
	Kubeconfig string
	// Server is the URL of the API server, the same for the life of the part.
	Server string
	// CAPEM is the certificate of the authority behind Server.
	CAPEM []byte
	// Issuer is the "iss" claim of ServiceAccount tokens, and the API server's
	// own audience.
	Issuer string

	workDir workDir
	opts    KubernetesOptions
	// basePort is the first of the ports in a row that the part listens on.
	basePort int
	admin    pki.KeyPair
	keys     signingKeys

	etcd              *process.Process
	apiServer         *process.Process
	controllerManager *process.Process
}

// StartKubernetes starts the part and returns when it serves, its default
// namespace has a ServiceAccount and the root certificate is published. ctx
// bounds the start only. After an error nothing is left running.
func StartKubernetes(ctx context.Context, opts KubernetesOptions) (*Kubernetes, error) {
	if opts.Issuer == "" {
		opts.Issuer = DefaultIssuer
	}
	k := &Kubernetes{Issuer: opts.Issuer, opts: opts}
	if err := k.prepare(); err != nil {
		return nil, errors.Join(err, k.Stop())
	}
	if err := k.start(ctx); err != nil {
		return nil, errors.Join(err, k.Stop())
	}
	return k, nil
}

// prepare finds the binaries and writes all files.
func (k *Kubernetes) prepare() error {
	dir, err := newWorkDir(k.opts.Dir, k.opts.Keep)
	if err != nil {
		return err
	}
	k.workDir, k.Dir = dir, dir.path

	for _, server := range []struct {
		name  string
		grace time.Duration
		to    **process.Process
	}{
		// These two would wait for their clients, up to a minute. Being killed
		// costs them no data.
		{"etcd", time.Second, &k.etcd},
		{"kube-apiserver", time.Second, &k.apiServer},
		{"kube-controller-manager", 10 * time.Second, &k.controllerManager},
	} {
		*server.to = &process.Process{
			Name: server.name, LogFile: dir.join("logs", server.name+".log"), Grace: server.grace,
		}
	}

	needed := []*process.Process{k.etcd, k.apiServer, k.controllerManager}
	if k.opts.WithoutControllerManager {
		needed = needed[:2]
	}
	for _, p := range needed {
		if p.Path, err = Tool(p.Name); err != nil {
			return err
		}
	}

	if k.basePort, err = freePorts(portCount); err != nil {
		return err
	}
	k.Server = "https://" + address(k.port(apiServerPort))
	return k.writeCredentials()
}

func (k *Kubernetes) start(ctx context.Context) error {
	if err := k.StartEtcd(ctx); err != nil {
		return err
	}
	if err := k.StartAPIServer(ctx); err != nil {
		return err
	}
	if err := InstallCRDs(ctx, k.Config(), k.opts.CRDs...); err != nil {
		return err
	}
	if k.opts.WithoutControllerManager {
		return nil
	}
	return k.StartControllerManager(ctx)
}

// Stop ends the part's processes, waits for them and removes a temporary
// directory. It may be called more than once.
func (k *Kubernetes) Stop() error {
	var errs []error
	// Those that depend on others go first, so that none waits for one that is gone.
	for _, p := range []*process.Process{k.controllerManager, k.apiServer, k.etcd} {
		if p != nil {
			errs = append(errs, p.Stop())
		}
	}
	return errors.Join(append(errs, k.workDir.remove())...)
}

// StartEtcd starts etcd and waits until it serves.
func (k *Kubernetes) StartEtcd(ctx context.Context) error {
	if err := k.etcd.Start(k.etcdArgs()); err != nil {
		return err
	}
	return k.etcd.WaitReady(ctx, process.HTTPReady("http://"+address(k.port(etcdMetricsPort))+"/readyz"))
}

// StopEtcd stops etcd. The API server goes on and answers with errors.
func (k *Kubernetes) StopEtcd() error { return k.etcd.Stop() }

// StartAPIServer starts the API server, on the address it had before, and waits
// until it is ready.
func (k *Kubernetes) StartAPIServer(ctx context.Context) error {
	if err := k.apiServer.Start(k.apiServerArgs()); err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(k.probeConfig())
	if err != nil {
		return err
	}
	return k.apiServer.WaitReady(ctx, func(ctx context.Context) error {
		return client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

// StopAPIServer stops the API server. Connections to it are refused until it is
// started again.
func (k *Kubernetes) StopAPIServer() error { return k.apiServer.Stop() }

// StartControllerManager starts the controller manager and waits until its
// controllers have set up the default namespace.
func (k *Kubernetes) StartControllerManager(ctx context.Context) error {
	if k.controllerManager.Path == "" {
		path, err := Tool(k.controllerManager.Name)
		if err != nil {
			return err
		}
		k.controllerManager.Path = path
	}
	if err := k.controllerManager.Start(k.controllerManagerArgs()); err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(k.probeConfig())
	if err != nil {
		return err
	}
	return k.controllerManager.WaitReady(ctx, func(ctx context.Context) error {
		return namespaceReady(ctx, client, "default")
	})
}

// StopControllerManager stops the controller manager: nothing collects garbage
// or empties namespaces until it is started again.
func (k *Kubernetes) StopControllerManager() error { return k.controllerManager.Stop() }

// Version returns the version of the API server, such as v1.37.1.
func (k *Kubernetes) Version(ctx context.Context) (string, error) {
	client, err := kubernetes.NewForConfig(k.probeConfig())
	if err != nil {
		return "", err
	}
	answer, err := client.RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return "", err
	}
	var info version.Info
	if err := json.Unmarshal(answer, &info); err != nil {
		return "", fmt.Errorf("reading the version of the API server: %w", err)
	}
	return info.GitVersion, nil
}

// Config returns the administrator's access, without a client-side rate limit.
// The caller owns it.
func (k *Kubernetes) Config() *rest.Config {
	config := k.anonymousConfig()
	config.CertData, config.KeyData = k.admin.Certificate, k.admin.Key
	return config
}

// anonymousConfig returns a configuration without credentials.
func (k *Kubernetes) anonymousConfig() *rest.Config {
	return &rest.Config{
		Host:            k.Server,
		TLSClientConfig: rest.TLSClientConfig{CAData: k.CAPEM},
		QPS:             -1,
	}
}

// probeConfig returns the administrator's access for questions that are asked
// again if the answer is late.
func (k *Kubernetes) probeConfig() *rest.Config {
	config := k.Config()
	config.Timeout = process.ProbeTimeout
	return config
}

// The ports of the part, counted from basePort.
const (
	etcdClientPort = iota
	etcdPeerPort
	etcdMetricsPort
	apiServerPort
	controllerManagerPort
	portCount
)

func (k *Kubernetes) port(offset int) int { return k.basePort + offset }
