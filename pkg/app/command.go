// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"

	"github.com/bailiwick-operator/bailiwick/pkg/version"

	// Makes --logging-format=json known.
	_ "k8s.io/component-base/logs/json/register"
)

// NewCommand returns the command of the operator process. It makes the
// process-wide settings that Run relies on.
func NewCommand() *cobra.Command {
	options := NewOptions()
	options.ReadEnvironment(os.Getenv)
	logging := logsapi.NewLoggingConfiguration()
	cmd := &cobra.Command{
		Use:     "bailiwick",
		Short:   "Operator for Aiven services and OpenBao authorization",
		Long:    "Bailiwick keeps Aiven services, and the authorization of OpenBao clusters, as Kubernetes objects describe them.\n\n" + environmentHelp(),
		Version: version.Get().String(),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := SetupLogging(logging, nil, nil); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			// A second signal ends the process in the usual way.
			context.AfterFunc(ctx, stop)
			ctx = klog.NewContext(ctx, klog.Background())
			flag.PrintFlags(cmd.Flags())
			return Run(ctx, options)
		},
	}
	cmd.SetContext(context.Background())
	options.AddFlags(cmd.Flags())
	logsapi.AddFlags(logging, cmd.Flags())
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.AddCommand(newCheckCommand())
	return cmd
}

// environmentHelp describes the variables of environment.
func environmentHelp() string {
	var b strings.Builder
	b.WriteString("Environment, read where the flag is not given:\n")
	for _, v := range environment() {
		means := "--" + v.flag
		if v.flag == "" {
			means = v.help
		}
		fmt.Fprintf(&b, "  %-21s %s\n", v.name, means)
	}
	return b.String()
}

// ValidateFlags returns what is wrong with the flags of a process that has this
// environment.
func ValidateFlags(args []string, env map[string]string) error {
	options := NewOptions()
	options.ReadEnvironment(func(name string) string { return env[name] })
	flags := pflag.NewFlagSet("bailiwick", pflag.ContinueOnError)
	options.AddFlags(flags)
	logsapi.AddFlags(logsapi.NewLoggingConfiguration(), flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	return options.Validate()
}
