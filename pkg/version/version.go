// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package version says which build of the operator is running. Flags, logs, metrics
// and the user agents of all clients take it from here.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Set by the linker for images and releases, whose builds know nothing of git:
//
//	-ldflags "-X github.com/bailiwick-operator/bailiwick/pkg/version.version=v1.2.3 -X ...revision=COMMIT"
var version, revision string

// Unknown stands for what a build does not say.
const Unknown = "unknown"

// devel is what Go calls a build without a version.
const devel = "(devel)"

// Info describes a build.
type Info struct {
	// Version is that of the release, or what Go has made of the commit, or (devel).
	Version string
	// Revision is the commit, followed by +dirty where the checkout had changes.
	Revision string
	// GoVersion is the version of Go that the build was made with.
	GoVersion string
}

// Get describes the build that is running.
func Get() Info {
	build, _ := debug.ReadBuildInfo()
	return describe(version, revision, build)
}

// String is what --version prints.
func (i Info) String() string {
	return fmt.Sprintf("%s (revision %s, %s)", i.Version, i.Revision, i.GoVersion)
}

// describe fills in from build, which may be nil, what the linker has not set.
func describe(version, revision string, build *debug.BuildInfo) Info {
	info := Info{Version: version, Revision: revision, GoVersion: runtime.Version()}
	if build != nil {
		var commit, changed string
		for _, s := range build.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = "+dirty"
			}
		}
		if info.Version == "" {
			info.Version = build.Main.Version
		}
		if info.Revision == "" && commit != "" {
			info.Revision = commit + changed
		}
	}
	if info.Version == "" {
		info.Version = devel
	}
	if info.Revision == "" {
		info.Revision = Unknown
	}
	return info
}
