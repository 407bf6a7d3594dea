// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/pkg/certs"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// paperServers stand for the servers of all clusters: what is asked of them is counted,
// and they are as they should be. There are no pods behind them that run.
type paperServers struct {
	requests atomic.Int64
	// lease is that of a login.
	lease time.Duration
	// certificate returns the serial number of what the servers of a cluster were given.
	certificate func(cluster string) (string, error)
}

// probe is that of one server: the first one leads.
func (p *paperServers) probe(_ context.Context, opts openbao.Options) (openbao.Node, error) {
	p.requests.Add(1)
	pod, rest, _ := strings.Cut(strings.TrimPrefix(opts.Address, "https://"), ".")
	cluster, _, _ := strings.Cut(rest, ".")
	serial, err := p.certificate(cluster)
	if err != nil {
		return openbao.Node{}, err
	}
	return openbao.Node{CertificateSerial: serial, Health: openbao.Health{
		Initialized: true, Standby: !strings.HasSuffix(pod, "-0"), Version: "2.6.2", ClusterID: "id-of-" + cluster,
	}}, nil
}

func (p *paperServers) connect(opts openbao.Options) (openbao.Interface, error) {
	return &paperClient{servers: p, address: opts.Address}, nil
}

// paperClient is a client of one server. What is not expected of it panics.
type paperClient struct {
	openbao.Interface
	servers *paperServers
	address string
}

func (c *paperClient) As(openbao.Token) (openbao.Interface, error) { return c, nil }

func (c *paperClient) LoginJWT(context.Context, string, string, openbao.Token) (openbao.Login, error) {
	c.servers.requests.Add(1)
	return openbao.Login{Token: openbao.NewToken("paper"), TTL: c.servers.lease}, nil
}

func (c *paperClient) Peers(context.Context) ([]openbao.Peer, error) {
	c.servers.requests.Add(1)
	_, rest, _ := strings.Cut(c.address, ".")
	cluster, _, _ := strings.Cut(rest, ".")
	var peers []openbao.Peer
	for i := range 3 {
		peers = append(peers, openbao.Peer{ID: fmt.Sprintf("%s-%d", cluster, i), Voter: true, Leader: i == 0})
	}
	return peers, nil
}

func (c *paperClient) Autopilot(ctx context.Context) (openbao.Autopilot, error) {
	peers, err := c.Peers(ctx)
	state := openbao.Autopilot{Healthy: true}
	for _, p := range peers {
		state.Servers = append(state.Servers, openbao.AutopilotServer{ID: p.ID, Healthy: true, LastIndex: 7})
	}
	return state, err
}

// AutopilotConfig is as the spec wants it.
func (c *paperClient) AutopilotConfig(context.Context) (map[string]any, error) {
	c.servers.requests.Add(1)
	return serverconfig.Autopilot(&openbaov1alpha1.OpenBaoCluster{})
}

func (c *paperClient) RevokeSelf(context.Context) error {
	c.servers.requests.Add(1)
	return nil
}

func (c *paperClient) Close() {}

// writeCounter counts the writes of a client: all that the API server stores, which are
// not requests for tokens. There is no election in this test, whose Lease
// (bailiwick-servers in bailiwick-system) would be the one thing that is written at rest.
type writeCounter struct {
	next   http.RoundTripper
	writes *atomic.Int64
	log    func(string)
}

// RoundTrip implements http.RoundTripper.
func (w *writeCounter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/serviceaccounts/"+serversAccount+"/token") {
		w.writes.Add(1)
		w.log(r.Method + " " + r.URL.Path)
	}
	return w.next.RoundTrip(r)
}

// mostMemory is what each further cluster may take.
const mostMemory = 100 << 10

// TestServersAtRest has many clusters whose servers are as they should be: nothing is
// written, and a fixed number of requests goes to the servers. BAILIWICK_CLUSTERS is how
// many; the figures are in tests/bench/README.md. It is not parallel, since it measures
// the heap.
func TestServersAtRest(t *testing.T) {
	clusters := 10
	if n, err := strconv.Atoi(os.Getenv("BAILIWICK_CLUSTERS")); err == nil && n > 1 {
		clusters = n
	}
	// An hour at the default interval takes as many looks as this.
	const look = 5 * time.Second
	hour := look * (time.Hour / app.NewOptions().PollInterval)
	e := newEnv(t, aivensim.Options{})
	// What the operator logs would count as its memory.
	e.verbosity = 0
	ctx, cancel := context.WithTimeout(context.Background(), envTime+time.Duration(clusters)*10*time.Second)
	t.Cleanup(cancel)
	e.ctx = ctx
	if _, err := e.kube.RbacV1().RoleBindings(e.ns).Create(e.ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bailiwick-servers"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "bailiwick-servers-namespace"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: operatorNamespace, Name: serversAccount}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	config, err := e.cluster.ServiceAccountConfig(e.ctx, operatorNamespace, serversAccount)
	if err != nil {
		t.Fatal(err)
	}
	var writes atomic.Int64
	var noted atomic.Value
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &writeCounter{next: next, writes: &writes, log: func(what string) { noted.Store(what) }}
	})
	servers := &paperServers{lease: hour, certificate: e.certificates()}
	go runPods(e.ctx, e.kube, e.ns)
	e.start(func(o *app.Options) {
		o.RESTConfig = config
		o.Controllers = []string{"OpenBaoServers"}
		o.PollInterval = look
		o.OpenBao.Connect, o.OpenBao.Probe = servers.connect, servers.probe
	})
	// rest waits until nothing was written for two looks.
	rest := func() {
		e.within(patience+time.Duration(clusters)*5*time.Second, "the last writes of the starts", func() error {
			writes.Store(0)
			time.Sleep(2 * look)
			if n := writes.Load(); n > 0 {
				return fmt.Errorf("%d writes in %s, the last one %v", n, 2*look, noted.Load())
			}
			return nil
		})
	}
	e.createServers(0, clusters/2)
	e.allRun(clusters / 2)
	rest()
	half := heap()
	e.createServers(clusters/2, clusters)
	e.allRun(clusters)
	rest()
	perCluster := float64(heap()-half) / float64(clusters-clusters/2)

	writes.Store(0)
	before := servers.requests.Load()
	time.Sleep(hour)
	if n := writes.Load(); n != 0 {
		t.Errorf("%d writes at rest, the last one %v", n, noted.Load())
	}
	perHour := float64(servers.requests.Load()-before) / float64(clusters)
	t.Logf("%d clusters: %.1f requests an hour to the servers of each, %.1f KiB of heap for each further cluster", clusters, perHour, perCluster/1024)
	// Looks come after the interval and up to 20 % of it as jitter, so that fewer than half
	// of them would be a controller that has stopped.
	if perHour > 60 || perHour < 15 {
		t.Errorf("%.1f requests an hour to the servers of a cluster, want from 15 to 60", perHour)
	}
	// With a few clusters, what is shared by all outweighs them.
	if clusters >= 100 && perCluster > mostMemory {
		t.Errorf("%.1f KiB for each further cluster, want %d at most", perCluster/1024, mostMemory>>10)
	}
}

// certificates returns a lookup of the serial number of a cluster's certificate, which is
// read once.
func (e *env) certificates() func(cluster string) (string, error) {
	var known sync.Map
	return func(cluster string) (string, error) {
		if serial, ok := known.Load(cluster); ok {
			return serial.(string), nil
		}
		secret, err := e.kube.CoreV1().Secrets(e.ns).Get(e.ctx, cluster+"-tls-server", metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		block, _ := pem.Decode(secret.Data[corev1.TLSCertKey])
		if block == nil {
			return "", fmt.Errorf("the Secret of %s has no certificate", cluster)
		}
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", err
		}
		known.Store(cluster, certs.Serial(leaf))
		return certs.Serial(leaf), nil
	}
}

func (e *env) createServers(from, to int) {
	e.Helper()
	for i := from; i < to; i++ {
		c := &openbaov1alpha1.OpenBaoCluster{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("paper%d", i), Namespace: e.ns},
			Spec: openbaov1alpha1.OpenBaoClusterSpec{
				Version: "2.6.2", Profile: openbaov1alpha1.ProfileDevelopment, Replicas: new(int32(3)),
				Storage:  &openbaov1alpha1.StorageSpec{Size: "1Gi"},
				TLS:      &openbaov1alpha1.TLSSpec{Enabled: true, RotationPeriod: "720h"},
				SelfInit: &openbaov1alpha1.SelfInitSpec{Enabled: true},
			},
		}
		if _, err := e.api.OpenBaoV1alpha1().OpenBaoClusters(e.ns).Create(e.ctx, c, metav1.CreateOptions{}); err != nil {
			e.Fatal(err)
		}
	}
}

// allRun waits until the servers of all clusters run. What their identities may do is
// the bootstrapper's to say, which does not run here.
func (e *env) allRun(n int) {
	e.Helper()
	e.within(patience+time.Duration(n)*5*time.Second, "all servers to run", func() error {
		list, err := e.api.OpenBaoV1alpha1().OpenBaoClusters(e.ns).List(e.ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		running := 0
		var last string
		for _, c := range list.Items {
			// Its certificate is what servers show, once all is as it should be.
			if meta.IsStatusConditionTrue(c.Status.Conditions, openbaov1alpha1.ConditionTLSReady) && meta.IsStatusConditionTrue(c.Status.Conditions, openbaov1alpha1.ConditionClusterLifecycle) {
				running++
			} else if found := meta.FindStatusCondition(c.Status.Conditions, openbaov1alpha1.ConditionClusterLifecycle); found != nil {
				last = found.Message
			}
		}
		if running < n {
			return fmt.Errorf("%d of %d run; %s", running, n, last)
		}
		return nil
	})
}

// runPods does what a kubelet does to a pod's status, until ctx ends.
func runPods(ctx context.Context, kube kubernetes.Interface, namespace string) {
	for ctx.Err() == nil {
		pods, err := kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{FieldSelector: "status.phase=Pending"})
		for i := 0; err == nil && i < len(pods.Items); i++ {
			pod := &pods.Items[i]
			now := metav1.Now()
			pod.Status.Phase = corev1.PodRunning
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: now}}
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
				Name: "openbao", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
			}}
			_, err = kube.CoreV1().Pods(namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{})
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // It fits.
}
