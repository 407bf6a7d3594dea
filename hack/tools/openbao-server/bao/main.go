// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bao stands in for OpenBao's bao in tests: it runs as a pod's only
// process from the same command line, configuration and environment, and joins
// other pods to a cluster. It embeds the core of the MPL-2.0 release that OpenBao
// forked from, as openbao-server does for a single server on loopback.
//
//	bao server -config=PATH [-log-level=LEVEL]   PATH is a file, or a directory of *.hcl and *.json
//	bao status [-format=json]                    exit code 0: unsealed, 2: sealed, 1: error
//	bao version
//
// What is done as OpenBao 2.6 does it: the configuration files, read strictly
// (package config); raft with retry_join; the static and transit seals;
// self-initialization with its marker (package selfinit); declared audit devices
// of type file; the labels of service_registration "kubernetes"; leadership
// transfer on SIGTERM. TLS files are read at each handshake, as from 2.7.
//
// What the core lacks, besides the keys that package config lists: promoting and
// demoting raft peers, namespaces, plugins, profiles that compute values, reads
// on standbys, sys/rotate/recovery (it has sys/rekey-recovery-key), transactions.
// It differs in these: sys/seal-status names the type of the recovery seal
// (shamir) in place of the seal's; self-initialization leaves a recovery key that
// nobody knows where OpenBao leaves none; an audit device that is no longer
// declared is not disabled; the API can enable audit devices.
//
// The environment has OpenBao's variables, and for tests BAO_TEST_VERSION, the
// OpenBao version that the server claims to be, and BAO_TEST_SELF_INIT_DELAY, a
// duration to wait before each request of initialize.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

const usage = `usage:
  bao server -config=PATH [-log-level=LEVEL]
  bao status [-format=table|json]
  bao version
`

// run carries out a command and returns the exit code of the process.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprintf(stderr, "%s", usage)
		return 1
	}
	switch args[0] {
	case "server":
		return runServer(args[1:], stderr)
	case "status":
		return runStatus(args[1:], stdout, stderr)
	case "version", "-version", "--version", "-v":
		fmt.Fprintf(stdout, "%s\n", versionLine())
		return 0
	default:
		fmt.Fprintf(stderr, "bao: the test server has no command %q\n%s", args[0], usage)
		return 1
	}
}
