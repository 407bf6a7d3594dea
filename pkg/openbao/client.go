// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"time"

	"github.com/openbao/openbao/api/v2"
)

// DefaultTimeout bounds one request, dialling included.
const DefaultTimeout = 10 * time.Second

// Interface is what callers need of a server. [Client] implements it.
type Interface interface {
	// As returns a client of the same server and connections with another token.
	As(token Token) (Interface, error)

	// Health asks for the state of the server; it needs no token.
	Health(ctx context.Context) (Health, error)

	// LookupSelf describes the client's token. It is one of the uses of a token that
	// has a limited number of them.
	LookupSelf(ctx context.Context) (TokenInfo, error)
	// RenewSelf extends the lease of the client's token, at most to the maximum of
	// its role, and returns what the lease is now.
	RenewSelf(ctx context.Context) (time.Duration, error)
	// RevokeSelf revokes the client's token.
	RevokeSelf(ctx context.Context) error
	// CapabilitiesSelf returns what the client's token may do, for each of the paths.
	CapabilitiesSelf(ctx context.Context, paths ...string) (map[string][]string, error)
	// LoginJWT exchanges a JWT for a token. It does not use the client's token.
	// IsUnknownKey and IsLoginRefused tell why it failed.
	LoginJWT(ctx context.Context, mount, role string, jwt Token) (Login, error)

	// AuthMounts returns the auth mounts by path, without "auth/" and without a
	// slash at the end.
	AuthMounts(ctx context.Context) (map[string]Mount, error)
	// EnableAuth mounts an auth method. The mount must not exist.
	EnableAuth(ctx context.Context, path string, mount Mount) error
	// DisableAuth removes an auth mount with all its roles and its config, and
	// revokes the tokens of its logins. A mount that does not exist is no error.
	DisableAuth(ctx context.Context, path string) error

	// ReadConfig returns the config of an auth mount.
	ReadConfig(ctx context.Context, mount string) (map[string]any, error)
	// WriteConfig replaces the config of an auth mount.
	WriteConfig(ctx context.Context, mount string, data map[string]any) error
	// ListRoles returns the names of the roles of an auth mount, sorted; an empty
	// list if there are none.
	ListRoles(ctx context.Context, mount string) ([]string, error)
	// ListCELRoles is ListRoles for the roles whose logins a CEL program decides on.
	// It is empty for a server that has none.
	ListCELRoles(ctx context.Context, mount string) ([]string, error)
	// ReadRole returns a role of an auth mount.
	ReadRole(ctx context.Context, mount, name string) (map[string]any, error)
	// WriteRole creates or changes a role of an auth mount. The server reads the
	// name in lower case, but checks the token's rights on the name as it is given.
	WriteRole(ctx context.Context, mount, name string, data map[string]any) error
	// DeleteRole removes a role of an auth mount. A role that does not exist is
	// no error.
	DeleteRole(ctx context.Context, mount, name string) error

	// ReadPolicy returns an ACL policy.
	ReadPolicy(ctx context.Context, name string) (Policy, error)
	// WritePolicy creates an ACL policy, or replaces the one that was read. Where
	// the server has no check-and-set, the policy is read again right before.
	WritePolicy(ctx context.Context, name, text string, read *Policy) error
	// DeletePolicy removes an ACL policy. A policy that does not exist is no error.
	DeletePolicy(ctx context.Context, name string) error

	// Init initializes the server, which must not be initialized, and must have an
	// auto-unseal. It is asked once: where no answer comes, its secrets are lost.
	Init(ctx context.Context, request InitRequest) (Initialized, error)
	// Peers returns the servers of the Raft configuration.
	Peers(ctx context.Context) ([]Peer, error)
	// Autopilot returns what the active server thinks of all.
	Autopilot(ctx context.Context) (Autopilot, error)

	// AutopilotConfig returns the configuration of the autopilot, as the server names it.
	AutopilotConfig(ctx context.Context) (map[string]any, error)
	// WriteAutopilot changes the configuration of the autopilot. What data leaves out
	// stays as it is.
	WriteAutopilot(ctx context.Context, data map[string]any) error
	// StepDown has the active server hand over.
	StepDown(ctx context.Context) error
	// RemovePeer takes a server out of the Raft configuration. The active server answers
	// once that is agreed on; one that is not there is no error (raft.go of OpenBao).
	RemovePeer(ctx context.Context, id string) error

	// Close closes idle connections. The client can be used again.
	Close()
}

// What New finds wrong with its options.
var (
	// ErrAddress is about Options.Address.
	ErrAddress = errors.New("the address is not an https URL with only a host and a port")
	// ErrCABundle is about Options.CABundle.
	ErrCABundle = errors.New("there is no PEM-encoded certificate")
	// ErrKeyPair is about a client certificate, see NewKeyPair.
	ErrKeyPair = errors.New("there is no PEM-encoded certificate with its private key")
)

// Options says how to reach a server.
type Options struct {
	// Address is the https URL of the server, without a path.
	Address string
	// CABundle holds the PEM-encoded certificates that the server's is checked with.
	CABundle []byte
	// ServerName is the name in the server's certificate; empty means the host
	// of the address.
	ServerName string
	// Namespace is the OpenBao namespace; empty means the root namespace.
	Namespace string
	// Certificate is the client certificate; the zero value is none.
	Certificate KeyPair
	// AllowLocal permits addresses that are, or lead to, a loopback or link-local one.
	AllowLocal bool
	// Token authenticates all requests that need it.
	Token Token
	// Resolver looks up the host of the address; nil means that of the process.
	Resolver *net.Resolver
	// Version is sent as User-Agent bailiwick/Version; empty means "devel".
	Version string
	// Timeout bounds one request; 0 means DefaultTimeout.
	Timeout time.Duration
}

// userAgent is that of every request, those before a login included.
func (o *Options) userAgent() string { return "bailiwick/" + cmp.Or(o.Version, "devel") }

// Client talks to one server with one token. Where several servers share the
// address, it is the active one. It is safe for concurrent use.
type Client struct {
	opts Options
	http *http.Client
	api  *api.Client
}

var _ Interface = (*Client)(nil)

// New returns a client. It sends nothing. The error is about the options.
func New(opts Options) (*Client, error) {
	if opts.Timeout == 0 {
		opts.Timeout = DefaultTimeout
	}
	dial, err := newDialer(&opts)
	if err != nil {
		return nil, err
	}
	// The address is that of all requests in one spelling.
	opts.Address = "https://" + dial.host
	transport := &http.Transport{
		// The token must not pass through what an environment variable names.
		Proxy:                  nil,
		DialTLSContext:         dial.DialTLS,
		ResponseHeaderTimeout:  opts.Timeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        30 * time.Second,
	}
	client := &Client{opts: opts, http: &http.Client{
		Transport: &guard{next: transport},
		Timeout:   opts.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
	if client.api, err = client.newAPI(opts.Token); err != nil {
		return nil, err
	}
	return client, nil
}

// newDialer returns the dialer of all connections to the address.
func newDialer(opts *Options) (*dialer, error) {
	host, port, err := parseAddress(opts.Address)
	if err != nil {
		return nil, err
	}
	dial := &dialer{
		net:       net.Dialer{Timeout: opts.Timeout, Resolver: opts.Resolver},
		host:      net.JoinHostPort(host, port),
		userAgent: opts.userAgent(),
		// The name is that of the address wherever a connection leads.
		tls:     &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cmp.Or(opts.ServerName, host), NextProtos: []string{"http/1.1"}},
		timeout: opts.Timeout,
	}
	if !opts.AllowLocal {
		if isLocalHost(host) {
			return nil, fmt.Errorf("%w: %q", ErrLocalAddress, opts.Address)
		}
		dial.net.Control = refuseLocal
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(opts.CABundle) {
		return nil, ErrCABundle
	}
	dial.tls.RootCAs = pool
	dial.certificate = opts.Certificate.certificate
	return dial, nil
}

// WithToken returns a client of the same server and connections with another token.
func (c *Client) WithToken(token Token) (*Client, error) {
	other := &Client{opts: c.opts, http: c.http}
	other.opts.Token = token
	var err error
	other.api, err = other.newAPI(token)
	return other, err
}

// As implements Interface.
func (c *Client) As(token Token) (Interface, error) { return c.WithToken(token) }

// Close implements Interface.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) newAPI(token Token) (*api.Client, error) {
	client, err := api.NewClient(&api.Config{
		Address:            c.opts.Address,
		HttpClient:         c.http,
		Timeout:            c.opts.Timeout,
		MaxRetries:         0,
		CheckRetry:         func(context.Context, *http.Response, error) (bool, error) { return false, nil },
		DisableRedirects:   true,
		DisableEnvironment: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make an OpenBao client: %w", err)
	}
	client.SetToken(token.reveal())
	client.AddHeader("User-Agent", c.opts.userAgent())
	if c.opts.Namespace != "" {
		client.SetNamespace(c.opts.Namespace)
	}
	return client, nil
}

// segment is a name that stays one segment of a path.
var segment = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

func checkSegment(op, name string) error {
	if segment.MatchString(name) {
		return nil
	}
	return &Error{Class: Invalid, Op: op, Detail: fmt.Sprintf("%q is not a name", name)}
}

// read returns the data at path, or an error of the class NotFound.
func (c *Client) read(ctx context.Context, op, path string) (map[string]any, error) {
	secret, err := c.api.Logical().ReadWithContext(ctx, path)
	if err != nil {
		return nil, classify(op, err)
	}
	if secret == nil || secret.Data == nil {
		return nil, &Error{Class: NotFound, Op: op, StatusCode: http.StatusNotFound, Detail: "not found"}
	}
	return secret.Data, nil
}

// write sends data to path and returns the answer, which may be nil.
func (c *Client) write(ctx context.Context, op, path string, data map[string]any) (*api.Secret, error) {
	secret, err := c.api.Logical().WriteWithContext(ctx, path, data)
	return secret, classify(op, err)
}

func (c *Client) remove(ctx context.Context, op, path string) error {
	_, err := c.api.Logical().DeleteWithContext(ctx, path)
	return classify(op, err)
}
