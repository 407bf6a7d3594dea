// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures an operator on real servers: it starts etcd, a
// Kubernetes API server and the Aiven simulator on 127.0.0.1, runs the operator
// as a process, gives it work and reports what that took. Each scenario has
// servers of its own.
//
//	go run ./bench                          # all scenarios, of this checkout
//	go run ./bench -scenario kafka901,steady
//	go run ./bench -scenario kafka901 -crds <folder> -operator '<command>'
//
// The command of another operator is a shell command and a Go template of the
// fields of commandData; it also finds KUBECONFIG and AIVEN_WEB_URL in its
// environment. What belongs to figures that only this operator's flags allow is
// left out for it.
//
// README.md holds figures and says how they are counted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"k8s.io/klog/v2"
)

// options are what the command line says.
type options struct {
	scenarios []string
	// operator is the command of another operator; empty means this checkout's.
	operator string
	crds     string
	// latency is added to every answer of the simulator.
	latency time.Duration
	// timeout bounds each scenario, and limit all of them.
	timeout, limit time.Duration
	// interval is the poll interval where a poll is measured.
	interval time.Duration
	// runs is how often what is compared between runs is repeated.
	runs int
	// sizes are the numbers of topics of the scenario topics20k.
	sizes []int
	// share is how much of the objects of kafka901, postgres200, steady, restart and
	// openbao200 there are, to try whether these scenarios work.
	share float64
	// out receives the logs of the operator and its profiles.
	out string
	// profile is for how long CPU profiles are taken; 0 means that none is.
	profile time.Duration
	root    string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	// Informers and watches report lost connections while servers stop.
	klog.SetLogger(klog.Logger{})
	opts, err := parse(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, opts.limit, fmt.Errorf("all scenarios together took longer than %s", opts.limit))
	defer cancel()
	b := &bench{options: opts}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	var failed []error
	for _, name := range opts.scenarios {
		began := time.Now()
		fmt.Fprintf(os.Stderr, "%s ...\n", name)
		bounded, cancel := context.WithTimeoutCause(ctx, opts.timeout, fmt.Errorf("the scenario took longer than %s", opts.timeout))
		rows, err := scenarios()[name](bounded, b)
		cancel()
		b.rows = append(b.rows, rows...)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
		}
		fmt.Fprintf(os.Stderr, "%s: %s\n%s", name, time.Since(began).Round(time.Second), table(rows))
		if ctx.Err() != nil {
			break
		}
	}
	fmt.Printf("%s, %s, %d processors, %s\n\n%s", time.Now().Format(time.DateOnly), machine(), runtime.NumCPU(), runtime.Version(), table(b.rows))
	return errors.Join(failed...)
}

// some returns the number of objects where n are the whole of them.
func (b *bench) some(n int) int { return max(1, int(float64(n)*b.share)) }

func parse(args []string) (options, error) {
	root, err := checkout()
	if err != nil {
		return options{}, err
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	opts := options{root: root}
	all := strings.Join(names(), ",")
	list := flags.String("scenario", all, "scenarios to run, in this order")
	flags.StringVar(&opts.operator, "operator", "", "shell command of another operator; {{.Kubeconfig}}, {{.AivenURL}} and {{.PollInterval}} are filled in")
	flags.StringVar(&opts.crds, "crds", filepath.Join(root, "manifests", "crds"), "folder of the operator's CRDs")
	flags.DurationVar(&opts.latency, "latency", 30*time.Millisecond, "time that every Aiven request takes")
	flags.DurationVar(&opts.timeout, "timeout", 25*time.Minute, "time limit of each scenario")
	flags.DurationVar(&opts.limit, "limit", 90*time.Minute, "time limit of all scenarios together")
	flags.DurationVar(&opts.interval, "interval", 20*time.Second, "poll interval where polls are measured")
	flags.IntVar(&opts.runs, "runs", 5, "how often a scenario that compares times repeats them")
	sizes := flags.String("sizes", "1000,5000,20000", "numbers of topics in the scenario topics20k")
	flags.Float64Var(&opts.share, "share", 1, "share of the objects of kafka901, postgres200, steady, restart and openbao200; less than 1 measures nothing, and tells whether they work")
	flags.StringVar(&opts.out, "out", filepath.Join(root, "bin", "bench"), "folder for the binary, logs and profiles")
	flags.DurationVar(&opts.profile, "profile", 0, "write a CPU profile of that long, at most 50s, of what is measured, and heap profiles after it")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	for _, text := range strings.Split(*sizes, ",") {
		var n int
		if _, err := fmt.Sscan(text, &n); err != nil || n < 20 {
			return options{}, fmt.Errorf("-sizes: %q is not a number of topics of 20 or more", text)
		}
		opts.sizes = append(opts.sizes, n)
	}
	if opts.share <= 0 || opts.share > 1 {
		return options{}, fmt.Errorf("-share: %v is not more than 0 and at most 1", opts.share)
	}
	opts.scenarios = strings.Split(*list, ",")
	for _, name := range opts.scenarios {
		if !slices.Contains(names(), name) {
			return options{}, fmt.Errorf("there is no scenario %q; known are %s", name, all)
		}
	}
	return opts, nil
}

// checkout returns the top of the checkout that holds the working directory.
func checkout() (string, error) {
	working, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := working; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "manifests", "crds")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not in a checkout: no manifests/crds there or above", working)
		}
	}
}
