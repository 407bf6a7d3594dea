// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/bailiwick-operator/bailiwick/hack/tools/openbao-server/internal/config"
)

// listenerTLS returns a TLS configuration that reads the listener's files at each
// handshake. The files have to be right when the server starts, too.
func listenerTLS(l config.Listener) (*tls.Config, error) {
	if _, err := readTLS(l); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return readTLS(l)
		},
	}, nil
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
