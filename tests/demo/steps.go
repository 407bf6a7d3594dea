// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/openbao/openbao/api/v2"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/internal/progress"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// Files in the directory of a run.
const (
	kubeconfigFile     = "kubeconfig"
	operatorConfigFile = "operator.kubeconfig"
	operatorLogFile    = "operator.log"
	// authorityFile holds the authority of the connection that is tried.
	authorityFile = "postgres-ca.crt"
)

// What secrets are called where one is found that should not be.
const (
	aivenTokenName = "the Aiven token"
	adminTokenName = "the admin token of OpenBao"
)

// simulatedTiming lets a person see how objects come about.
var simulatedTiming = aivensim.Timing{
	ServiceBuild: 4 * time.Second, PowerOn: 2 * time.Second, ServiceChange: 2 * time.Second, TopicActive: time.Second,
}

// connect makes the clients and the kubeconfig for people.
func (d *demo) connect() error {
	config := d.stack.Kubernetes.Config()
	var err error
	if d.kube, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	if d.dynamic, err = dynamic.NewForConfig(config); err != nil {
		return err
	}
	access, err := clientcmd.LoadFromFile(d.stack.Kubernetes.Kubeconfig)
	if err != nil {
		return err
	}
	for _, context := range access.Contexts {
		context.Namespace = namespace
	}
	return clientcmd.WriteToFile(*access, d.path(kubeconfigFile))
}

// startKubernetes builds and starts the API server. The controller manager follows.
func (d *demo) startKubernetes(ctx context.Context) (string, error) {
	if err := d.buildTools(ctx, "etcd", "kube-apiserver", "kubectl"); err != nil {
		return "", err
	}
	var err error
	if d.kubectl, err = stack.Tool("kubectl"); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	d.stack.Kubernetes, err = stack.StartKubernetes(ctx, stack.KubernetesOptions{Dir: d.path("kubernetes"), WithoutControllerManager: true})
	if err != nil {
		return "", err
	}
	version, err := d.stack.Kubernetes.Version(ctx)
	if err != nil {
		return "", err
	}
	return d.stack.Kubernetes.Server + ", " + version, d.connect()
}

// startControllerManager builds and starts what collects garbage.
func (d *demo) startControllerManager(ctx context.Context) error {
	return d.out.Part("kube-controller-manager", func() (string, error) {
		if err := d.buildTools(ctx, "kube-controller-manager"); err != nil {
			return "", err
		}
		ctx, cancel := context.WithTimeout(ctx, startTimeout)
		defer cancel()
		return "collects what belongs to deleted objects", d.stack.Kubernetes.StartControllerManager(ctx)
	})
}

// startOpenBao builds and starts the OpenBao server.
func (d *demo) startOpenBao(ctx context.Context) error {
	return d.out.Part("OpenBao", func() (string, error) {
		if !stack.HasBao() {
			if err := d.buildTools(ctx, "openbao-server"); err != nil {
				return "", err
			}
		}
		ctx, cancel := context.WithTimeout(ctx, startTimeout)
		defer cancel()
		part, err := stack.StartOpenBao(ctx, stack.OpenBaoOptions{Dir: d.path("openbao")})
		if err != nil {
			return "", err
		}
		d.stack.OpenBao = part
		return fmt.Sprintf("%s, %s server %s", part.Address, part.Kind, part.Version), nil
	})
}

// buildTools builds programs that are missing, and prints how far that is.
func (d *demo) buildTools(ctx context.Context, programs ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(d.root, "hack", "build-tools.sh"), programs...)
	cmd.SysProcAttr = childProcAttr()
	// The compilers are children of children.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out := &progress.Lines{Print: func(line string) { d.out.Line("  %s", line) }}
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = out, &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", strings.Join(programs, ", "), err, stderr.String())
	}
	return nil
}

func (d *demo) startSimulator() (string, error) {
	token := rand.Text()
	d.secrets.add(aivenTokenName, token)
	opts := aivensim.Options{
		Projects: []string{project},
		Tokens:   []aivensim.Token{{Name: "demo", Value: token}},
		Timing:   simulatedTiming,
		Admin:    true,
	}
	d.postgres, opts.RealPostgres = aivensim.FindPostgres()
	opts.PostgresBinDir = d.postgres
	simulator, err := aivensim.New(opts)
	if err != nil {
		return "", err
	}
	d.simulator = simulator
	url, err := simulator.Start()
	if err != nil {
		return "", err
	}
	if !opts.RealPostgres {
		return url + ", without PostgreSQL: initdb was not found", nil
	}
	return url + ", with the PostgreSQL of " + d.postgres, nil
}

// build compiles the operator with the flags of "make build", whose result it
// then is.
func (d *demo) build(ctx context.Context) (string, error) {
	d.binary = filepath.Join(d.root, "bin", "bailiwick")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", d.binary, "./cmd/bailiwick")
	cmd.Dir = d.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return d.binary, nil
}

// runKubectl runs kubectl as the administrator and returns what it prints.
func (d *demo) runKubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.kubectl, append([]string{"--kubeconfig", d.path(kubeconfigFile)}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out), nil
}

// install applies what the operator needs in a cluster but its Deployment: no
// node could run it.
func (d *demo) install(ctx context.Context) error {
	for _, dir := range []string{"crds", "rbac", "admission"} {
		out, err := d.runKubectl(ctx, "", "apply", "--server-side", "-k", filepath.Join(d.root, "manifests", dir))
		if err != nil {
			return err
		}
		d.out.Line("  manifests/%s: %d objects", dir, strings.Count(out, "\n"))
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return stack.WaitForCRDs(ctx, d.dynamic)
}

// readSamples makes the namespace of the samples.
func (d *demo) readSamples(ctx context.Context) error {
	_, err := d.kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	rendered, err := d.runKubectl(ctx, "", "kustomize", filepath.Join(d.root, "manifests", "samples"))
	if err != nil {
		return err
	}
	samples, err := parseObjects(rendered)
	if err != nil {
		return err
	}
	for _, sample := range samples {
		if sample.GroupVersionKind().Group == openbaov1alpha1.GroupName {
			d.openBao = append(d.openBao, sample)
		} else {
			d.aiven = append(d.aiven, sample)
		}
	}
	return nil
}

// applySamples applies both halves side by side, each with what it names, as a
// person would. The half of OpenBao waits for its server.
func (d *demo) applySamples(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		prepared, err := prepareSamples(d.aiven, place{namespace: namespace, project: project})
		if err != nil {
			return err
		}
		d.aiven = prepared.objects
		for _, ref := range prepared.tokens {
			if err := d.createSecret(ctx, ref, "the Aiven token", d.secrets.all()[aivenTokenName]); err != nil {
				return err
			}
		}
		return d.applyAndWatch(ctx, d.aiven)
	})
	group.Go(func() error {
		select {
		case <-d.late.openBao:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if d.stack.OpenBao == nil {
			return d.late.wait()
		}
		prepared, err := prepareSamples(d.openBao, place{namespace: namespace, openBaoAddress: d.stack.OpenBao.Address})
		if err != nil {
			return err
		}
		d.openBao = prepared.objects
		if err := d.createForOpenBao(ctx, prepared); err != nil {
			return err
		}
		return d.applyAndWatch(ctx, d.openBao)
	})
	return group.Wait()
}

// createSecret makes a Secret with one key, and more where it is said.
func (d *demo) createSecret(ctx context.Context, ref secretKey, what, value string, more ...func(*corev1.Secret)) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: ref.name}, StringData: map[string]string{ref.key: value}}
	for _, add := range more {
		add(secret)
	}
	if _, err := d.kube.CoreV1().Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		return err
	}
	d.out.Line("  Secret %s, key %s: %s", ref.name, ref.key, what)
	return nil
}

// createForOpenBao makes what an OpenBaoCluster names.
func (d *demo) createForOpenBao(ctx context.Context, prepared prepared) error {
	admin, err := d.adminToken(ctx)
	if err != nil {
		return err
	}
	d.secrets.add(adminTokenName, admin)
	d.secrets.add("the root token of OpenBao", d.stack.OpenBao.RootToken)
	for _, ref := range prepared.adminTokens {
		err := d.createSecret(ctx, ref, "a one-time admin token of the OpenBao server", admin, func(secret *corev1.Secret) {
			// It says itself which server it is for.
			secret.Type = openbaov1alpha1.SecretTypeCredential
			secret.StringData[openbaov1alpha1.CredentialAddressKey] = d.stack.OpenBao.Address
		})
		if err != nil {
			return err
		}
	}
	for _, ref := range prepared.authorities {
		if err := d.createSecret(ctx, ref, "the CA of the OpenBao server", string(d.stack.OpenBao.CAPEM)); err != nil {
			return err
		}
	}
	// Nobody runs the OpenBao cluster's jobs here, so their accounts are made by hand.
	for _, name := range prepared.accounts {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := d.kube.CoreV1().ServiceAccounts(namespace).Create(ctx, account, metav1.CreateOptions{}); err != nil {
			return err
		}
		d.out.Line("  ServiceAccount %s", name)
	}
	// The restore role is bound to the UID of its account, which Bailiwick has to read.
	for _, dir := range []string{"prove-identities", filepath.Join("prove-identities", "restore")} {
		if _, err := d.runKubectl(ctx, "", "apply", "-n", namespace, "-k", filepath.Join(d.root, "manifests", "rbac", "optional", dir)); err != nil {
			return err
		}
		d.out.Line("  manifests/rbac/optional/%s", dir)
	}
	return nil
}

// adminPolicy is that of the guide (docs/openbao.md): a root token is refused.
const adminPolicy = `
path "sys/auth" { capabilities = ["read"] }
path "sys/auth/jwt-operator" { capabilities = ["create", "read", "update", "delete", "sudo"] }
path "auth/jwt-operator/config" { capabilities = ["create", "read", "update"] }
path "auth/jwt-operator/role" { capabilities = ["list"] }
path "auth/jwt-operator/role/*" { capabilities = ["create", "read", "update", "delete"] }
path "auth/jwt-operator/cel/role" { capabilities = ["list"] }
path "sys/policies/acl/openbao-operator*" { capabilities = ["read", "update", "delete"] }
`

// adminToken makes a one-time token with that policy.
func (d *demo) adminToken(ctx context.Context) (string, error) {
	client, err := d.stack.OpenBao.Client()
	if err != nil {
		return "", err
	}
	const policy = "bailiwick-admin"
	if err := client.Sys().PutPolicyWithContext(ctx, policy, adminPolicy); err != nil {
		return "", fmt.Errorf("writing the OpenBao policy %s: %w", policy, err)
	}
	secret, err := client.Auth().Token().CreateOrphanWithContext(ctx, &api.TokenCreateRequest{
		Policies: []string{policy}, TTL: "1h", DisplayName: "bailiwick-once",
	})
	if err != nil {
		return "", fmt.Errorf("making an OpenBao token: %w", err)
	}
	return secret.Auth.ClientToken, nil
}

// startOperator runs the operator with the rights of its ServiceAccount.
func (d *demo) startOperator(ctx context.Context) error {
	config, err := d.stack.Kubernetes.ServiceAccountConfig(ctx, operatorNamespace, operatorAccount)
	if err != nil {
		return err
	}
	d.secrets.add("the operator's ServiceAccount token", config.BearerToken)
	if err := stack.WriteKubeconfig(d.path(operatorConfigFile), config); err != nil {
		return err
	}
	args := []string{
		"--kubeconfig=" + d.path(operatorConfigFile),
		"--namespace=" + operatorNamespace,
		"--openbao-allow-local-addresses",
		"--service-account=" + operatorAccount,
		"--aiven-url=" + d.simulator.URL(),
		"--poll-interval=30s",
		"--event-log-interval=2s",
		"--health-bind-address=" + net.JoinHostPort("127.0.0.1", "0"),
		"--metrics-bind-address=" + net.JoinHostPort("127.0.0.1", "0"),
		"--v=" + strconv.Itoa(d.verbosity),
	}
	// The demo decides on the settings, not what happens to be in the shell.
	env := without(os.Environ(), "DEFAULT_AIVEN_TOKEN", "AIVEN_WEB_URL", "WATCHED_NAMESPACES", "POD_NAMESPACE", "POD_SERVICE_ACCOUNT", "KUBECONFIG")
	d.operator, err = startChild(ctx, "the operator", d.path(operatorLogFile), d.binary, args, env)
	if err != nil {
		return err
	}
	d.out.Line("  process %d, log in %s", d.operator.pid, d.operator.logFile)
	return nil
}
