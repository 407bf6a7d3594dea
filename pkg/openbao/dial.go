// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// maxDials is how many connections are tried to find the active server behind one
	// address. Where three servers share one, that finds it in 99 of 100 cases.
	maxDials = 12
	// dialsWhenSealed is the same where no server is a standby, so that there may be
	// no active one at all.
	dialsWhenSealed = 3
	// redialTimeout bounds each of them but the first.
	redialTimeout = 2 * time.Second
	// maxNodeAnswer bounds what a server says of itself.
	maxNodeAnswer = 16 << 10
)

// dialer makes connections to the active server. A standby answers reads by itself,
// and what it answers is old for a while, or for good (a mount that was moved). So a
// connection is used only after the server at its other end said that it is the
// active one, or something that leaves no doubt that it can't be asked at all.
//
// A standby names the active server. That is only a hint as to where to dial: the
// server there has to show a certificate for the same name, from the same CA.
type dialer struct {
	net net.Dialer
	tls *tls.Config
	// certificate is that of the client, nil if there is none.
	certificate *tls.Certificate
	// host is that of the requests, with the port.
	host string
	// userAgent is that of the requests.
	userAgent string
	// timeout bounds all attempts together.
	timeout time.Duration
}

// nodeState is what a server says of itself.
type nodeState int

const (
	// nodeUnclear is an answer that says nothing, such as that of a load balancer.
	nodeUnclear nodeState = iota
	nodeActive
	nodeStandby
	// nodeDown is sealed or not initialized.
	nodeDown
)

// DialTLS is a DialTLSContext of http.Transport.
func (d *dialer) DialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	first, state, err := d.dial(ctx, network, address)
	if err != nil || state == nodeActive || state == nodeUnclear {
		return first, err
	}
	notFound := &standbyError{asked: 1}
	if state == nodeStandby {
		if found := d.dialLeader(ctx, network, first, notFound); found != nil {
			closeQuietly(first)
			return found, nil
		}
	}
	found, standbys := d.redial(ctx, network, address, state, notFound)
	switch {
	case found != nil:
		closeQuietly(first)
		return found, nil
	case standbys:
		closeQuietly(first)
		return nil, notFound
	}
	// It is for its requests to say that it is sealed.
	return first, nil
}

// dialLeader dials where a standby says that the active server is. It returns nil if that
// does not lead there.
func (d *dialer) dialLeader(ctx context.Context, network string, standby net.Conn, notFound *standbyError) net.Conn {
	hint, ok := d.leader(ctx, standby)
	if !ok {
		return nil
	}
	notFound.hint = hint
	ctx, cancel := context.WithTimeout(ctx, redialTimeout)
	defer cancel()
	found, state, err := d.dial(ctx, network, hint)
	if err != nil {
		notFound.err = err
		return nil
	}
	if state != nodeActive {
		closeQuietly(found)
		notFound.err = errors.New("it is not the active one")
		return nil
	}
	return found
}

// redial tries the address again: it may lead to another server each time. It returns
// nil if none of them is the active one, and whether one of all is a standby.
func (d *dialer) redial(ctx context.Context, network, address string, first nodeState, notFound *standbyError) (found net.Conn, standbys bool) {
	standbys = first == nodeStandby
	targets := d.targets(ctx, address)
	for i := 1; i < maxDials && (standbys || i < dialsWhenSealed) && ctx.Err() == nil; i++ {
		attempt, cancel := context.WithTimeout(ctx, redialTimeout)
		conn, state, err := d.dial(attempt, network, targets[i%len(targets)])
		cancel()
		if err != nil {
			continue
		}
		if state == nodeActive {
			return conn, standbys
		}
		closeQuietly(conn)
		notFound.asked++
		standbys = standbys || state == nodeStandby
	}
	return nil, standbys
}

// targets are the addresses that one leads to.
func (d *dialer) targets(ctx context.Context, address string) []string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return []string{address}
	}
	resolver := d.net.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	ips, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(ips) == 0 {
		return []string{address}
	}
	var targets []string
	for _, ip := range ips {
		targets = append(targets, net.JoinHostPort(ip.Unmap().String(), port))
	}
	return targets
}

// dial connects to one server and asks what it is.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, nodeState, error) {
	conn, err := d.connect(ctx, network, address)
	if err != nil {
		return nil, nodeUnclear, err
	}
	state, reusable, err := d.health(ctx, conn)
	if err == nil && reusable {
		return conn, state, nil
	}
	closeQuietly(conn)
	if err != nil {
		return nil, nodeUnclear, err
	}
	// It ends each connection after one answer.
	conn, err = d.connect(ctx, network, address)
	return conn, state, err
}

func (d *dialer) connect(ctx context.Context, network, address string) (net.Conn, error) {
	raw, err := d.net.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	asked := false
	config := d.tls.Clone()
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked = true
		if d.certificate == nil {
			return &tls.Certificate{}, nil
		}
		return d.certificate, nil
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		closeQuietly(raw)
		if asked && isAlert(err) {
			// Before TLS 1.3 no alert says that a certificate is missing.
			err = &clientCertificateError{err}
		}
		return nil, err
	}
	return conn, nil
}

// health asks a server whether it is the active one.
func (d *dialer) health(ctx context.Context, conn net.Conn) (state nodeState, reusable bool, err error) {
	var answer struct {
		Initialized *bool `json:"initialized"`
		Sealed      *bool `json:"sealed"`
		Standby     *bool `json:"standby"`
	}
	reusable, err = d.ask(ctx, conn, "/v1/"+healthPath+"?"+healthCodes, &answer)
	switch {
	case err != nil || answer.Initialized == nil || answer.Sealed == nil || answer.Standby == nil:
		return nodeUnclear, reusable, err
	case !*answer.Initialized || *answer.Sealed:
		return nodeDown, reusable, nil
	case *answer.Standby:
		return nodeStandby, reusable, nil
	}
	return nodeActive, reusable, nil
}

// leader asks a standby where the active server is.
func (d *dialer) leader(ctx context.Context, conn net.Conn) (hostPort string, ok bool) {
	var answer struct {
		Address string `json:"leader_address"`
	}
	if _, err := d.ask(ctx, conn, "/v1/sys/leader", &answer); err != nil {
		return "", false
	}
	host, port, err := parseAddress(answer.Address)
	if err != nil || len(host) > maxHost {
		return "", false
	}
	return net.JoinHostPort(host, port), true
}

// maxHost is the longest name that DNS has.
const maxHost = 253

// ask reads what a server answers about itself, without a token. An answer that is
// not understood leaves answer as it is; the error is one of the connection.
func (d *dialer) ask(ctx context.Context, conn net.Conn, path string, answer any) (reusable bool, err error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return false, errors.New("a server is asked without a deadline")
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return false, fmt.Errorf("set the deadline of a connection: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+d.host+path, nil)
	if err != nil {
		return false, fmt.Errorf("make a request: %w", err)
	}
	req.Header.Set("X-Vault-Request", "true")
	req.Header.Set("User-Agent", d.userAgent)
	// What ends a handshake late is read before what it makes of a write is shown.
	writeErr := req.Write(conn)
	buffered := bufio.NewReader(io.LimitReader(conn, maxNodeAnswer))
	resp, err := http.ReadResponse(buffered, req)
	if err != nil {
		if writeErr != nil && !wantsClientCertificate(err) {
			err = writeErr
		}
		return false, err
	}
	defer func() { _ = resp.Body.Close() }() // it is read below
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		// It is too large, or ends early: another server answers for this one.
		return false, nil //nolint:nilerr // The request that follows has its own answer.
	}
	_ = json.NewDecoder(bytes.NewReader(body)).Decode(answer) // what it is not stays unclear
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return false, fmt.Errorf("set the deadline of a connection: %w", err)
	}
	return !resp.Close && buffered.Buffered() == 0, nil
}

func closeQuietly(conn io.Closer) { _ = conn.Close() }
