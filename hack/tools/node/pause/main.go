// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command pause does nothing until it is told to end: it keeps the namespaces of
// a pod, as the pause image of Kubernetes does.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	<-end
}
