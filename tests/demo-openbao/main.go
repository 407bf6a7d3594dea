// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command demo-openbao shows on this machine that Bailiwick runs OpenBao servers: it
// starts a Kubernetes node (package node), installs the operator from its own image and
// manifests, applies one OpenBaoCluster, runs the command that the object asks for, and
// prints how the servers start, join, vote and are proved. Then it ends the leader and
// waits for the next one, deletes a volume, and rolls out another version.
//
// Its exit status is 0 only if all of that happened. What it starts ends with it.
// "make demo-openbao" builds the tools that it needs and runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/klog/v2"

	"github.com/bailiwick-operator/bailiwick/tests/internal/progress"
)

// options are what the command line says.
type options struct {
	// dir holds the kubeconfig, the manifests as they are applied, and the logs.
	dir string
	// keep has the node run after the demo, until interrupted.
	keep bool
	// timeout bounds each wait for the operator.
	timeout time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A second signal ends the process in the usual way.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "\ndemo-openbao:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	// Clients report every lost connection while the node stops.
	klog.SetLogger(klog.Logger{})
	root, err := checkout()
	if err != nil {
		return err
	}
	opts, err := parse(args, filepath.Join(root, ".demo", "openbao"))
	if err != nil {
		return err
	}
	d := &demo{options: opts, root: root, out: progress.New(os.Stdout), seen: seen{}}
	return errors.Join(d.run(ctx), d.stop())
}

// parse reads the command line. dir is the default of the flag of that name.
func parse(args []string, dir string) (options, error) {
	flags := flag.NewFlagSet("demo-openbao", flag.ContinueOnError)
	opts := options{}
	flags.StringVar(&opts.dir, "dir", dir, "directory of the kubeconfig, the applied manifests and the logs; what an earlier run left in it is removed")
	flags.BoolVar(&opts.keep, "keep", false, "keep the node running after the demo, until interrupted")
	flags.DurationVar(&opts.timeout, "timeout", 3*time.Minute, "how long each step may take")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var err error
	opts.dir, err = filepath.Abs(opts.dir)
	return opts, err
}

// checkout returns the top of the checkout that holds the working directory.
func checkout() (string, error) {
	working, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := working; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, sample)); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not in a checkout: no %s there or above", working, sample)
		}
	}
}
