// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
	"sigs.k8s.io/yaml"

	"github.com/bailiwick-operator/bailiwick/generated/clientset/versioned"
	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/tests/internal/baoimage"
	"github.com/bailiwick-operator/bailiwick/tests/node"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

const (
	operatorNamespace = "bailiwick-system"
	// patience bounds every wait; what is waited for normally takes far less.
	patience = 3 * time.Minute
)

// world is one test's namespace, and the two processes of Bailiwick.
type world struct {
	*testing.T
	ctx  context.Context
	ns   string
	kube kubernetes.Interface
	api  versioned.Interface
	logs *logBuffer

	processes map[string]*process
}

// newWorld makes a namespace with restricted pod security. Nothing of Bailiwick runs yet.
func newWorld(t *testing.T) *world {
	t.Helper()
	node.Require(t)
	kube, err := kubernetes.NewForConfig(shared.Config())
	if err != nil {
		t.Fatal(err)
	}
	api, err := versioned.NewForConfig(shared.Config())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	t.Cleanup(cancel)
	w := &world{
		T: t, ctx: ctx, kube: kube, api: api, logs: &logBuffer{}, processes: map[string]*process{},
		ns: shared.Namespace(t, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}),
	}
	t.Cleanup(func() {
		for name := range w.processes {
			w.stop(name)
		}
		if t.Failed() {
			t.Logf("Log of Bailiwick:\n%s", w.logs.tail(150))
			for _, command := range [][]string{
				{"get", "pods,pvc,statefulsets,events", "--namespace", w.ns},
				{"logs", "--namespace", w.ns, "--selector", "openbao.org/component=server", "--prefix", "--tail", "30"},
				{"get", "openbaoclusters", "--namespace", w.ns, "--output", "yaml"},
			} {
				out, _ := kubectl(context.Background(), command...)
				t.Logf("kubectl %s\n%s", strings.Join(command, " "), out)
			}
		}
	})
	return w
}

// process is one of Bailiwick's.
type process struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

const (
	authorizing = "bailiwick"
	serving     = "bailiwick-servers"
)

// start runs both processes, or those that are named, as their Deployments do.
func (w *world) start(names ...string) {
	w.Helper()
	if len(names) == 0 {
		names = []string{authorizing, serving}
	}
	for _, name := range names {
		w.startWith(name, nil)
	}
}

func (w *world) startWith(name string, change func(*app.Options)) {
	w.Helper()
	opts := app.NewOptions()
	opts.RESTConfig = w.account(name)
	opts.Namespace = operatorNamespace
	opts.WatchNamespaces = []string{w.ns}
	opts.LeaderElection.Enabled = false
	opts.HealthBindAddress, opts.MetricsBindAddress = "0", "0"
	opts.Controllers = []string{"OpenBaoCluster"}
	if name == serving {
		opts.Controllers = []string{"OpenBaoServers"}
	}
	opts.OpenBao.JobImage = jobImage
	opts.OpenBao.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(shared.Address(), "53"))
	}}
	if change != nil {
		change(opts)
	}
	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(),
		textlogger.NewLogger(textlogger.NewConfig(textlogger.Verbosity(2), textlogger.Output(w.logs)))))
	p := &process{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = app.Run(ctx, opts)
	}()
	w.processes[name] = p
}

// stop ends a process as SIGTERM does.
func (w *world) stop(name string) {
	w.Helper()
	p := w.processes[name]
	if p == nil {
		return
	}
	delete(w.processes, name)
	p.cancel()
	<-p.done
	if p.err != nil {
		w.Errorf("%s ended with: %v", name, p.err)
	}
}

// account returns access as a ServiceAccount of the operator's namespace.
func (w *world) account(name string) *rest.Config {
	w.Helper()
	answer, err := w.kube.CoreV1().ServiceAccounts(operatorNamespace).CreateToken(w.ctx, name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		w.Fatal(err)
	}
	config := shared.Config()
	config.CertData, config.KeyData, config.BearerToken = nil, nil, answer.Status.Token
	return config
}

// cluster returns an OpenBaoCluster of a few lines, whose servers the machine of the test
// may reach. They are patient with each other, since those of several tests share two
// processors; asNobodySays takes that back.
func (w *world) cluster(name string, change ...func(*openbaov1alpha1.OpenBaoCluster)) *openbaov1alpha1.OpenBaoCluster {
	w.Helper()
	c := &openbaov1alpha1.OpenBaoCluster{}
	if err := yaml.UnmarshalStrict(fmt.Appendf(nil, `
apiVersion: openbao.org/v1alpha1
kind: OpenBaoCluster
metadata: {name: %s, namespace: %s}
spec:
  version: %s
  image: %s
  profile: Development
  replicas: 3
  storage: {size: 100Mi}
  tls: {enabled: true, rotationPeriod: 720h}
  selfInit: {enabled: true}
  configuration: {raft: {performanceMultiplier: 5}}
  resources: {requests: {cpu: 10m, memory: 64Mi}}
  network:
    ingressRules:
      - from: [{ipBlock: {cidr: %s/32}}]
    # The DNS server of the node is no pod.
    egressRules:
      - to: [{ipBlock: {cidr: %s/32}}]
        ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
`, name, w.ns, baoimage.Version(), baoimage.Reference, shared.GatewayAddr(), shared.Address()), c); err != nil {
		w.Fatal(err)
	}
	for _, f := range change {
		f(c)
	}
	return c
}

// asNobodySays leaves the time limits of Raft to the default.
func asNobodySays(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Configuration.Raft = nil }

func (w *world) create(c *openbaov1alpha1.OpenBaoCluster) {
	w.Helper()
	if _, err := w.api.OpenBaoV1alpha1().OpenBaoClusters(w.ns).Create(w.ctx, c, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) get(name string) *openbaov1alpha1.OpenBaoCluster {
	w.Helper()
	c, err := w.api.OpenBaoV1alpha1().OpenBaoClusters(w.ns).Get(w.ctx, name, metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// grant lets Bailiwick run servers in the namespace, with the command that it prints.
func (w *world) grant() {
	w.Helper()
	w.sh("kubectl -n " + w.ns + " create rolebinding bailiwick-servers --clusterrole=bailiwick-servers-namespace --serviceaccount=bailiwick-system:bailiwick-servers")
}

// sh runs a command of a person.
func (w *world) sh(command string) string {
	w.Helper()
	cmd := exec.CommandContext(w.ctx, "bash", "-c", command)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+shared.Kubeconfig(), "PATH="+w.path())
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// path is where commands of a person are found.
func (w *world) path() string {
	w.Helper()
	bin, err := stack.Tool("kubectl")
	if err != nil {
		w.Fatal(err)
	}
	folder := w.TempDir()
	if err := os.Symlink(bin, filepath.Join(folder, "kubectl")); err != nil {
		w.Fatal(err)
	}
	return folder + ":" + os.Getenv("PATH")
}

// eventually waits until check returns nil.
func (w *world) eventually(what string, check func() error) {
	w.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("Waited for %s: %v", what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// condition returns nil once a condition has a status and, if one is given, a reason.
func (w *world) condition(name, conditionType string, status metav1.ConditionStatus, reason string) func() error {
	return func() error {
		c, err := w.api.OpenBaoV1alpha1().OpenBaoClusters(w.ns).Get(w.ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		found := meta.FindStatusCondition(c.Status.Conditions, conditionType)
		if found == nil {
			return errors.New("there is no condition " + conditionType)
		}
		if found.Status != status || reason != "" && found.Reason != reason || found.ObservedGeneration != c.Generation {
			return fmt.Errorf("%s is %s, %s: %s", conditionType, found.Status, found.Reason, found.Message)
		}
		return nil
	}
}

// ready waits until a cluster is Ready.
func (w *world) ready(name string) *openbaov1alpha1.OpenBaoCluster {
	w.Helper()
	w.eventually("the cluster to be Ready", w.condition(name, openbaov1alpha1.ConditionReady, metav1.ConditionTrue, ""))
	return w.get(name)
}

// probe asks one server what it is.
func (w *world) probe(cluster, pod string) (openbao.Node, error) {
	opts, err := w.optionsOf(cluster, pod)
	if err != nil {
		return openbao.Node{}, err
	}
	return openbao.ProbeNode(w.ctx, opts)
}

// serverOptions say how to reach one server with a token.
func (w *world) serverOptions(cluster, pod string, token openbao.Token) openbao.Options {
	w.Helper()
	opts, err := w.optionsOf(cluster, pod)
	if err != nil {
		w.Fatal(err)
	}
	opts.Token = token
	return opts
}

func (w *world) optionsOf(cluster, pod string) (openbao.Options, error) {
	secret, err := w.kube.CoreV1().Secrets(w.ns).Get(w.ctx, cluster+"-tls-server", metav1.GetOptions{})
	if err != nil {
		return openbao.Options{}, err
	}
	p, err := w.kube.CoreV1().Pods(w.ns).Get(w.ctx, pod, metav1.GetOptions{})
	if err != nil {
		return openbao.Options{}, err
	}
	if p.Status.PodIP == "" {
		return openbao.Options{}, errors.New("the pod has no address yet")
	}
	return openbao.Options{
		Address: "https://" + net.JoinHostPort(p.Status.PodIP, "8200"), ServerName: fmt.Sprintf("%s.%s.%s.svc", pod, cluster, w.ns),
		CABundle: secret.Data["ca.crt"], Timeout: 3 * time.Second,
	}, nil
}

// gone returns nil if an object does not exist.
func gone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		return errors.New("it exists")
	}
	return err
}

// logBuffer keeps the log of processes.
type logBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// Write implements io.Writer.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logBuffer) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.Split(l.all.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// contains reports whether a text is in the log.
func (l *logBuffer) contains(what string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.all.Bytes(), []byte(what))
}

// long skips a test that takes minutes unless BAILIWICK_LONG is set, as make soak does.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("BAILIWICK_LONG") == "" {
		t.Skip("takes minutes; run it with BAILIWICK_LONG=1, or by make soak")
	}
}
