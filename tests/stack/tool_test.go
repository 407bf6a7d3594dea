// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Which program is used where the machine has one that nobody built here.
func TestPrebuiltTools(t *testing.T) {
	for name, tc := range map[string]struct {
		assets, path, envtest string // the version that is there; empty is none
		any, built            bool
		want                  string // the folder; empty is the build's
	}{
		"nothing there":                      {},
		"assets":                             {assets: "3.6.1", want: "assets"},
		"assets before a build":              {assets: "3.6.1", built: true, want: "assets"},
		"assets that are too old":            {assets: "3.4.30"},
		"assets that say no version":         {assets: "unknown"},
		"PATH is not asked":                  {path: "3.6.1"},
		"PATH, where anything will do":       {path: "3.6.1", any: true, want: "path"},
		"what was built before PATH":         {path: "3.6.1", any: true, built: true},
		"setup-envtest's before PATH":        {path: "3.6.1", envtest: "3.5.21", any: true, want: "envtest"},
		"PATH, where setup-envtest's is old": {path: "3.10.0", envtest: "3.4.9", any: true, want: "path"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			folders := map[string]string{
				"assets": filepath.Join(dir, "assets"),
				"path":   filepath.Join(dir, "path"),
				"envtest": filepath.Join(dir, "data", "kubebuilder-envtest", "k8s",
					"1.37.0-"+runtime.GOOS+"-"+runtime.GOARCH),
			}
			for folder, version := range map[string]string{"assets": tc.assets, "path": tc.path, "envtest": tc.envtest} {
				if version != "" {
					script(t, filepath.Join(folders[folder], "etcd"), version)
				}
			}
			t.Setenv("BAILIWICK_CACHE", filepath.Join(dir, "cache"))
			t.Setenv("XDG_DATA_HOME", filepath.Join(dir, "data"))
			t.Setenv("PATH", folders["path"]+":"+os.Getenv("PATH"))
			t.Setenv("KUBEBUILDER_ASSETS", "")
			t.Setenv("BAILIWICK_PREBUILT", "")
			build, err := pathOf("etcd")
			if err != nil {
				t.Fatal(err)
			}
			if tc.built {
				script(t, build, "3.7.3")
			}
			if tc.assets != "" {
				t.Setenv("KUBEBUILDER_ASSETS", folders["assets"])
			}
			if tc.any {
				t.Setenv("BAILIWICK_PREBUILT", "any")
			}
			want := build
			if tc.want != "" {
				want = filepath.Join(folders[tc.want], "etcd")
			}
			if got, err := pathOf("etcd"); got != want || err != nil {
				t.Errorf("etcd is %s, %v; want %s", got, err, want)
			}
		})
	}
}

// script writes a program that says it is of a version.
func script(t *testing.T, path, version string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho etcd Version: "+version+"\n"), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
}
