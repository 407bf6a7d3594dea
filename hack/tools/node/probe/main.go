// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command probe is what pods of tests run: an HTTP server that does from inside
// its pod what a request asks for, and answers with what came of it.
//
//	GET  /                    the name of the pod
//	GET  /resolve?name=NAME   the addresses of NAME, one a line
//	GET  /fetch?url=URL       what URL answers
//	GET  /file?path=PATH      what the file holds
//	PUT  /file?path=PATH      write the body to the file
//
// What fails is answered with status 502 and the error.
package main

import (
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
	"syscall"
	"time"
)

// patience is how long a pod waits for another one.
const patience = 3 * time.Second

func main() {
	listen := flag.String("listen", ":8080", "address to serve on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := serve(ctx, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, listen string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	fmt.Println("serving on", listener.Addr())
	server := &http.Server{Handler: handler(), ReadHeaderTimeout: patience}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		// Nobody waits for an answer of a pod that goes.
		err := server.Close()
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}
}

// question does what a request asks for.
type question func(ctx context.Context, r *http.Request) (string, error)

func handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, ask := range map[string]question{
		"GET /{$}":     func(context.Context, *http.Request) (string, error) { return os.Hostname() },
		"GET /resolve": resolve,
		"GET /fetch":   fetch,
		"GET /file":    readFile,
		"PUT /file":    writeFile,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), patience)
			defer cancel()
			answer, err := ask(ctx, r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			_, _ = io.WriteString(w, answer)
		})
	}
	return mux
}

func resolve(ctx context.Context, r *http.Request) (string, error) {
	addresses, err := net.DefaultResolver.LookupHost(ctx, r.FormValue("name"))
	return strings.Join(addresses, "\n"), err
}

func fetch(ctx context.Context, r *http.Request) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.FormValue("url"), nil)
	if err != nil {
		return "", err
	}
	// Each question is a connection of its own, so that it meets what applies now.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(response.Body)
	return string(body), errors.Join(err, response.Body.Close())
}

func readFile(_ context.Context, r *http.Request) (string, error) {
	content, err := os.ReadFile(r.FormValue("path"))
	return string(content), err
}

func writeFile(_ context.Context, r *http.Request) (string, error) {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	return "", os.WriteFile(r.FormValue("path"), content, 0o600)
}
