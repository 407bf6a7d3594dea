// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// SecretName names a Secret.
type SecretName struct {
	Namespace, Name string
}

// Route is how one server is reached and trusted.
type Route struct {
	// Address is the https URL of the server, without a path.
	Address string
	// CABundle is the PEM-encoded CA. CASecret says where that is if it is empty.
	CABundle string
	CASecret SecretKey
	// Certificate is the Secret with the client certificate; the zero value is none.
	Certificate SecretName
	// ServerName is the name in the server's certificate; empty means the host of
	// the address.
	ServerName string
	// Namespace is the OpenBao namespace; empty means the root namespace.
	Namespace string
	// Timeout bounds one request; 0 means openbao.DefaultTimeout.
	Timeout time.Duration
}

// TrustError says that what should be the CA of a server is none.
type TrustError struct {
	// Secret is where it is, the zero value if it is the bundle of the route.
	Secret SecretKey
	Err    error
}

// Error implements error.
func (e *TrustError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *TrustError) Unwrap() error { return e.Err }

// Connections are the clients of one route during one sync. They are for one
// goroutine.
type Connections struct {
	access *Access
	route  Route
	// ca, pair and base are made once.
	ca   []byte
	pair openbao.KeyPair
	// base has the connections that all clients share, and no token.
	base openbao.Interface
	open []openbao.Interface
}

// Connections returns what reaches a server by a route. The caller closes it.
func (a *Access) Connections(route Route) *Connections {
	return &Connections{access: a, route: route}
}

// Client returns a client with a token. It sends nothing to the server. The error is
// a *SecretError about the CA or the client certificate, a *TrustError,
// openbao.ErrAddress or openbao.ErrLocalAddress.
func (c *Connections) Client(ctx context.Context, token openbao.Token) (openbao.Interface, error) {
	if c.base == nil {
		if err := c.connect(ctx); err != nil {
			return nil, err
		}
	}
	client, err := c.base.As(token)
	if err != nil {
		return nil, err
	}
	c.Add(client)
	return client, nil
}

func (c *Connections) connect(ctx context.Context) error {
	ca, err := c.authority(ctx)
	if err != nil {
		return err
	}
	pair, err := c.certificate(ctx)
	if err != nil {
		return err
	}
	base, err := c.access.opts.Connect(openbao.Options{
		Address: c.route.Address, CABundle: ca, ServerName: c.route.ServerName, Namespace: c.route.Namespace,
		Certificate: pair, AllowLocal: c.access.opts.AllowLocal, Timeout: c.route.Timeout,
	})
	switch {
	case err == nil:
		c.base = base
		return nil
	case !errors.Is(err, openbao.ErrCABundle):
		return err
	}
	trust := &TrustError{Err: err}
	if c.route.CABundle == "" {
		trust.Secret = c.route.CASecret
	}
	return trust
}

// Add has the connections of a client closed with the others.
func (c *Connections) Add(client openbao.Interface) { c.open = append(c.open, client) }

// Close closes the connections. The clients can be used again.
func (c *Connections) Close() {
	for _, client := range c.open {
		client.Close()
	}
}

// authority returns the CA of the server.
func (c *Connections) authority(ctx context.Context) ([]byte, error) {
	switch {
	case c.ca != nil:
	case c.route.CABundle != "":
		c.ca = []byte(c.route.CABundle)
	default:
		secret, err := c.access.read(ctx, UseCA, c.route.CASecret)
		if err != nil {
			return nil, err
		}
		if c.ca, err = valueOf(secret, UseCA, c.route.CASecret); err != nil {
			return nil, err
		}
	}
	return c.ca, nil
}

// trust identifies the CA and the client certificate by what they are, wherever that
// is.
func (c *Connections) trust(ctx context.Context) (string, error) {
	ca, err := c.authority(ctx)
	if err != nil {
		return "", err
	}
	pair, err := c.certificate(ctx)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	sum.Write(ca)
	sum.Write(pair.Leaf())
	return hex.EncodeToString(sum.Sum(nil)), nil
}
