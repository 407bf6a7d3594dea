// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// statusTimeout bounds the whole of bao status; it is OpenBao's default for a client.
const statusTimeout = 60 * time.Second

// Exit codes of bao status.
const (
	exitUnsealed = 0
	exitError    = 1
	exitSealed   = 2
)

func runStatus(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bao status", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var o statusOptions
	skipVerify, _ := strconv.ParseBool(variable("SKIP_VERIFY"))
	flags.StringVar(&o.address, "address", cmp.Or(variable("ADDR"), "https://127.0.0.1:8200"), "URL of the server.")
	flags.StringVar(&o.caFile, "ca-cert", variable("CACERT"), "File with the CA's certificates. Default: the system's.")
	flags.StringVar(&o.certFile, "client-cert", variable("CLIENT_CERT"), "File with the client certificate.")
	flags.StringVar(&o.keyFile, "client-key", variable("CLIENT_KEY"), "File with the key of the client certificate.")
	flags.StringVar(&o.serverName, "tls-server-name", variable("TLS_SERVER_NAME"), "Name that the server's certificate must have. Default: the host of the URL.")
	flags.BoolVar(&o.skipVerify, "tls-skip-verify", skipVerify, "Accept any certificate.")
	format := flags.String("format", cmp.Or(variable("FORMAT"), "table"), "table or json.")
	if err := flags.Parse(args); err != nil {
		return exitError
	}
	status, err := o.fetch()
	if err == nil {
		err = printStatus(stdout, *format, status)
	}
	if err != nil {
		fmt.Fprintf(stderr, "Error checking seal status: %v\n", err)
		return exitError
	}
	if status["sealed"] != false {
		return exitSealed
	}
	return exitUnsealed
}

type statusOptions struct {
	address, caFile, certFile, keyFile, serverName string
	skipVerify                                     bool
}

func (o statusOptions) client() (*http.Client, error) {
	c := &tls.Config{ServerName: o.serverName, InsecureSkipVerify: o.skipVerify}
	if o.caFile != "" {
		content, err := os.ReadFile(o.caFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("%s holds no certificate", o.caFile)
		}
	}
	if o.certFile != "" || o.keyFile != "" {
		certificate, err := tls.LoadX509KeyPair(o.certFile, o.keyFile)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{certificate}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: c, Proxy: http.ProxyFromEnvironment}}, nil
}

// fetch returns sys/seal-status with what sys/leader adds. A sealed server does
// not answer the latter.
func (o statusOptions) fetch() (map[string]any, error) {
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	status, err := o.get(ctx, client, "sys/seal-status")
	if err != nil {
		return nil, err
	}
	if status["sealed"] != false {
		status["ha_enabled"] = true
		return status, nil
	}
	leader, err := o.get(ctx, client, "sys/leader")
	if err != nil {
		return nil, err
	}
	maps.Copy(status, leader)
	return status, nil
}

func (o statusOptions) get(ctx context.Context, client *http.Client, path string) (map[string]any, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(o.address, "/")+"/v1/"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", path, response.Status)
	}
	var answer map[string]any
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return answer, nil
}

func printStatus(stdout io.Writer, format string, status map[string]any) error {
	switch format {
	case "json":
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(status)
	case "table":
		for _, key := range slices.Sorted(maps.Keys(status)) {
			fmt.Fprintf(stdout, "%-24s %v\n", key, status[key])
		}
		return nil
	default:
		return errors.New("-format must be table or json")
	}
}
