// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flags is the page of the flags and environment variables of a command.
func flags(cmd *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Flags\n\n" +
		"What `bailiwick --help` prints. In a Deployment they are the container's `args`: see\n" +
		"[how to change them](install.md#change-a-setting). Flags marked `[Alpha]` are those of the Kubernetes logging library.\n\n" +
		"| flag | type | default | meaning |\n|---|---|---|---|\n")
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, f.Value.Type(), code(f.DefValue), cell(f.Usage))
	})
	// The long help ends with the variables, a line each.
	_, variables, _ := strings.Cut(cmd.Long, "Environment")
	b.WriteString("\n## Environment\n\nA variable counts where its flag is not given.\n\n| variable | stands for |\n|---|---|\n")
	for line := range strings.SplitSeq(variables, "\n") {
		name, meaning, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || !strings.HasPrefix(line, "  ") {
			continue
		}
		meaning = strings.TrimSpace(meaning)
		if strings.HasPrefix(meaning, "--") {
			meaning = "`" + meaning + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, cell(meaning))
	}
	return b.String()
}
