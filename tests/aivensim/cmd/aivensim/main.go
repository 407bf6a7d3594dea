// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command aivensim serves the simulated Aiven API for the demo, until it is
// interrupted. Its first line on standard output is the URL.
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

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "aivensim:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("aivensim", flag.ContinueOnError)
	port := flags.Int("port", 0, "port on 127.0.0.1; 0 means a free one")
	projects := flags.String("projects", "demo", "comma-separated projects that exist from the start")
	autoProjects := flags.Bool("auto-projects", false, "create a project when a request first names it")
	tokens := flags.String("tokens", "", "comma-separated name=value pairs; empty means that every token is accepted")
	build := flags.Duration("service-build", 5*time.Second, "time until a new service runs")
	topic := flags.Duration("topic-active", time.Second, "time until a new topic is ACTIVE")
	latency := flags.Duration("latency", 0, "delay of every request")
	postgres := flags.Bool("postgres", true, "back pg services by a real PostgreSQL where one is installed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	opts := aivensim.Options{
		Address:      fmt.Sprintf("127.0.0.1:%d", *port),
		AutoProjects: *autoProjects,
		Admin:        true,
		Timing: aivensim.Timing{
			Latency: *latency, ServiceBuild: *build, PowerOn: *build, ServiceChange: *build,
			VPCBuild: *build, VPCDelete: *build, TopicActive: *topic,
		},
	}
	if *projects != "" {
		opts.Projects = strings.Split(*projects, ",")
	}
	if *tokens != "" {
		for pair := range strings.SplitSeq(*tokens, ",") {
			name, value, _ := strings.Cut(pair, "=")
			opts.Tokens = append(opts.Tokens, aivensim.Token{Name: name, Value: value})
		}
	}
	if *postgres {
		opts.PostgresBinDir, opts.RealPostgres = aivensim.FindPostgres()
	}
	server, err := aivensim.New(opts)
	if err != nil {
		return err
	}
	url, err := server.Start()
	if err != nil {
		return errors.Join(err, server.Close())
	}
	fmt.Println(url)
	<-ctx.Done()
	return server.Close()
}
