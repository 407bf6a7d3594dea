// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/vault"

	"github.com/bailiwick-operator/bailiwick/hack/tools/openbao-server/internal/config"
	"github.com/bailiwick-operator/bailiwick/hack/tools/openbao-server/internal/selfinit"
)

const (
	// shutdownTimeout bounds how long requests in flight may delay a stop.
	shutdownTimeout = 5 * time.Second
	// unsealInterval is how often a node with an auto-unseal looks for its keys,
	// which come with the first start or with joining. OpenBao waits 5 s.
	unsealInterval = time.Second
)

func runServer(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("bao server", flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("config", "", "Configuration file, or directory of *.hcl and *.json files (required).")
	level := flags.String("log-level", "", "Level of the log on standard error: trace, debug, info, warn or error. It overrides BAO_LOG_LEVEL and log_level.")
	if err := flags.Parse(args); err != nil {
		return 1
	}
	if *path == "" || flags.NArg() > 0 {
		fmt.Fprintf(stderr, "bao server: -config=PATH is required, and nothing else may follow\n")
		return 1
	}

	// Caught before anything is opened, so that no signal is lost.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)

	if err := serve(ctx, *path, *level, reload, stderr); err != nil {
		fmt.Fprintf(stderr, "bao server: %v\n", err)
		return 1
	}
	return 0
}

// serve runs a server until ctx is done, and returns nil then. Its order is that
// of OpenBao (command/server.go): the node joins, and initializes itself, before
// it answers the first request.
func serve(ctx context.Context, path, level string, reload <-chan os.Signal, stderr io.Writer) error {
	if err := adoptEnvironment(); err != nil {
		return err
	}
	c, err := config.Load(path)
	if err != nil {
		return fmt.Errorf("the configuration is wrong:\n%w", err)
	}
	delay, err := time.ParseDuration(cmp.Or(os.Getenv("BAO_TEST_SELF_INIT_DELAY"), "0"))
	if err != nil {
		return fmt.Errorf("BAO_TEST_SELF_INIT_DELAY: %w", err)
	}
	logger := hclog.New(&hclog.LoggerOptions{
		Level:      hclog.LevelFromString(cmp.Or(level, variable("LOG_LEVEL"), c.LogLevel, "info")),
		Output:     stderr,
		JSONFormat: c.LogFormat == "json",
	})
	logger.Info("this is a test server", "version", versionLine())
	claimVersion()
	if len(c.Missing) > 0 {
		logger.Warn("the test server does not do all that the configuration asks for", "missing", strings.Join(c.Missing, "; "))
	}

	a, err := resolveAddresses(c)
	if err != nil {
		return err
	}
	storage, err := newStorage(c, logger)
	if err != nil {
		return err
	}
	marker := selfinit.NewMarker(storage)
	if err := marker.Check(ctx); err != nil {
		return err
	}
	registration, err := newRegistration(c, logger)
	if err != nil {
		return err
	}
	core, autoUnseal, err := newCore(ctx, c, a, storage, registration, logger)
	if err != nil {
		return err
	}

	// Background work ends after the core has been shut down, so that its last
	// state still reaches the labels.
	stopped := make(chan struct{})
	var background sync.WaitGroup
	defer background.Wait()
	defer close(stopped)
	if registration != nil {
		if err := registration.Run(stopped, &background, a.api); err != nil {
			return err
		}
	}
	workCtx, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	servers, err := listen(workCtx, c, a, core, logger)
	if err != nil {
		return errors.Join(err, core.Shutdown())
	}

	failed := make(chan error, len(servers)+1)
	initialized, err := core.InitializedLocally(workCtx)
	if err != nil {
		return errors.Join(err, core.Shutdown())
	}
	// A node that may initialize itself would find its own marker.
	mayInitialize := len(c.Initialize) > 0 && !initialized
	if autoUnseal {
		background.Go(func() {
			if err := unseal(workCtx, core, marker, mayInitialize, logger); err != nil {
				failed <- err
			}
		})
	}
	devices := &auditor{core: core, devices: c.Audits, logger: logger.Named("audit")}
	background.Go(func() { devices.run(workCtx) })

	// This returns immediately and goes on in the background.
	if err := core.InitiateRetryJoin(workCtx); err != nil {
		return errors.Join(fmt.Errorf("retry_join: %w", err), core.Shutdown())
	}
	// Like OpenBao, not interrupted by a signal.
	if err := selfinit.Run(workCtx, core, selfinit.Options{
		Blocks:         c.Initialize,
		Marker:         marker,
		AutoUnseal:     autoUnseal,
		BeforeRequests: devices.enable,
		KeepRoot:       !revokesRoot(),
		Delay:          delay,
		Logger:         logger.Named("self-init"),
	}); err != nil {
		return errors.Join(err, core.Shutdown())
	}

	for _, s := range servers {
		go func() { failed <- s.serve() }()
		logger.Info("serving", "address", s.listener.Addr().String())
	}
	for running := true; running; {
		select {
		case <-ctx.Done():
			logger.Info("stopping")
			running = false
		case err = <-failed:
			running = false
		case <-reload:
			for _, s := range servers {
				if problem := s.reload(); problem != nil {
					logger.Error("the files of a listener cannot be used; those of before stay", "error", problem)
				}
			}
		}
	}
	return errors.Join(err, shutdown(core, servers))
}

// unseal unseals the core as soon as its storage has the keys. The marker of
// an unfinished self-initialization can also come from a peer, and is an error
// unless mayInitialize.
func unseal(ctx context.Context, core *vault.Core, marker selfinit.Marker, mayInitialize bool, logger hclog.Logger) error {
	for {
		if !mayInitialize {
			if err := marker.Check(ctx); err != nil {
				return err
			}
		}
		err := core.UnsealWithStoredKeys(ctx)
		if err == nil {
			return nil
		}
		logger.Debug("not unsealed yet", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(unsealInterval):
		}
	}
}

// apiServer is one listener of the API.
type apiServer struct {
	http     *http.Server
	listener net.Listener
	// certificates is nil without TLS.
	certificates *certificates
}

// reload has it show what its files hold now.
func (s apiServer) reload() error {
	if s.certificates == nil {
		return nil
	}
	return s.certificates.reload()
}

func (s apiServer) serve() error {
	if s.http.TLSConfig == nil {
		return s.http.Serve(s.listener)
	}
	return s.http.ServeTLS(s.listener, "", "")
}

// listen opens the listeners and accepts nothing yet.
func listen(ctx context.Context, c *config.Config, a addresses, core *vault.Core, logger hclog.Logger) ([]apiServer, error) {
	var servers []apiServer
	for i, l := range c.Listeners {
		handler, err := announceJoins(core, vaulthttp.Handler.Handler(&vault.HandlerProperties{
			Core: core,
			ListenerConfig: &configutil.Listener{
				Type:               "tcp",
				Address:            a.listen[i],
				MaxRequestSize:     l.MaxRequestSize,
				MaxRequestDuration: l.MaxRequestDuration,
				Telemetry:          configutil.ListenerTelemetry{UnauthenticatedMetricsAccess: l.UnauthenticatedMetricsAccess},
			},
		}))
		if err != nil {
			return nil, err
		}
		server := &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:          logger.Named("http").StandardLogger(nil),
		}
		var shown *certificates
		if !l.TLSDisable {
			var err error
			if shown, err = newCertificates(l, watchesCertificates()); err != nil {
				return nil, fmt.Errorf(`listener "tcp" %s: %w`, a.listen[i], err)
			}
			server.TLSConfig = shown.config()
		}
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", a.listen[i])
		if err != nil {
			return nil, fmt.Errorf(`listener "tcp": %w`, err)
		}
		servers = append(servers, apiServer{http: server, listener: listener, certificates: shown})
	}
	return servers, nil
}

// shutdown seals the core, which hands leadership to another node, and meanwhile
// lets requests in flight end.
func shutdown(core *vault.Core, servers []apiServer) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	var wait sync.WaitGroup
	for _, s := range servers {
		wait.Go(func() {
			if s.http.Shutdown(ctx) != nil {
				_ = s.http.Close()
			}
		})
	}
	err := core.Shutdown()
	wait.Wait()
	return err
}
