// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package chart runs the real helm on the chart of this checkout. Its tests keep the
// chart equal to the manifests, and install, upgrade and uninstall it.
package chart

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// Dir is the chart, from a package of tests.
const Dir = "../../charts/bailiwick"

// Helm is the helm that hack/build-tools.sh has built, with no settings but its own.
type Helm struct {
	binary string
	home   string
	// Kubeconfig is the access to a cluster. Without, only what needs none works.
	Kubeconfig string
}

// New returns a helm whose files are gone after the test.
func New(t testing.TB) *Helm {
	t.Helper()
	binary, err := stack.Tool("helm")
	if err != nil {
		t.Fatal(err)
	}
	return &Helm{binary: binary, home: t.TempDir(), Kubeconfig: filepath.Join(t.TempDir(), "none")}
}

// Run returns what a command prints. Its error holds what helm says is wrong.
func (h *Helm) Run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, h.binary, args...)
	cmd.Env = append(cmd.Environ(), "KUBECONFIG="+h.Kubeconfig)
	for _, kind := range []string{"CACHE", "CONFIG", "DATA"} {
		cmd.Env = append(cmd.Env, "HELM_"+kind+"_HOME="+filepath.Join(h.home, strings.ToLower(kind)))
	}
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(problems.String()))
	}
	return out.String(), nil
}

// Package packs a chart, and returns the archive.
func (h *Helm) Package(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	if _, err := h.Run(t.Context(), "package", dir, "--destination", to); err != nil {
		t.Fatal(err)
	}
	archives, err := filepath.Glob(filepath.Join(to, "*.tgz"))
	if err != nil || len(archives) != 1 {
		t.Fatalf("archives are %v: %v", archives, err)
	}
	return archives[0]
}

// Values writes a file of values, and returns its path.
func Values(t testing.TB, text string) string {
	t.Helper()
	// Not t.TempDir: helm takes a comma in a path, which comes from the name of the
	// test, for the end of it.
	dir, err := os.MkdirTemp("", "bailiwick-values-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "values.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
