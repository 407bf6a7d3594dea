// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

	goversion "github.com/hashicorp/go-version"
	"github.com/hashicorp/vault/version"
)

// defaultVersion is the OpenBao version whose behaviour is imitated.
const defaultVersion = "2.6.2"

// claimedVersion returns the OpenBao version that the server says it is.
func claimedVersion() string {
	if v := os.Getenv("BAO_TEST_VERSION"); v != "" {
		return v
	}
	return defaultVersion
}

// versionLine is right until claimVersion has been called.
func versionLine() string {
	return fmt.Sprintf("OpenBao v%s (not OpenBao: a test server that claims this version, with the core of release %s before the fork)",
		claimedVersion(), version.Version)
}

// claimVersion makes the core report the claimed version in sys/health, to raft
// peers and elsewhere. The core keeps it in variables of a package.
func claimVersion() {
	version.Version = claimedVersion()
	version.VersionPrerelease, version.VersionMetadata = "", ""
}

// watchesCertificates reports whether a server of the claimed version reads a new
// certificate without being told to.
func watchesCertificates() bool { return claimsAtLeast("2.7.0") }

// revokesRoot reports whether a server of the claimed version revokes the root token of
// its self-initialization.
func revokesRoot() bool { return claimsAtLeast("2.6.0") }

func claimsAtLeast(since string) bool {
	claimed, err := goversion.NewVersion(claimedVersion())
	return err == nil && claimed.Core().GreaterThanOrEqual(goversion.Must(goversion.NewVersion(since)))
}
