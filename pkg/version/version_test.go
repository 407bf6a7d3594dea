// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package version

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestDescribe(t *testing.T) {
	checkout := func(modified string) *debug.BuildInfo {
		return &debug.BuildInfo{
			Main:     debug.Module{Version: "v0.0.0-20260102030405-0123456789ab"},
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: modified}},
		}
	}
	for name, tc := range map[string]struct {
		version, revision string
		build             *debug.BuildInfo
		want              string
	}{
		"release":           {version: "v1.2.3", revision: "fedcba", build: &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, want: "v1.2.3 (revision fedcba, "},
		"checkout":          {build: checkout("false"), want: "v0.0.0-20260102030405-0123456789ab (revision 0123456789abcdef, "},
		"changed checkout":  {build: checkout("true"), want: "v0.0.0-20260102030405-0123456789ab (revision 0123456789abcdef+dirty, "},
		"linker has a say":  {version: "v1.2.3", build: checkout("false"), want: "v1.2.3 (revision 0123456789abcdef, "},
		"no source control": {build: &debug.BuildInfo{}, want: "(devel) (revision unknown, "},
		"no build info":     {want: "(devel) (revision unknown, "},
	} {
		t.Run(name, func(t *testing.T) {
			if got, want := describe(tc.version, tc.revision, tc.build).String(), tc.want+runtime.Version()+")"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
