// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command demo runs the operator on this machine: it starts a Kubernetes control
// plane, an OpenBao server and a simulated Aiven API on 127.0.0.1, installs the
// manifests, runs the operator as a process with the rights that the manifests
// give it, applies the samples, waits until all are Ready, and checks on the
// servers themselves that what the objects ask for is there and works.
//
// Its exit status is 0 only if all of that held. What it starts ends with it.
// "make demo" builds the tools that it needs and runs it.
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

	"golang.org/x/term"
	"k8s.io/klog/v2"

	"github.com/bailiwick-operator/bailiwick/tests/internal/progress"
)

// options are what the command line says.
type options struct {
	// dir holds the kubeconfig, the logs and the data of the servers.
	dir string
	// wait keeps everything running after the checks.
	wait bool
	// timeout is how long the samples may take to become Ready.
	timeout time.Duration
	// verbosity is that of the operator's log.
	verbosity int
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
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	// Informers report every lost connection while the servers stop.
	klog.SetLogger(klog.Logger{})
	root, err := checkout()
	if err != nil {
		return err
	}
	terminal := term.IsTerminal(int(os.Stdout.Fd()))
	opts, err := parse(args, filepath.Join(root, ".demo"), terminal && os.Getenv("CI") == "")
	if err != nil {
		return err
	}
	d := &demo{options: opts, root: root, out: progress.New(os.Stdout)}
	return errors.Join(d.run(ctx), d.stop())
}

// parse reads the command line. wait is the default of the flag of that name.
func parse(args []string, dir string, wait bool) (options, error) {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	opts := options{}
	flags.StringVar(&opts.dir, "dir", dir, "directory of the kubeconfig, the logs and the servers' data; what an earlier run left in it is removed")
	flags.BoolVar(&opts.wait, "wait", wait, "keep running after the checks, until interrupted; the default is to do so on a terminal")
	noWait := flags.Bool("no-wait", false, "end after the checks, also on a terminal")
	flags.DurationVar(&opts.timeout, "timeout", 90*time.Second, "how long the samples may take to become Ready")
	flags.IntVar(&opts.verbosity, "v", 2, "verbosity of the operator's log")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *noWait {
		opts.wait = false
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
		if _, err := os.Stat(filepath.Join(dir, "manifests", "samples")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not in a checkout: no manifests/samples there or above", working)
		}
	}
}
