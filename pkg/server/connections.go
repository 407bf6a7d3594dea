// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// Route is how one server is reached and trusted.
type Route struct {
	// Address is the https URL of the server, without a path.
	Address string
	// CABundle is the PEM-encoded CA. CASecret says where it is if it is empty.
	CABundle string
	CASecret SecretKey
	// ServerName is the name in the server's certificate; empty means the host of
	// the address.
	ServerName string
	// Namespace is the OpenBao namespace; empty means the root namespace.
	Namespace string
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
	// ca is read once.
	ca   []byte
	open []openbao.Interface
}

// Connections returns what reaches a server by a route. The caller closes it.
func (a *Access) Connections(route Route) *Connections {
	return &Connections{access: a, route: route}
}

// Client returns a client with a token. It sends nothing to the server. The error is
// a *SecretError about the CA, a *TrustError, or openbao.ErrAddress.
func (c *Connections) Client(ctx context.Context, token openbao.Token) (openbao.Interface, error) {
	ca, err := c.authority(ctx)
	if err != nil {
		return nil, err
	}
	client, err := c.access.opts.Connect(openbao.Options{
		Address: c.route.Address, CABundle: ca, ServerName: c.route.ServerName, Namespace: c.route.Namespace, Token: token,
	})
	if err != nil {
		return nil, c.connectError(err)
	}
	c.Add(client)
	return client, nil
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
		value, err := c.access.ReadSecret(ctx, c.route.CASecret)
		if err != nil {
			return nil, err
		}
		c.ca = value.Bytes
	}
	return c.ca, nil
}

// fingerprint identifies the CA.
func (c *Connections) fingerprint(ctx context.Context) (string, error) {
	ca, err := c.authority(ctx)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(ca)
	return hex.EncodeToString(sum[:]), nil
}
