// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"net"
	"net/url"
	"time"

	"github.com/openbao/openbao/api/v2"
)

// Node is what one server says of itself without a login, and the certificate that it
// shows. Unlike all requests of a Client, it is of the server at the address and not of
// the active one.
type Node struct {
	Health
	// CertificateSerial is the serial number of its certificate, in hexadecimal, and
	// NotAfter when that ends.
	CertificateSerial string
	NotAfter          time.Time
}

// ProbeNode asks one server what it is. Of the options it takes Address, CABundle,
// ServerName, AllowLocal, Resolver, Version and Timeout. The error is an *Error unless the
// options are wrong.
func ProbeNode(ctx context.Context, opts Options) (Node, error) {
	const op = "read the server's health"
	opts.Timeout = cmp.Or(opts.Timeout, DefaultTimeout)
	d, err := newDialer(&opts)
	if err != nil {
		return Node{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, opts.Timeout)
	defer cancel()
	failed := func(err error) error {
		return classify(op, &url.Error{Op: "Get", URL: opts.Address, Err: err})
	}
	conn, err := d.connect(ctx, "tcp", d.host)
	if err != nil {
		return Node{}, failed(err)
	}
	defer closeQuietly(conn)
	var answer struct {
		Initialized *bool  `json:"initialized"`
		Sealed      *bool  `json:"sealed"`
		Standby     *bool  `json:"standby"`
		Version     string `json:"version"`
		ClusterID   string `json:"cluster_id"`
	}
	if _, err := d.ask(ctx, conn, "/v1/"+healthPath+"?"+healthCodes, &answer); err != nil {
		return Node{}, failed(err)
	}
	if answer.Initialized == nil || answer.Sealed == nil || answer.Standby == nil || answer.ClusterID != "" && !clusterID.MatchString(answer.ClusterID) {
		return Node{}, &Error{Class: Unknown, Op: op, Detail: notOpenBao}
	}
	node := Node{Health: Health{
		Initialized: *answer.Initialized, Sealed: *answer.Sealed, Standby: *answer.Standby,
		Version: version(answer.Version), ClusterID: answer.ClusterID,
	}}
	if leaf := leafOf(conn); leaf != nil {
		node.CertificateSerial, node.NotAfter = serialText(leaf.SerialNumber), leaf.NotAfter
	}
	return node, nil
}

func leafOf(conn net.Conn) *x509.Certificate {
	secured, ok := conn.(*tls.Conn)
	if !ok {
		return nil
	}
	chain := secured.ConnectionState().PeerCertificates
	if len(chain) == 0 {
		return nil
	}
	return chain[0]
}

func serialText(serial *big.Int) string { return serial.Text(16) }

// Peer is a server as the Raft configuration names it.
type Peer struct {
	ID string
	// Address is that of the Raft port, host:port.
	Address string
	Leader  bool
	Voter   bool
}

// Peers implements Interface.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) {
	const op = "read the Raft configuration"
	data, err := c.read(ctx, op, "sys/storage/raft/configuration")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Config struct {
			Servers []struct {
				NodeID  string `json:"node_id"`
				Address string `json:"address"`
				Leader  bool   `json:"leader"`
				Voter   bool   `json:"voter"`
			} `json:"servers"`
		} `json:"config"`
	}
	if err := decode(data, &answer); err != nil {
		return nil, &Error{Class: Unknown, Op: op, Detail: "the answer is no Raft configuration", Err: err}
	}
	peers := make([]Peer, 0, len(answer.Config.Servers))
	for _, s := range answer.Config.Servers {
		peers = append(peers, Peer{ID: s.NodeID, Address: s.Address, Leader: s.Leader, Voter: s.Voter})
	}
	return peers, nil
}

// Autopilot is what the active server thinks of all.
type Autopilot struct {
	Healthy bool
	// FailureTolerance is how many voters may fail until the quorum is lost.
	FailureTolerance int
	// Servers are ordered by nothing, with their ids.
	Servers []AutopilotServer
}

// AutopilotServer is what the active server thinks of one.
type AutopilotServer struct {
	ID      string
	Healthy bool
	// LastIndex is the last entry of the log that it has.
	LastIndex int64
}

// Autopilot implements Interface.
func (c *Client) Autopilot(ctx context.Context) (Autopilot, error) {
	const op = "read the state of the autopilot"
	data, err := c.read(ctx, op, "sys/storage/raft/autopilot/state")
	if err != nil {
		return Autopilot{}, err
	}
	var answer struct {
		Healthy          bool `json:"healthy"`
		FailureTolerance int  `json:"failure_tolerance"`
		Servers          map[string]struct {
			Healthy   bool  `json:"healthy"`
			LastIndex int64 `json:"last_index"`
		} `json:"servers"`
	}
	if err := decode(data, &answer); err != nil {
		return Autopilot{}, &Error{Class: Unknown, Op: op, Detail: "the answer is no state of an autopilot", Err: err}
	}
	state := Autopilot{Healthy: answer.Healthy, FailureTolerance: answer.FailureTolerance}
	for id, s := range answer.Servers {
		state.Servers = append(state.Servers, AutopilotServer{ID: id, Healthy: s.Healthy, LastIndex: s.LastIndex})
	}
	return state, nil
}

// AutopilotConfig implements Interface.
func (c *Client) AutopilotConfig(ctx context.Context) (map[string]any, error) {
	return c.read(ctx, "read the configuration of the autopilot", "sys/storage/raft/autopilot/configuration")
}

// StepDown implements Interface.
func (c *Client) StepDown(ctx context.Context) error {
	_, err := c.write(ctx, "have the active server step down", "sys/step-down", nil)
	return err
}

// RemovePeer implements Interface.
func (c *Client) RemovePeer(ctx context.Context, id string) error {
	_, err := c.write(ctx, "remove a server from the cluster", "sys/storage/raft/remove-peer", map[string]any{"server_id": id})
	return err
}

// WriteAutopilot implements Interface.
func (c *Client) WriteAutopilot(ctx context.Context, data map[string]any) error {
	_, err := c.write(ctx, "configure the autopilot", "sys/storage/raft/autopilot/configuration", data)
	return err
}

// decode reads data into a struct by the JSON names of its fields.
func decode(data map[string]any, into any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// InitRequest asks a server with an auto-unseal to initialize its storage.
type InitRequest struct {
	// Shares is the number of the recovery key's shares, and Threshold how many of them
	// make the key.
	Shares, Threshold int
	// PGPKeys, one for each share, encrypt them; empty means shares in clear text.
	PGPKeys []string
}

// Initialized is the one answer to an InitRequest.
type Initialized struct {
	// RootToken may do everything.
	RootToken Token
	// Shares are those of the recovery key, in base64. They are encrypted if there were
	// PGPKeys.
	Shares []Token
}

// Init implements Interface.
func (c *Client) Init(ctx context.Context, request InitRequest) (Initialized, error) {
	const op = "initialize the server"
	anonymous, err := c.WithToken(Token{})
	if err != nil {
		return Initialized{}, err
	}
	answer, err := anonymous.api.WithNamespace("").Sys().InitWithContext(ctx, &api.InitRequest{
		RecoveryShares: request.Shares, RecoveryThreshold: request.Threshold, RecoveryPGPKeys: request.PGPKeys,
	})
	if err != nil {
		return Initialized{}, classify(op, err)
	}
	if answer.RootToken == "" {
		return Initialized{}, &Error{Class: Unavailable, Op: op, Detail: "the answer has no root token"}
	}
	out := Initialized{RootToken: NewToken(answer.RootToken)}
	for _, share := range answer.RecoveryKeysB64 {
		out.Shares = append(out.Shares, NewToken(share))
	}
	return out, nil
}

// Reveal returns the secret itself, for where it is kept.
func (t Token) Reveal() []byte { return []byte(t.reveal()) }
