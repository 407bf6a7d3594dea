// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bailiwick is the operator.
package main

import (
	"os"
	// Schedules name time zones, and the image has none of its own.
	_ "time/tzdata"

	"k8s.io/component-base/cli"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
)

func main() {
	os.Exit(cli.Run(app.NewCommand()))
}
