// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bailiwick is the operator.
package main

import (
	"os"

	"k8s.io/component-base/cli"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
)

func main() {
	os.Exit(cli.Run(app.NewCommand()))
}
