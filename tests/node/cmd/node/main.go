// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command node starts a cluster of real nodes on this machine, prints how to use it,
// and removes it when it is interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/bailiwick-operator/bailiwick/tests/node"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

func main() {
	workers := flag.Int("workers", 0, "number of further nodes")
	images := flag.String("images", "", "OCI layouts to load, separated by commas")
	logs := flag.String("logs", "", "folder for logs, which stays")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	opts := node.Options{Logs: *logs}
	if *images != "" {
		opts.Images = strings.Split(*images, ",")
	}
	if err := run(ctx, opts, *workers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, opts node.Options, workers int) (err error) {
	started := time.Now()
	n, err := node.Start(ctx, opts)
	if err != nil {
		return err
	}
	defer func() {
		stopping := time.Now()
		err = errors.Join(err, n.Stop())
		fmt.Printf("Removed in %.1f s\n", time.Since(stopping).Seconds())
	}()
	fmt.Printf("%s is Ready after %.1f s\n", n.Name(), time.Since(started).Seconds())
	for range workers {
		started := time.Now()
		worker, err := n.AddWorker(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%s is Ready after %.1f s\n", worker.Name(), time.Since(started).Seconds())
	}
	kubectl, err := stack.Tool("kubectl")
	if err != nil {
		return err
	}
	fmt.Printf("\n  export KUBECONFIG=%s\n  %s get nodes\n\nPods reach this machine at %s. Ctrl-C removes all of it.\n",
		n.Kubeconfig(), kubectl, n.GatewayAddr())
	<-ctx.Done()
	return nil
}
