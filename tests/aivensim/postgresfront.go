// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"reflect"
	"sync"
	"time"
)

// postgresFront owns the ports of a pg service: its own and one per connection
// pool. It speaks TLS with a certificate of the project CA, as Aiven does, and
// passes the session on to the service's cluster, which it starts for the first
// connection. Roles and databases are brought up to date with the simulated
// state before a session is passed on, so a new connection always sees the last
// answer of the API. A pool authenticates the client as whom it comes: there is
// no pooling, and a pool's fixed user is not forced on the session.
type postgresFront struct {
	fleet   *postgresFleet
	project string
	service string
	port    int
	tls     *tls.Config
	ctx     context.Context
	cancel  context.CancelFunc

	mu    sync.Mutex // pools
	pools map[string]net.Listener

	startMu sync.Mutex // cluster and applied
	cluster *cluster
	applied roleSet
}

// handshakeTimeout bounds what a client may take until its session is passed on.
const handshakeTimeout = 30 * time.Second

// newFront listens for a service.
func (f *postgresFleet) newFront(sv *Service) (*postgresFront, error) {
	certificate, err := sv.ca.serverCertificate(sv.Name)
	if err != nil {
		return nil, err
	}
	front := &postgresFront{
		fleet: f, project: sv.Project, service: sv.Name, pools: map[string]net.Listener{},
		tls: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	front.ctx, front.cancel = context.WithCancel(f.server.ctx)
	listener, err := front.listen("")
	if err != nil {
		front.cancel()
		return nil, err
	}
	front.port = portOf(listener)
	f.warm()
	return front, nil
}

func portOf(l net.Listener) int {
	if addr, ok := l.Addr().(*net.TCPAddr); ok {
		return addr.Port
	}
	return 0
}

// listen serves a new port until the front shuts or the listener is closed.
func (p *postgresFront) listen(pool string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(p.ctx, "tcp", loopback+":0")
	if err != nil {
		return nil, fmt.Errorf("listen for service %s: %w", p.service, err)
	}
	context.AfterFunc(p.ctx, func() { _ = listener.Close() })
	p.fleet.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.fleet.wg.Go(func() { p.serve(conn, pool) })
		}
	})
	return listener, nil
}

func (p *postgresFront) addPool(name string) (int, error) {
	listener, err := p.listen(name)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pools[name] = listener
	return portOf(listener), nil
}

func (p *postgresFront) removePool(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.pools[name]; l != nil {
		_ = l.Close()
		delete(p.pools, name)
	}
}

// shut ends the ports, the sessions and the cluster, without waiting for them.
func (p *postgresFront) shut() { p.cancel() }

// serve is one client connection.
func (p *postgresFront) serve(conn net.Conn, pool string) {
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return
	}
	secure, err := acceptTLS(conn, p.tls)
	if err != nil {
		return
	}
	first, err := readStartup(secure)
	if err != nil {
		return
	}
	want, database, err := p.fleet.server.wantedRoles(p.project, p.service, pool)
	if err != nil {
		refuse(secure, "57P03", err.Error())
		return
	}
	backend, err := p.backend(want)
	if err != nil {
		refuse(secure, "57P03", "the simulator cannot provide the database: "+err.Error())
		return
	}
	if pool != "" && first.params["database"] == pool {
		first.params["database"] = database
	}
	upstream, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(backend.socket, ".s.PGSQL.5432"))
	if err != nil {
		refuse(secure, "57P03", "the database system is shutting down")
		return
	}
	defer func() { _ = upstream.Close() }()
	if _, err := upstream.Write(first.encode()); err != nil {
		return
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return
	}
	// Either side's end ends the session; the closes release the other copy.
	var pump sync.WaitGroup
	pump.Go(func() {
		_, _ = io.Copy(upstream, secure)
		_ = upstream.Close()
	})
	_, _ = io.Copy(secure, upstream)
	_ = secure.Close()
	pump.Wait()
}

// backend returns the running cluster with the wanted roles and databases.
func (p *postgresFront) backend(want roleSet) (*cluster, error) {
	p.startMu.Lock()
	defer p.startMu.Unlock()
	if p.cluster != nil {
		select {
		case <-p.cluster.exited:
			p.cluster, p.applied = nil, roleSet{}
		default:
		}
	}
	if p.cluster == nil {
		started, err := p.fleet.start(p.ctx)
		if err != nil {
			return nil, err
		}
		p.cluster = started
	}
	if !reflect.DeepEqual(p.applied, want) {
		if err := p.cluster.run(p.ctx, p.applied.script(want)); err != nil {
			return nil, err
		}
		p.applied = want
	}
	return p.cluster, nil
}
