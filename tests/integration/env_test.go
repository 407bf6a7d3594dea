// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"

	"github.com/bailiwick-operator/bailiwick/generated/clientset/versioned"
	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

const (
	operatorNamespace = "bailiwick-system"
	operatorAccount   = "bailiwick"
	manifests         = "../../manifests"
	// project exists in every simulator.
	project = "test-project"
	// patience bounds every wait; what is waited for normally takes far less.
	patience = time.Minute
	// envTime bounds a test.
	envTime = 5 * time.Minute
)

// install gives the operator its rights and the API server its rules, as a person
// does: with kubectl.
func install(ctx context.Context, cluster *stack.Kubernetes) error {
	for _, folder := range []string{"/rbac", "/admission"} {
		if out, err := kubectlOn(ctx, cluster, "apply", "--server-side", "-k", manifests+folder); err != nil {
			return fmt.Errorf("%s: %w: %s", folder, err, out)
		}
	}
	return nil
}

func kubectl(ctx context.Context, s *stack.Stack, args ...string) (string, error) {
	return kubectlOn(ctx, s.Kubernetes, args...)
}

func kubectlOn(ctx context.Context, cluster *stack.Kubernetes, args ...string) (string, error) {
	bin, err := stack.Tool("kubectl")
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, bin, append([]string{"--kubeconfig", cluster.Kubeconfig}, args...)...).CombinedOutput()
	return string(out), err
}

// env is one test's namespace, simulator and operator.
type env struct {
	testing.TB
	ctx     context.Context
	cluster *stack.Kubernetes
	ns      string
	sim     *aivensim.Server
	kube    kubernetes.Interface
	api     versioned.Interface
	// change adjusts the options of the operator before it starts.
	change []func(*app.Options)
	// verbosity is that of the operator's log.
	verbosity int
	logs      *logBuffer

	stop func() error
}

// newEnv makes a namespace and a simulator with the given tokens. No tokens
// means that "default-token" is accepted.
func newEnv(t testing.TB, opts aivensim.Options) *env {
	t.Helper()
	return newEnvOn(t, shared.Kubernetes, shared.Kubernetes.Namespace(t), opts)
}

// newEnvOn is newEnv for a namespace of any API server.
func newEnvOn(t testing.TB, cluster *stack.Kubernetes, namespace string, opts aivensim.Options) *env {
	t.Helper()
	kube, err := kubernetes.NewForConfig(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	api, err := versioned.NewForConfig(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	opts.Projects = append(opts.Projects, project)
	sim, err := aivensim.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Errorf("Closing the simulator: %v", err)
		}
		for _, r := range sim.Unexpected() {
			t.Errorf("The simulator knows no such request: %s %s", r.Method, r.Path)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), envTime)
	t.Cleanup(cancel)
	return &env{
		TB: t, ctx: ctx, cluster: cluster, ns: namespace, sim: sim, kube: kube, api: api, verbosity: 4, logs: &logBuffer{},
	}
}

// start runs an operator for this namespace until the test ends or stopOperator
// is called.
func (e *env) start(change ...func(*app.Options)) {
	e.Helper()
	op := e.launch(change...)
	e.stop = op.stop
	e.Cleanup(func() {
		if err := op.stop(); err != nil {
			e.Errorf("The operator ended with: %v", err)
		}
	})
}

// operator is one that runs in this process.
type operator struct {
	cancel context.CancelFunc
	// done is closed when it has ended, with err.
	done chan struct{}
	err  error
}

// stop stops the operator as SIGTERM does, waits for its end and returns how it
// ended.
func (o *operator) stop() error {
	o.cancel()
	<-o.done
	return o.err
}

// launch runs an operator for this namespace, at the latest until the test ends.
// How it ends is the caller's to check.
func (e *env) launch(change ...func(*app.Options)) *operator {
	e.Helper()
	config, err := e.cluster.ServiceAccountConfig(e.ctx, operatorNamespace, operatorAccount)
	if err != nil {
		e.Fatal(err)
	}
	opts := app.NewOptions()
	opts.RESTConfig = config
	opts.Namespace = operatorNamespace
	opts.WatchNamespaces = []string{e.ns}
	opts.Aiven.URL = e.sim.URL()
	// The shipped rights are those for one lease; the operators of the tests
	// share no namespace, so none is needed.
	opts.LeaderElection.Enabled = false
	opts.HealthBindAddress, opts.MetricsBindAddress = "0", "0"
	// The simulator shows what was created immediately, unless a test has it be late.
	opts.Aiven.VisibleWithin = 5 * time.Second
	opts.OpenBao.AllowLocalAddresses = true
	for _, c := range append(e.change[:len(e.change):len(e.change)], change...) {
		c(opts)
	}
	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(),
		textlogger.NewLogger(textlogger.NewConfig(textlogger.Verbosity(e.verbosity), textlogger.Output(e.logs)))))
	op := &operator{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(op.done)
		op.err = app.Run(ctx, opts)
	}()
	e.Cleanup(func() {
		_ = op.stop()
		if e.Failed() {
			e.Logf("Log of the operator:\n%s", e.logs.tail(200))
		}
	})
	return op
}

// stopOperator stops the operator as SIGTERM does and waits for its end.
func (e *env) stopOperator() {
	e.Helper()
	if err := e.stop(); err != nil {
		e.Errorf("The operator ended with: %v", err)
	}
}

// tokenSecret makes a Secret with the key token in the test's namespace.
func (e *env) tokenSecret(name, value string) {
	e.Helper()
	_, err := e.kube.CoreV1().Secrets(e.ns).Create(e.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string][]byte{"token": []byte(value)},
	}, metav1.CreateOptions{})
	if err != nil {
		e.Fatal(err)
	}
}

// eventually waits until check returns nil, and fails with its last error.
func (e *env) eventually(what string, check func() error) {
	e.Helper()
	e.within(patience, what, check)
}

func (e *env) within(d time.Duration, what string, check func() error) {
	e.Helper()
	deadline := time.Now().Add(d)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) || e.ctx.Err() != nil {
			e.Fatalf("Waiting for %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// wantReady waits until the Ready condition of an object is True for the newest
// generation.
func (e *env) wantReady(get func() (metav1.Object, []metav1.Condition, error)) {
	e.Helper()
	e.wantCondition("Ready", metav1.ConditionTrue, "Ready", get)
}

// wantCondition waits for a condition of the newest generation and returns it.
func (e *env) wantCondition(typ string, status metav1.ConditionStatus, reason string, get func() (metav1.Object, []metav1.Condition, error)) metav1.Condition {
	e.Helper()
	var found metav1.Condition
	e.eventually(fmt.Sprintf("%s=%s/%s", typ, status, reason), func() error {
		obj, conditions, err := get()
		if err != nil {
			return err
		}
		cond := meta.FindStatusCondition(conditions, typ)
		if cond == nil || cond.Status != status || cond.Reason != reason || cond.ObservedGeneration != obj.GetGeneration() {
			return fmt.Errorf("%s has conditions %+v at generation %d", obj.GetName(), conditions, obj.GetGeneration())
		}
		found = *cond
		return nil
	})
	return found
}

// logBuffer keeps what the operator logs.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) tail(lines int) string {
	all := bytes.Split([]byte(l.String()), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}
