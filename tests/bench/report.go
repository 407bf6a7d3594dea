// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// row is one figure of the report.
type row struct {
	scenario, figure, measured, target string
	// holds is "" for a figure that has no target.
	holds string
}

// rowsOf collects the rows of one scenario.
type rowsOf struct {
	scenario string
	rows     []row
}

// note adds a figure without a target.
func (r *rowsOf) note(figure, format string, args ...any) {
	r.rows = append(r.rows, row{scenario: r.scenario, figure: figure, measured: fmt.Sprintf(format, args...)})
}

// check adds a figure and whether it meets its target.
func (r *rowsOf) check(figure, target string, holds bool, format string, args ...any) {
	r.note(figure, format, args...)
	last := &r.rows[len(r.rows)-1]
	last.target, last.holds = target, "no"
	if holds {
		last.holds = "yes"
	}
}

// table renders rows as a Markdown table.
func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| Scenario | Figure | Measured | Target | Holds |\n|---|---|---|---|---|\n")
	last := ""
	for _, r := range rows {
		scenario := r.scenario
		if scenario == last {
			scenario = ""
		}
		last = r.scenario
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", scenario, r.figure, r.measured, r.target, r.holds)
	}
	return b.String()
}

// machine names the processor, as far as the system says.
func machine() string {
	content, _ := os.ReadFile("/proc/cpuinfo") // not there on other systems
	for line := range strings.Lines(string(content)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOOS + "/" + runtime.GOARCH
}

// mebibytes renders a number of bytes.
func mebibytes(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
