// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"k8s.io/klog/v2"
)

const (
	// addressOff is the bind address of a server that is turned off.
	addressOff = "0"

	serverReadTimeout  = 10 * time.Second
	serverWriteTimeout = time.Minute // a CPU profile takes 30 s
	serverIdleTimeout  = 90 * time.Second
	serverStopTimeout  = 2 * time.Second
)

// server is an HTTP server that is listening.
type server struct {
	name     string
	http     *http.Server
	listener net.Listener
	ended    chan error
}

// listen starts a server and returns nil if the address says that there is
// none. The caller stops it.
func listen(ctx context.Context, name, address string, handler http.Handler) (*server, error) {
	if address == addressOff {
		return nil, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	s := &server{
		name:     name,
		listener: listener,
		http: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: serverReadTimeout,
			ReadTimeout:       serverReadTimeout,
			WriteTimeout:      serverWriteTimeout,
			IdleTimeout:       serverIdleTimeout,
		},
		ended: make(chan error, 1),
	}
	klog.FromContext(ctx).Info("Serving", "server", name, "address", listener.Addr().String())
	go func() { s.ended <- s.http.Serve(listener) }()
	return s, nil
}

// stop ends the server and waits for it. A nil server is stopped already.
func (s *server) stop(ctx context.Context) {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), serverStopTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		// A request outlasted the wait.
		err = errors.Join(err, s.http.Close())
		klog.FromContext(ctx).V(2).Info("Closed a server with open requests", "server", s.name, "err", err)
	}
	if err := <-s.ended; err != nil && !errors.Is(err, http.ErrServerClosed) {
		klog.FromContext(ctx).Error(err, "Server failed", "server", s.name)
	}
}

// metricsHandler serves /metrics, and profiles if asked to.
func metricsHandler(metrics http.Handler, profiling bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	if profiling {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}
