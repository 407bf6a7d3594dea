// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bailiwick-operator/bailiwick/tests/node"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

const (
	manifests = "../../manifests"
	// image is that of the servers on the node.
	image = "localhost/openbao:test"
)

// shared is the node of all tests; there is none where that is not possible.
var shared *node.Node

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	if node.Available() != nil {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "bailiwick-servers-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	archive, err := serverImage(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "making the image of the servers:", err)
		return 1
	}
	installed := true
	code = node.Main(m, node.Options{Images: []string{archive}}, func(n *node.Node) {
		shared = n
		for _, folder := range []string{"crds", "rbac", "admission"} {
			if out, err := kubectl(context.Background(), "apply", "--server-side", "-k", filepath.Join(manifests, folder)); err != nil {
				fmt.Fprintln(os.Stderr, "installing", folder, err, out)
				installed = false
			}
		}
	})
	if !installed {
		return 1
	}
	return code
}

// serverImage returns an OCI layout of the servers' image.
func serverImage(dir string) (string, error) {
	if archive := os.Getenv("BAO_IMAGE"); archive != "" {
		return archive, nil
	}
	binary := os.Getenv("BAO_BIN")
	if binary == "" {
		var err error
		if binary, err = stack.Tool("bao"); err != nil {
			return "", err
		}
	}
	layout := filepath.Join(dir, "image")
	return layout, node.WriteImageAt(layout, image, binary, "/bin/bao")
}

// version is that of the servers.
func version() string { return cmp.Or(os.Getenv("BAO_VERSION"), "2.6.2") }

func kubectl(ctx context.Context, args ...string) (string, error) {
	bin, err := stack.Tool("kubectl")
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, bin, append([]string{"--kubeconfig", shared.Kubeconfig()}, args...)...).CombinedOutput()
	return string(out), err
}
