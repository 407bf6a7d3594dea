// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/bailiwick-operator/bailiwick/tests/baocli"
	"github.com/bailiwick-operator/bailiwick/tests/node"
)

const checkout = "../.."

// The two releases that hack/image makes of this checkout: the one that people have,
// and the one that they upgrade to.
const (
	previous = "v0.0.1"
	current  = "v0.0.2"
)

// What the tests share, and do not change. Without a node there is none of it.
var (
	shared *node.Node
	// releases is the folder of the releases.
	releases string
)

// baoCommand, as the name that the test binary was started by, makes it the command bao.
const baoCommand = "bao"

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == baoCommand {
		if err := baocli.Run(context.Background(), os.Args[1:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	if node.Available() != nil {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "bailiwick-releases-")
	if err == nil {
		defer func() {
			if err := os.RemoveAll(dir); err != nil {
				fmt.Fprintln(os.Stderr, "removing the releases:", err)
				code = 1
			}
		}()
		releases = dir
		err = makeReleases(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "making the releases:", err)
		return 1
	}
	images := []string{imageOf(previous), imageOf(current)}
	return node.Main(m, node.Options{Images: images}, func(n *node.Node) { shared = n })
}

// makeReleases writes both releases below dir, as make release does, for this machine
// only.
func makeReleases(ctx context.Context, dir string) error {
	root, err := filepath.Abs(checkout)
	if err != nil {
		return err
	}
	command := filepath.Join(dir, "image")
	build := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join(root, "hack", "image"), "-trimpath", "-o", command, ".")
	build.Env = append(build.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building hack/image: %w: %s", err, out)
	}
	for _, version := range []string{previous, current} {
		release := exec.CommandContext(ctx, command, "release", "-C", root, "--version", version, "--dirty-ok",
			"--platforms", "linux/"+runtime.GOARCH, "--output", dir)
		if out, err := release.CombinedOutput(); err != nil {
			return fmt.Errorf("making %s: %w: %s", version, err, out)
		}
	}
	return errors.Join(exists(imageOf(previous)), exists(imageOf(current)))
}

func exists(path string) error {
	_, err := os.Stat(path)
	return err
}

func imageOf(version string) string {
	return filepath.Join(releases, version, "bailiwick-"+version+"-image.tar")
}
