// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package silence gives tests connections that go silent: they stay open, and
// nothing comes through any more, as when a machine in between has gone.
package silence

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy passes connections on to a server.
type Proxy struct {
	listener net.Listener
	target   string
	done     sync.WaitGroup

	mu          sync.Mutex
	connections map[*connection]struct{}
	accepted    int
	closed      bool
}

type connection struct {
	client, server net.Conn

	mu     sync.Mutex
	silent bool
}

// NewProxy returns a proxy on loopback for the server at that host and port. It
// ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, target: target, connections: map[*connection]struct{}{}}
	p.done.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr returns the host and port of the proxy.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Silence makes the connections of now silent. Later ones are not.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.connections {
		c.mu.Lock()
		c.silent = true
		c.mu.Unlock()
	}
}

// Accepted returns how many connections there were.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &connection{client: client, server: server}
		p.mu.Lock()
		p.accepted++
		p.connections[c] = struct{}{}
		if p.closed {
			c.close()
		}
		p.mu.Unlock()
		p.done.Go(func() { c.copy(server, client) })
		p.done.Go(func() { c.copy(client, server) })
	}
}

// copy passes on what comes, until the connection is silent: from then on it is
// read and lost.
func (c *connection) copy(to io.Writer, from io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		c.mu.Lock()
		silent := c.silent
		c.mu.Unlock()
		if !silent && n > 0 {
			_, _ = to.Write(buf[:n])
		}
		if err != nil {
			if !silent {
				c.close()
			}
			return
		}
	}
}

func (c *connection) close() {
	_ = c.client.Close()
	_ = c.server.Close()
}

func (p *Proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.connections {
		c.close()
	}
	p.mu.Unlock()
	p.done.Wait()
}
