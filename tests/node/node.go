// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/bailiwick-operator/bailiwick/tests/internal/controlplane"
	"github.com/bailiwick-operator/bailiwick/tests/internal/pki"
	"github.com/bailiwick-operator/bailiwick/tests/internal/process"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// patience is how long a start may take on a busy machine, at most.
const patience = 5 * time.Minute

// tools are the programs of a cluster that hack/build-tools.sh builds.
var tools = [...]string{
	"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy",
	"kube-router", "coredns", "provisioner", "pause", "probe",
}

// ClusterName is the name of the first node of a cluster. Further ones are called
// node-1, node-2 and so on.
const ClusterName = "node"

// Options configure a cluster.
type Options struct {
	// Logs is a folder for the logs of all programs, one folder a node, that stays.
	// By default they go with the node; an error of Start quotes them in any case.
	Logs string
	// Images are OCI layouts, folders or archives, that the node has from the start.
	Images []string
	// APIServerArgs are added to the arguments of the API server.
	APIServerArgs []string

	// ids are those that the cluster may have, unless they are commonIDs.
	ids ids
}

// Node is a cluster with one node, and more on demand.
type Node struct {
	opts     Options
	network  *network
	machine  *machine
	ca       *pki.Authority
	admin    pki.KeyPair
	client   kubernetes.Interface
	binaries map[string]string

	mu      sync.Mutex
	stopped bool
	images  []imageFile
	workers map[int]*Worker
}

// Start starts a cluster and returns when its node is Ready, names are resolved and
// pods can be made. ctx bounds the start only, which takes no longer than five minutes;
// the cluster runs until Stop, and no longer than this process. After an error nothing
// is left running.
func Start(ctx context.Context, opts Options) (*Node, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if opts.ids == (ids{}) {
		opts.ids = commonIDs
	}
	n := &Node{opts: opts, workers: map[int]*Worker{}}
	if err := n.start(ctx); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

func (n *Node) start(ctx context.Context) error {
	if err := n.findBinaries(); err != nil {
		return err
	}
	var err error
	if n.network, err = acquireNetwork(ctx, n.opts.ids); err != nil {
		return err
	}
	if n.machine, err = newMachine(n.network, 0, ClusterName, n.opts.Logs, n.binaries, n.network.lock); err != nil {
		return err
	}
	if err := n.prepare(); err != nil {
		return err
	}
	if err := n.network.connect(ctx, n.machine.agent); err != nil {
		return err
	}
	if err := n.loadOwnImages(); err != nil {
		return err
	}
	for _, path := range n.opts.Images {
		if _, err := n.addImage(path); err != nil {
			return err
		}
	}

	if err := together(ctx, n.machine.startContainerd, n.startControlPlane); err != nil {
		return err
	}
	return together(ctx, n.startCoreDNS, n.startVolumes,
		func(ctx context.Context) error { return n.machine.startNode(ctx, n.network, n.client) },
		func(ctx context.Context) error { return n.machine.importImages(ctx, n.images) },
	)
}

// together runs steps in parallel, until all are done or one fails.
func together(ctx context.Context, steps ...func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, step := range steps {
		group.Go(func() error { return step(ctx) })
	}
	return group.Wait()
}

// findBinaries finds all programs, before any starts.
func (n *Node) findBinaries() error {
	paths := make([]string, len(tools))
	var group errgroup.Group
	for i, name := range tools {
		group.Go(func() (err error) {
			paths[i], err = stack.Tool(name)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	containerd, err := exec.LookPath("containerd")
	if err != nil {
		return err
	}
	n.binaries = map[string]string{"containerd": containerd}
	for i, name := range tools {
		n.binaries[name] = paths[i]
	}
	return outsidePrivate(paths...)
}

// prepare writes certificates, credentials and settings.
func (n *Node) prepare() error {
	var err error
	if n.ca, err = pki.NewAuthority("kubernetes-ca"); err != nil {
		return err
	}
	server, err := n.ca.Server([]net.IP{net.ParseIP(n.network.address(0)), net.ParseIP(n.network.firstService())},
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
	if err != nil {
		return err
	}
	if n.admin, err = n.ca.Client("admin", "system:masters"); err != nil {
		return err
	}
	// What the API server shows to kubelets, for logs and the like.
	kubeletClient, err := n.ca.Client("kube-apiserver", "system:masters")
	if err != nil {
		return err
	}
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	signingKey, err := pki.EncodeKey(signer)
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"apiserver.crt":         server.Certificate,
		"apiserver.key":         server.Key,
		"apiserver-kubelet.crt": kubeletClient.Certificate,
		"apiserver-kubelet.key": kubeletClient.Key,
		"service-account.key":   signingKey,
		"Corefile":              []byte(corefile(n.machine)),
	} {
		if err := n.machine.write(name, content); err != nil {
			return err
		}
	}
	if n.client, err = kubernetes.NewForConfig(n.probeConfig()); err != nil {
		return err
	}
	return errors.Join(
		stack.WriteKubeconfig(n.Kubeconfig(), n.Config()),
		// Controllers with an account each would start some seconds later, when all
		// accounts have a token.
		n.machine.access(n.ca, n.server(), "kube-controller-manager", "system:kube-controller-manager", "system:masters"),
		n.machine.access(n.ca, n.server(), "kube-scheduler", "system:kube-scheduler"),
		n.machine.access(n.ca, n.server(), "coredns", "coredns", "system:masters"),
		n.machine.access(n.ca, n.server(), "provisioner", "provisioner", "system:masters"),
		n.machine.prepare(n.network, n.ca, n.server()),
	)
}

// startControlPlane starts etcd, the API server, the controllers and the scheduler,
// and returns when the API server is ready.
func (n *Node) startControlPlane(ctx context.Context) error {
	m := n.machine
	const etcd = "127.0.0.1:2379"
	metrics := net.JoinHostPort(m.address, fmt.Sprint(etcdMetricsPort))
	storage, err := m.program("etcd", controlplane.Etcd{
		DataDir: m.path("etcd"), Client: etcd, Peer: "127.0.0.1:2380", Metrics: metrics,
	}.Args()...)
	if err != nil {
		return err
	}
	if err := storage.WaitReady(ctx, process.HTTPReady("http://"+metrics+"/readyz")); err != nil {
		return err
	}
	signingKey := m.path("service-account.key")
	server, err := m.program("kube-apiserver", append(append(controlplane.APIServer{
		Etcd: etcd, Address: m.address, Port: apiServerPort, Services: n.network.services(),
		Authorization: "Node,RBAC",
		Certificate:   m.path("apiserver.crt"), Key: m.path("apiserver.key"), ClientCA: m.path("ca.crt"),
		Issuer: stack.DefaultIssuer, SigningKey: signingKey, VerifyingKeys: []string{signingKey},
	}.Args(),
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		// Nobody takes the address of an API server away that ends.
		"--endpoint-reconciler-type=master-count",
		"--kubelet-client-certificate="+m.path("apiserver-kubelet.crt"),
		"--kubelet-client-key="+m.path("apiserver-kubelet.key"),
		"--kubelet-certificate-authority="+m.path("ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
	), n.opts.APIServerArgs...)...)
	if err != nil {
		return err
	}
	if err := server.WaitReady(ctx, func(ctx context.Context) error {
		return n.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	}); err != nil {
		return err
	}
	if _, err := m.program("kube-scheduler",
		"--kubeconfig="+m.path("kube-scheduler.kubeconfig"),
		"--bind-address=127.0.0.1",
		"--leader-elect=false",
	); err != nil {
		return err
	}
	_, err = m.program("kube-controller-manager", append(controlplane.ControllerManager{
		Kubeconfig: m.path("kube-controller-manager.kubeconfig"), Address: "127.0.0.1", Port: 10257,
		RootCA: m.path("ca.crt"), SigningKey: signingKey,
	}.Args(),
		"--allocate-node-cidrs=false",
		"--flex-volume-plugin-dir="+m.path("volume-plugins"),
		// A node that is lost is found to be within a test.
		"--node-monitor-period=2s",
		"--node-monitor-grace-period=20s",
	)...)
	return err
}

func (n *Node) startCoreDNS(ctx context.Context) error {
	p, err := n.machine.program("coredns", "-conf", n.machine.path("Corefile"))
	if err != nil {
		return err
	}
	return p.WaitReady(ctx, process.HTTPReady(fmt.Sprintf("http://%s:%d/ready", n.machine.address, dnsReadyPort)))
}

// startVolumes starts the provisioner, makes the default class of its volumes, and
// waits until pods can be made.
func (n *Node) startVolumes(ctx context.Context) error {
	volumes := n.machine.path("volumes")
	p, err := n.machine.program("provisioner",
		"--kubeconfig="+n.machine.path("provisioner.kubeconfig"),
		"--name="+provisionerName,
		"--folder="+volumes,
	)
	if err != nil {
		return err
	}
	// A volume is on the node of the first pod that uses it.
	late := storagev1.VolumeBindingWaitForFirstConsumer
	_, err = n.client.StorageV1().StorageClasses().Create(ctx, &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name:        className,
			Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner: provisionerName, VolumeBindingMode: &late,
		// Nothing resizes: what is asked for is recorded.
		AllowVolumeExpansion: new(true),
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("making the default storage class: %w", err)
	}
	return p.WaitReady(ctx, func(ctx context.Context) error {
		_, err := n.client.CoreV1().ServiceAccounts(corev1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// Stop ends the cluster with all its nodes, waits for that and removes everything
// that is left of it. It may be called more than once.
func (n *Node) Stop() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stopped {
		return nil
	}
	n.stopped = true
	var errs []error
	if n.client != nil {
		// Nobody answers on these any more, not even to say so.
		client, err := rest.HTTPClientFor(n.Config())
		if err == nil {
			utilnet.CloseIdleConnectionsFor(client.Transport)
		}
		errs = append(errs, err)
	}
	// No worker outlives the network that it is in.
	var group errgroup.Group
	for _, w := range n.workers {
		group.Go(w.machine.agent.Stop)
	}
	errs = append(errs, group.Wait())
	if n.machine != nil {
		errs = append(errs, n.machine.agent.Stop())
	}
	if n.network != nil {
		// Agents leave nothing, unless they were killed.
		errs = append(errs, n.network.sweep(context.Background()), n.network.close())
	}
	return errors.Join(errs...)
}

// Name is the name of the first node.
func (n *Node) Name() string { return ClusterName }

// Address is the address of the first node, for NodePorts; the API server is there
// too.
func (n *Node) Address() string { return n.network.address(0) }

// GatewayAddr is the address of this machine in the cluster's network: pods reach
// what listens there, and this machine reaches pods, Services and nodes by their own
// addresses.
func (n *Node) GatewayAddr() string { return n.network.gateway() }

// Kubeconfig is the path of a file with the administrator's access.
func (n *Node) Kubeconfig() string { return n.machine.path("admin.kubeconfig") }

// CAPEM is the certificate of the authority behind the API server.
func (n *Node) CAPEM() []byte { return n.ca.PEM }

// Config returns the administrator's access, without a client-side rate limit. The
// caller owns it.
func (n *Node) Config() *rest.Config {
	return &rest.Config{
		Host:            n.server(),
		TLSClientConfig: rest.TLSClientConfig{CAData: n.ca.PEM, CertData: n.admin.Certificate, KeyData: n.admin.Key},
		QPS:             -1,
	}
}

// probeConfig returns the administrator's access for questions that are asked again
// if the answer is late.
func (n *Node) probeConfig() *rest.Config {
	config := n.Config()
	config.Timeout = 10 * time.Second
	return config
}

func (n *Node) server() string {
	return fmt.Sprintf("https://%s:%d", n.network.address(0), apiServerPort)
}

// Run runs a program of this machine in the namespaces of the first node, such as
// nft or ctr, and returns what it has printed.
func (n *Node) Run(ctx context.Context, program string, args ...string) (string, error) {
	return n.machine.agent.Run(ctx, "", program, args...)
}

// loadOwnImages makes the images that every node has.
func (n *Node) loadOwnImages() error {
	for reference, program := range map[string]string{pauseImage: "pause", ProbeImage: "probe"} {
		folder := filepath.Join(n.machine.dir, program+"-image")
		if err := WriteImage(folder, reference, n.binaries[program]); err != nil {
			return err
		}
		if _, err := n.addImage(folder); err != nil {
			return err
		}
	}
	return nil
}
