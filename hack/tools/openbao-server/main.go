// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command openbao-server serves the OpenBao API for tests on machines without
// a bao binary. It embeds the core of the MPL-2.0 release that OpenBao forked
// from, on raft storage and behind TLS, with the parts the operator talks to:
// the jwt auth method, the kv secrets engine and the whole of sys/.
//
// It is a single node meant for loopback. With --init-file it initialises
// itself, writes the unseal key and the root token there, and unseals itself at
// every later start on the same data directory. Without it, it waits to be
// initialised and unsealed through the API, as bao does. SIGINT and SIGTERM
// seal it and stop it.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/vault"
)

// shutdownTimeout bounds how long requests in flight may delay a stop.
const shutdownTimeout = 5 * time.Second

type options struct {
	listen        string
	clusterListen string
	tlsCert       string
	tlsKey        string
	dataDir       string
	initFile      string
	logLevel      string
}

func (o *options) addFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.listen, "listen", "127.0.0.1:8200", "Address of the API, host:port.")
	fs.StringVar(&o.clusterListen, "cluster-listen", "", "Address of the raft listener, host:port. The default is the API's host and the port after the API's.")
	fs.StringVar(&o.tlsCert, "tls-cert", "", "File with the PEM certificate chain of the API (required).")
	fs.StringVar(&o.tlsKey, "tls-key", "", "File with the PEM key of --tls-cert (required).")
	fs.StringVar(&o.dataDir, "data-dir", "", "Directory of the raft storage, made if it is missing (required).")
	fs.StringVar(&o.initFile, "init-file", "", "File that receives unseal key and root token as JSON, and from which later starts unseal. Empty: initialise and unseal through the API.")
	fs.StringVar(&o.logLevel, "log-level", "info", "Level of the log on standard error: trace, debug, info, warn or error.")
}

func (o *options) complete() error {
	for _, required := range []struct{ flag, value string }{
		{"--tls-cert", o.tlsCert}, {"--tls-key", o.tlsKey}, {"--data-dir", o.dataDir},
	} {
		if required.value == "" {
			return fmt.Errorf("%s is required", required.flag)
		}
	}
	if o.clusterListen == "" {
		host, port, err := net.SplitHostPort(o.listen)
		if err != nil {
			return fmt.Errorf("--listen: %w", err)
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			return fmt.Errorf("--listen: port %q is not a number", port)
		}
		o.clusterListen = net.JoinHostPort(host, strconv.Itoa(number+1))
	}
	return nil
}

func main() {
	var o options
	o.addFlags(flag.CommandLine)
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "openbao-server:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done, then seals the core and returns nil.
func run(ctx context.Context, o options) error {
	if err := o.complete(); err != nil {
		return err
	}
	certificate, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
	if err != nil {
		return err
	}
	logger := hclog.New(&hclog.LoggerOptions{
		Level:  hclog.LevelFromString(o.logLevel),
		Output: os.Stderr,
	})

	core, err := newCore(o, logger)
	if err != nil {
		return err
	}

	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return errors.Join(err, core.Shutdown())
	}
	server := &http.Server{
		Handler: vaulthttp.Handler.Handler(&vault.HandlerProperties{
			Core:           core,
			ListenerConfig: &configutil.Listener{Type: "tcp", Address: o.listen},
		}),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          logger.StandardLogger(nil),
	}
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(listener, "", "") }()
	logger.Info("serving", "address", listener.Addr().String())

	if o.initFile != "" {
		err = initAndUnseal(ctx, core, o.initFile)
	}
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-served:
		}
	}

	// The context of run is over by now, but requests in flight get a little longer.
	shutdownCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if shutdownErr := server.Shutdown(shutdownCtx); errors.Is(shutdownErr, context.DeadlineExceeded) {
		_ = server.Close()
	}
	return errors.Join(err, core.Shutdown())
}
