// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/bailiwick-operator/bailiwick/hack/tools/openbao-server/internal/config"
)

// certificates are the files of a listener as the server last read them. From 2.7 on
// OpenBao looks whether they have changed; before, it reads them when it starts and at
// SIGHUP.
type certificates struct {
	listener config.Listener
	watch    bool
	current  atomic.Pointer[tls.Config]
}

// newCertificates reads the files, which have to be right when the server starts.
func newCertificates(l config.Listener, watch bool) (*certificates, error) {
	c := &certificates{listener: l, watch: watch}
	return c, c.reload()
}

// reload reads the files. What is wrong leaves the server with those of before.
func (c *certificates) reload() error {
	read, err := readTLS(c.listener)
	if err != nil {
		return err
	}
	c.current.Store(read)
	return nil
}

// config returns a TLS configuration that follows the files.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if c.watch {
				return readTLS(c.listener)
			}
			return c.current.Load(), nil
		},
	}
}

func readTLS(l config.Listener) (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(l.TLSCertFile, l.TLSKeyFile)
	if err != nil {
		return nil, fmt.Errorf("tls_cert_file and tls_key_file: %w", err)
	}
	c := &tls.Config{
		Certificates: []tls.Certificate{certificate},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
		// OpenBao asks for a certificate and demands none, unless it is told to.
		ClientAuth: tls.RequestClientCert,
	}
	if l.TLSMinVersion == "tls13" {
		c.MinVersion = tls.VersionTLS13
	}
	if l.TLSClientCAFile != "" {
		content, err := os.ReadFile(l.TLSClientCAFile)
		if err != nil {
			return nil, fmt.Errorf("tls_client_ca_file: %w", err)
		}
		c.ClientCAs = x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("tls_client_ca_file: %s holds no certificate", l.TLSClientCAFile)
		}
	}
	switch {
	case l.TLSRequireAndVerifyClientCert:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	case l.TLSDisableClientCerts:
		c.ClientAuth = tls.NoClientCert
	}
	return c, nil
}
