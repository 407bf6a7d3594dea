// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// asBao makes the test binary behave as bao, so that no other binary is needed.
const asBao = "BAO_TEST_RUN_AS_BAO"

func TestMain(m *testing.M) {
	if os.Getenv(asBao) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for servers; the machine may be busy.
const patience = 90 * time.Second

// testToken is created by the initialize blocks of the tests, which have no
// other way to a token: the root token is revoked.
const testToken = "test-token"

// cluster is what the nodes of a test share.
type cluster struct {
	t     *testing.T
	dir   string
	ca    *x509.Certificate
	caKey *ecdsa.PrivateKey
	roots *x509.CertPool
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), roots: x509.NewCertPool()}
	var err error
	if c.caKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, c.caKey.Public(), c.caKey)
	if err != nil {
		t.Fatal(err)
	}
	if c.ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	c.roots.AddCert(c.ca)
	c.write("ca.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	c.write("unseal.key", key)
	c.issue(2)
	return c
}

// issue replaces the certificate of all nodes.
func (c *cluster) issue(serial int64) {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: c.ca.NotBefore, NotAfter: c.ca.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, c.ca, key.Public(), c.caKey)
	if err != nil {
		c.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write("tls.key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
	c.write("tls.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func (c *cluster) path(file string) string { return filepath.Join(c.dir, file) }

func (c *cluster) write(file string, content []byte) {
	c.t.Helper()
	if err := os.WriteFile(c.path(file), content, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// node is one server with its files.
type node struct {
	*cluster
	name string
	port int
	env  []string

	command *exec.Cmd
	log     *logBuffer
	exited  chan struct{}
}

// newNodes returns nodes that name all of them, and one that does not exist, in
// retry_join. extra is added to every configuration.
func (c *cluster) newNodes(count int, extra string) []*node {
	c.t.Helper()
	var nodes []*node
	for i := range count {
		nodes = append(nodes, &node{cluster: c, name: fmt.Sprintf("node-%d", i), port: freePorts(c.t)})
	}
	joins := retryJoin("https://no-such-server.invalid:8200", c.path("ca.crt"))
	for _, n := range nodes {
		joins += retryJoin(n.url(), c.path("ca.crt"))
	}
	for _, n := range nodes {
		if err := os.MkdirAll(c.path(n.name+"/config"), 0o700); err != nil {
			c.t.Fatal(err)
		}
		c.write(n.name+"/config/server.hcl", fmt.Appendf(nil, `
cluster_name = "demo"
listener "tcp" {
  address            = "127.0.0.1:%[2]d"
  tls_cert_file      = "%[1]s/tls.crt"
  tls_key_file       = "%[1]s/tls.key"
  tls_client_ca_file = "%[1]s/ca.crt"
}
storage "raft" {
  path                   = "%[1]s/%[3]s/data"
  performance_multiplier = 1
  %[4]s
}
seal "static" {
  current_key    = "file://%[1]s/unseal.key"
  current_key_id = "1"
}
%[5]s
`, c.dir, n.port, n.name, joins, extra))
	}
	return nodes
}

func retryJoin(url, ca string) string {
	return fmt.Sprintf(`
  retry_join {
    leader_api_addr     = %q
    leader_ca_cert_file = %q
  }
`, url, ca)
}

// freePorts returns a port that is free, as is the one after it.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 100 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := first.Addr().(*net.TCPAddr).Port
		second, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
		_ = first.Close()
		if err == nil {
			_ = second.Close()
			return port
		}
	}
	t.Fatal("no two adjacent ports are free")
	return 0
}

func (n *node) url() string { return fmt.Sprintf("https://127.0.0.1:%d", n.port) }

// initialize gives the node the initialize blocks, or takes them away.
func (n *node) initialize(blocks string) {
	n.t.Helper()
	file := n.path(n.name + "/config/initialize.hcl")
	if blocks == "" {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			n.t.Fatal(err)
		}
		return
	}
	n.write(n.name+"/config/initialize.hcl", []byte(blocks))
}

func (n *node) wipe() {
	n.t.Helper()
	if err := os.RemoveAll(n.path(n.name + "/data")); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) start() {
	n.t.Helper()
	n.log = &logBuffer{}
	n.command = exec.Command(os.Args[0], "server", "-config="+n.path(n.name+"/config"))
	n.command.Env = append(os.Environ(), asBao+"=1", "BAO_RAFT_NODE_ID="+n.name)
	n.command.Env = append(n.command.Env, n.env...)
	n.command.Stdout, n.command.Stderr = n.log, n.log
	if err := n.command.Start(); err != nil {
		n.t.Fatal(err)
	}
	command, exited := n.command, make(chan struct{})
	n.exited = exited
	go func() {
		_ = command.Wait()
		close(exited)
	}()
	log := n.log
	n.t.Cleanup(func() {
		_ = command.Process.Kill()
		<-exited
		if n.t.Failed() {
			n.t.Logf("log of %s:\n%s", n.name, log.tail())
		}
	})
}

// wait waits for the end of the process and returns its exit code, which is -1
// if a signal has ended it.
func (n *node) wait() int {
	n.t.Helper()
	select {
	case <-n.exited:
		return n.command.ProcessState.ExitCode()
	case <-time.After(patience):
		n.t.Fatalf("%s has not exited", n.name)
		return 0
	}
}

func (n *node) stop(signal os.Signal) int {
	n.t.Helper()
	if err := n.command.Process.Signal(signal); err != nil {
		n.t.Fatal(err)
	}
	return n.wait()
}

// request sends a request and decodes its answer into answer, unless it is nil.
func (n *node) request(method, path string, body, answer any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, n.url()+"/v1/"+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	request.Header.Set("X-Vault-Token", testToken)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: n.roots}, DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if path != "sys/health" && response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, content)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(content, answer)
}

type health struct {
	Initialized bool
	Sealed      bool
	Standby     bool
	Version     string
	ClusterID   string `json:"cluster_id"`
}

func (n *node) health() (health, error) {
	var h health
	return h, n.request(http.MethodGet, "sys/health", nil, &h)
}

// waitHealthy returns the health of the node as soon as it is unsealed and knows
// its cluster.
func (n *node) waitHealthy() health {
	n.t.Helper()
	var h health
	n.until("healthy", func() (err error) {
		if h, err = n.health(); err == nil && (h.Sealed || h.ClusterID == "") {
			err = fmt.Errorf("health is %+v", h)
		}
		return err
	})
	return h
}

// voters returns the names of the voting peers, and of the leader.
func (n *node) voters() (voters []string, leader string, err error) {
	var answer struct {
		Data struct {
			Config struct {
				Servers []struct {
					NodeID string `json:"node_id"`
					Voter  bool
					Leader bool
				}
			}
		}
	}
	err = n.request(http.MethodGet, "sys/storage/raft/configuration", nil, &answer)
	for _, s := range answer.Data.Config.Servers {
		if s.Voter {
			voters = append(voters, s.NodeID)
		}
		if s.Leader {
			leader = s.NodeID
		}
	}
	return voters, leader, err
}

func (n *node) waitVoters(want int) (leader string) {
	n.t.Helper()
	n.until(fmt.Sprintf("in a cluster of %d voters", want), func() error {
		voters, current, err := n.voters()
		if err == nil && (len(voters) != want || current == "") {
			err = fmt.Errorf("voters %v, leader %q", voters, current)
		}
		leader = current
		return err
	})
	return leader
}

// until repeats try until it returns nil.
func (n *node) until(what string, try func() error) {
	n.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("%s is not %s: %v", n.name, what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (n *node) waitLog(text string) {
	n.t.Helper()
	n.until("logging "+text, func() error {
		if !n.log.contains(text) {
			return errors.New("not yet")
		}
		return nil
	})
}

// logBuffer keeps the output of a process.
type logBuffer struct {
	mu      sync.Mutex
	content bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.String()
}

func (b *logBuffer) contains(text string) bool { return strings.Contains(b.String(), text) }

// tail returns the last lines.
func (b *logBuffer) tail() string {
	lines := strings.Split(b.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-60):], "\n")
}
