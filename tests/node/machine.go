// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/bailiwick-operator/bailiwick/tests/internal/pki"
	"github.com/bailiwick-operator/bailiwick/tests/internal/process"
	"github.com/bailiwick-operator/bailiwick/tests/node/internal/agent"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// stopGrace is how long a program may take to end when it is asked to. Programs are
// asked only where a test stops one; those of a machine that goes are killed.
const stopGrace = 10 * time.Second

// machine is what every node is: namespaces of its own with containerd, kubelet,
// kube-proxy and the enforcer of NetworkPolicies in them.
type machine struct {
	name    string
	index   int
	address string
	cgroup  string
	// dir holds all files of the machine, and logs those that its programs write.
	dir   string
	logs  string
	agent *agent.Agent
	// binaries are the paths of all programs.
	binaries map[string]string
}

// newMachine makes the folder of a node and its agent, which removes it.
func newMachine(network *network, index int, name, logs string, binaries map[string]string, locks ...*os.File) (*machine, error) {
	dir, err := os.MkdirTemp("", network.machineName(index)+"-")
	if err != nil {
		return nil, err
	}
	m := &machine{
		name: name, index: index, address: network.address(index), cgroup: network.machineName(index),
		dir: dir, logs: filepath.Join(dir, "logs"), binaries: binaries,
	}
	if logs != "" {
		m.logs = filepath.Join(logs, name)
	}
	for _, folder := range []string{m.logs, m.path("cni"), m.path("images")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	if err := outsidePrivate(dir, m.logs); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if m.agent, err = agent.Start(agent.Spec{Hostname: name, Dir: dir, Cgroup: m.cgroup, Uplink: uplink}, locks...); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return m, nil
}

func (m *machine) path(elements ...string) string {
	return filepath.Join(append([]string{m.dir}, elements...)...)
}

func (m *machine) socket() string { return m.path("containerd.sock") }

func (m *machine) write(name string, content []byte) error {
	return os.WriteFile(m.path(name), content, 0o600)
}

// program starts a program of the machine.
func (m *machine) program(name string, args ...string) (*process.Process, error) {
	path, found := m.binaries[name]
	if !found {
		return nil, fmt.Errorf("no program of a node is called %s", name)
	}
	p := &process.Process{
		Name: name, Path: path, LogFile: filepath.Join(m.logs, name+".log"), Grace: stopGrace, Launch: m.agent.Launch,
	}
	return p, p.Start(args)
}

// access writes the kubeconfig of a program that has the rights of a user.
func (m *machine) access(ca *pki.Authority, server, program, user string, groups ...string) error {
	pair, err := ca.Client(user, groups...)
	if err != nil {
		return err
	}
	return stack.WriteKubeconfig(m.path(program+".kubeconfig"), &rest.Config{Host: server, TLSClientConfig: rest.TLSClientConfig{
		CAData: ca.PEM, CertData: pair.Certificate, KeyData: pair.Key,
	}})
}

// prepare writes what the programs of every node read.
func (m *machine) prepare(network *network, ca *pki.Authority, server string) error {
	folder, err := pluginFolder()
	if err != nil {
		return err
	}
	serving, err := ca.Server([]net.IP{net.ParseIP(m.address)}, m.name)
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"ca.crt":          ca.PEM,
		"kubelet.crt":     serving.Certificate,
		"kubelet.key":     serving.Key,
		"containerd.toml": []byte(containerdConfig(m, folder)),
		"resolv.conf":     []byte("nameserver " + network.address(0) + "\n"),
	}
	for name, document := range map[string]object{
		"cni/pods.conflist": cniConfig(m, network.pods(m.index)),
		"kubelet.json":      kubeletConfig(m, network.address(0)),
		"kube-proxy.json":   proxyConfig(m, network.pods(m.index)),
	} {
		if files[name], err = render(document); err != nil {
			return err
		}
	}
	for name, content := range files {
		if err := m.write(name, content); err != nil {
			return err
		}
	}
	return errors.Join(
		m.access(ca, server, "kubelet", "system:node:"+m.name, "system:nodes"),
		m.access(ca, server, "kube-proxy", "system:kube-proxy"),
		m.access(ca, server, "kube-router", "kube-router", "system:masters"),
	)
}

// startContainerd starts containerd and waits until it answers. kubelet gives up
// without it.
func (m *machine) startContainerd(ctx context.Context) error {
	p, err := m.program("containerd", "--config", m.path("containerd.toml"))
	if err != nil {
		return err
	}
	return p.WaitReady(ctx, func(ctx context.Context) error {
		_, err := m.ctr(ctx, "version")
		return err
	})
}

// importImages gives the machine images.
func (m *machine) importImages(ctx context.Context, images []imageFile) error {
	for _, image := range images {
		if err := m.importImage(ctx, image); err != nil {
			return err
		}
	}
	return nil
}

// ctr runs containerd's client.
func (m *machine) ctr(ctx context.Context, args ...string) (string, error) {
	return m.agent.Run(ctx, "", "ctr", append([]string{"--address", m.socket(), "--namespace", "k8s.io"}, args...)...)
}

// importImage gives the machine an image.
func (m *machine) importImage(ctx context.Context, image imageFile) error {
	// With its digest as another name, pods can ask for exactly this image.
	_, err := m.ctr(ctx, "images", "import", "--digests", "--base-name", image.repository, image.file)
	return err
}

// startNode starts the programs of the node, and waits until it is Ready.
func (m *machine) startNode(ctx context.Context, network *network, client kubernetes.Interface) error {
	kubelet, err := m.program("kubelet",
		"--config="+m.path("kubelet.json"),
		"--kubeconfig="+m.path("kubelet.kubeconfig"),
		"--root-dir="+m.path("kubelet"),
		"--cert-dir="+m.path("kubelet-certificates"),
		"--hostname-override="+m.name,
		"--node-ip="+m.address,
	)
	if err != nil {
		return err
	}
	proxy, err := m.program("kube-proxy", "--config="+m.path("kube-proxy.json"))
	if err != nil {
		return err
	}
	if err := together(ctx,
		func(ctx context.Context) error {
			return kubelet.WaitReady(ctx, func(ctx context.Context) error { return nodeReady(ctx, client, m.name) })
		},
		func(ctx context.Context) error {
			return proxy.WaitReady(ctx, process.HTTPReady(fmt.Sprintf("http://%s:%d/healthz", m.address, proxyHealthPort)))
		},
	); err != nil {
		return err
	}
	router, err := m.program("kube-router",
		"--kubeconfig="+m.path("kube-router.kubeconfig"),
		"--hostname-override="+m.name,
		"--service-cluster-ip-range="+network.services(),
		"--run-router=false",
		"--run-service-proxy=false",
		"--run-firewall=true",
		fmt.Sprintf("--health-port=%d", routerHealthPort),
	)
	if err != nil {
		return err
	}
	return router.WaitReady(ctx, process.HTTPReady(fmt.Sprintf("http://%s:%d/healthz", m.address, routerHealthPort)))
}

func nodeReady(ctx context.Context, client kubernetes.Interface, name string) error {
	node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			if condition.Status == corev1.ConditionTrue {
				return nil
			}
			return fmt.Errorf("node %s is not Ready: %s", name, condition.Message)
		}
	}
	return fmt.Errorf("node %s has no condition Ready", name)
}

// outsidePrivate fails for paths that programs of a machine would not see.
func outsidePrivate(paths ...string) error {
	for _, path := range paths {
		for _, folder := range agent.Private {
			if strings.HasPrefix(path, folder+"/") {
				return fmt.Errorf("a node has a %s of its own, and would not see %s: set TMPDIR or BAILIWICK_CACHE to a folder elsewhere", folder, path)
			}
		}
	}
	return nil
}
