// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/certs"
	bao "github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// paperServers stand for the servers of all clusters, and count what is asked of them.
type paperServers struct {
	api *apiServer

	mu       sync.Mutex
	requests int
	clusters map[string]*paperCluster
}

// paperCluster is the storage that the servers of one cluster share.
type paperCluster struct {
	name, namespace string
	initialized     bool
	// joined are the servers that have been asked since there is a cluster to join.
	joined map[string]bool
	// contract are the roles of the auth mount.
	contract map[string]bool
	// root is the token that may do everything, empty once it is revoked.
	root string
	// refuse, if set, is the answer to a request to initialize the first server.
	refuse error
	asked  int
}

func refused(class bao.Class, status int, detail string) error {
	return &bao.Error{Class: class, Op: "ask", StatusCode: status, Detail: detail}
}

// at returns the cluster of a server, and its ordinal.
func (p *paperServers) at(address string) (*paperCluster, string) {
	pod, rest, _ := strings.Cut(strings.TrimPrefix(address, "https://"), ".")
	name, rest, _ := strings.Cut(rest, ".")
	namespace, _, _ := strings.Cut(rest, ".")
	c := p.clusters[name]
	if c == nil {
		c = &paperCluster{name: name, namespace: namespace, contract: map[string]bool{}}
		p.clusters[name] = c
	}
	return c, strings.TrimPrefix(pod, name+"-")
}

// count returns how much was asked since the last call.
func (p *paperServers) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.requests
	p.requests = 0
	return n
}

// secret reads what a server would have mounted.
func (p *paperServers) secret(c *paperCluster, name string) *corev1.Secret {
	object, err := p.api.Get(secretResource, c.namespace, name)
	if err != nil {
		return nil
	}
	return object.(*corev1.Secret)
}

func (p *paperServers) probe(_ context.Context, o bao.Options) (bao.Node, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	c, ordinal := p.at(o.Address)
	mounted := p.secret(c, c.name+"-tls-server")
	if mounted == nil || string(mounted.Data[certs.KeyCA]) != string(o.CABundle) {
		return bao.Node{}, refused(bao.Untrusted, 0, "certificate signed by unknown authority")
	}
	if initialize := p.secret(c, c.name+"-initialize"); initialize != nil && ordinal == "0" && !c.initialized {
		// It sends itself the requests that it finds, once.
		c.initialized = true
		content := string(initialize.Data[workload.InitializeKey])
		for _, role := range []string{"openbao-operator", membershipRole} {
			c.contract[role] = strings.Contains(content, "auth/jwt-operator/role/"+role+"\"")
		}
	}
	node := bao.Node{Health: bao.Health{Version: "2.6.2", Standby: ordinal != "0", Initialized: c.initialized, Sealed: !c.initialized}}
	if c.initialized {
		node.ClusterID = "id-of-" + c.name
		if c.joined == nil {
			c.joined = map[string]bool{}
		}
		c.joined[ordinal] = true
	}
	if block, _ := pem.Decode(mounted.Data[corev1.TLSCertKey]); block != nil {
		if leaf, err := x509.ParseCertificate(block.Bytes); err == nil {
			node.CertificateSerial, node.NotAfter = certs.Serial(leaf), leaf.NotAfter
		}
	}
	return node, nil
}

func (p *paperServers) connect(o bao.Options) (bao.Interface, error) {
	return &paperClient{paperServers: p, address: o.Address}, nil
}

// paperClient is a client of one server. What is not expected of it panics.
type paperClient struct {
	bao.Interface
	*paperServers
	address, token string
}

// ask locks the servers and counts a request, which needs the root token if it changes
// the contract.
func (c *paperClient) ask(asRoot bool) (cluster *paperCluster, done func(), err error) {
	c.mu.Lock()
	c.requests++
	cluster, _ = c.at(c.address)
	if asRoot && (cluster.root == "" || c.token != cluster.root) {
		err = refused(bao.Unauthenticated, 403, "permission denied")
	}
	return cluster, c.mu.Unlock, err
}

func (c *paperClient) As(token bao.Token) (bao.Interface, error) {
	return &paperClient{paperServers: c.paperServers, address: c.address, token: string(token.Reveal())}, nil
}

func (c *paperClient) Close() {}

func (c *paperClient) LoginJWT(_ context.Context, mount, role string, jwt bao.Token) (bao.Login, error) {
	cluster, done, _ := c.ask(false)
	defer done()
	who := "bailiwick-system bailiwick-servers bailiwick.dev/openbao/" + namespaceUID + "/" + cluster.name
	switch {
	case mount != "jwt-operator" || len(cluster.contract) == 0:
		return bao.Login{}, refused(bao.LoginForbidden, 403, "permission denied")
	case !cluster.contract[role] || string(jwt.Reveal()) != who:
		return bao.Login{}, refused(bao.LoginRefused, 400, fmt.Sprintf("role %q could not be found", role))
	}
	return bao.Login{Token: bao.NewToken("s." + role), TTL: time.Hour}, nil
}

func (c *paperClient) reads() error {
	if c.token != "s."+membershipRole {
		return refused(bao.PermissionDenied, 403, "permission denied")
	}
	return nil
}

func (c *paperClient) Peers(context.Context) ([]bao.Peer, error) {
	cluster, done, _ := c.ask(false)
	defer done()
	if err := c.reads(); err != nil {
		return nil, err
	}
	var peers []bao.Peer
	for _, ordinal := range slices.Sorted(maps.Keys(cluster.joined)) {
		peers = append(peers, bao.Peer{ID: cluster.name + "-" + ordinal, Voter: true, Leader: ordinal == "0"})
	}
	return peers, nil
}

func (c *paperClient) Autopilot(context.Context) (bao.Autopilot, error) {
	cluster, done, _ := c.ask(false)
	defer done()
	state := bao.Autopilot{Healthy: true}
	for _, ordinal := range slices.Sorted(maps.Keys(cluster.joined)) {
		state.Servers = append(state.Servers, bao.AutopilotServer{ID: cluster.name + "-" + ordinal, Healthy: true, LastIndex: 7})
	}
	return state, c.reads()
}

// AutopilotConfig is as the first start has set it.
func (c *paperClient) AutopilotConfig(context.Context) (map[string]any, error) {
	_, done, _ := c.ask(false)
	defer done()
	if c.token != "s."+operatorRole {
		return nil, refused(bao.PermissionDenied, 403, "permission denied")
	}
	return serverconfig.Autopilot(&openbaov1alpha1.OpenBaoCluster{})
}

func (c *paperClient) RevokeSelf(context.Context) error {
	cluster, done, _ := c.ask(false)
	defer done()
	if c.token == cluster.root {
		cluster.root = ""
	}
	return nil
}

func (c *paperClient) Init(_ context.Context, r bao.InitRequest) (bao.Initialized, error) {
	cluster, done, _ := c.ask(false)
	defer done()
	cluster.asked++
	if cluster.refuse != nil {
		return bao.Initialized{}, cluster.refuse
	}
	if cluster.initialized {
		return bao.Initialized{}, refused(bao.Invalid, 400, "Vault is already initialized")
	}
	cluster.initialized, cluster.root = true, "s.root"
	answer := bao.Initialized{RootToken: bao.NewToken(cluster.root)}
	for i := range r.Shares {
		answer.Shares = append(answer.Shares, bao.NewToken(fmt.Sprintf("share-of-%s-%d", cluster.name, i+1)))
	}
	return answer, nil
}

func (c *paperClient) EnableAuth(context.Context, string, bao.Mount) error {
	_, done, err := c.ask(true)
	defer done()
	return err
}

func (c *paperClient) WriteConfig(context.Context, string, map[string]any) error {
	_, done, err := c.ask(true)
	defer done()
	return err
}

func (c *paperClient) ReadPolicy(context.Context, string) (bao.Policy, error) {
	_, done, err := c.ask(true)
	defer done()
	if err == nil {
		err = refused(bao.NotFound, 404, "not found")
	}
	return bao.Policy{}, err
}

func (c *paperClient) WritePolicy(context.Context, string, string, *bao.Policy) error {
	_, done, err := c.ask(true)
	defer done()
	return err
}

func (c *paperClient) WriteRole(_ context.Context, _, name string, _ map[string]any) error {
	cluster, done, err := c.ask(true)
	defer done()
	if err == nil {
		cluster.contract[name] = true
	}
	return err
}

func (c *paperClient) WriteAutopilot(context.Context, map[string]any) error {
	_, done, err := c.ask(true)
	defer done()
	return err
}
