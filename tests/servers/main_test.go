// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
	"github.com/bailiwick-operator/bailiwick/tests/internal/baoimage"
	"github.com/bailiwick-operator/bailiwick/tests/internal/grants"
	"github.com/bailiwick-operator/bailiwick/tests/node"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

const (
	manifests = "../../manifests"
	// slowImage is that of servers that wait before each request of their
	// self-initialization, as far as they are the test server.
	slowImage     = "localhost/openbao:slow"
	selfInitDelay = 500 * time.Millisecond
	// keepingImage is that of servers that keep the root token of a self-initialization.
	keepingImage   = "localhost/openbao:keeping"
	keepingVersion = "2.5.5"
	// watchingImage is that of servers that read a new certificate by themselves, which
	// only the test server can imitate: it is of a version that is not released.
	watchingImage   = "localhost/openbao:watching"
	watchingVersion = "2.7.0"
	// nextImage is that of the version to which the test server can be upgraded.
	nextImage   = baoimage.NextReference
	nextVersion = baoimage.NextVersion
	// jobImage is that of Jobs: the part of Bailiwick's image that they run.
	jobImage = "localhost/bailiwick:jobs"
)

// shared is the node of all tests; there is none where that is not possible.
var shared *node.Node

// atOnce is how many tests run side by side: most of the time they wait for servers.
const atOnce = "3"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", atOnce); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(run(m))
}

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
	archives, err := serverImages(dir)
	if err == nil {
		var jobs string
		jobs, err = jobsImage(dir)
		archives = append(archives, jobs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "making the images:", err)
		return 1
	}
	audit, err := grants.AuditArgs(filepath.Join(dir, "audit.log"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	installed := true
	code = node.Main(m, node.Options{Images: archives, APIServerArgs: audit}, func(n *node.Node) {
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
	if code != 0 {
		return code
	}
	if err := checkRights(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// checkRights finds rights that were refused to the accounts of both processes, and those
// that only tests with a node can use and that these have not. tests/integration does so
// with all others.
func checkRights(logs string) error {
	documents, err := rbacDocuments()
	if err != nil {
		return err
	}
	// A part of the tests uses a part of the rights.
	partly := flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != ""
	var problems []error
	for _, account := range []string{authorizing, serving} {
		log, err := grants.ReadAll(logs, account)
		if err != nil {
			return err
		}
		problems = append(problems, log.Hindered(account)...)
		granted, err := grants.Granted(documents, account)
		if err != nil {
			return err
		}
		if partly {
			continue
		}
		problems = append(problems, log.Lacking(account, granted, optional...)...)
		if account == serving {
			onNode := map[grants.Right]bool{}
			for _, r := range grants.OnNode() {
				if !granted[r] {
					problems = append(problems, fmt.Errorf("%s is not granted to %s, and the tests expect its use", r, account))
				}
				onNode[r] = true
			}
			problems = append(problems, log.Unused(account, onNode)...)
		}
	}
	return errors.Join(problems...)
}

// optional are rights that a person grants to prove the identities of jobs. Without, a
// condition says what is missing.
var optional = []grants.Right{{Verb: "get", Resource: "serviceaccounts"}}

// rbacDocuments are the rights that an installation grants, with what a person grants in
// a namespace of servers.
func rbacDocuments() ([]string, error) {
	bin, err := stack.Tool("kubectl")
	if err != nil {
		return nil, err
	}
	var documents []string
	for _, folder := range []string{"rbac", "rbac/optional/run-servers"} {
		rendered, err := exec.CommandContext(context.Background(), bin, "kustomize", filepath.Join(manifests, folder)).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, rendered)
		}
		documents = append(documents, strings.Split(string(rendered), "\n---\n")...)
	}
	return documents, nil
}

// serverImages returns OCI layouts of the servers' image and, where they are made here, of
// those that make the test server behave otherwise.
func serverImages(dir string) ([]string, error) {
	if archive := os.Getenv("BAO_IMAGE"); archive != "" {
		return []string{archive}, nil
	}
	layout, err := baoimage.Layout(dir)
	if err != nil {
		return nil, err
	}
	layouts := []string{layout}
	for reference, variable := range map[string]string{
		slowImage:     "BAO_TEST_SELF_INIT_DELAY=" + selfInitDelay.String(),
		keepingImage:  "BAO_TEST_VERSION=" + keepingVersion,
		watchingImage: "BAO_TEST_VERSION=" + watchingVersion,
		nextImage:     "BAO_TEST_VERSION=" + nextVersion,
	} {
		layout, err := baoimage.Variant(dir, reference, variable)
		if err != nil {
			return nil, err
		}
		layouts = append(layouts, layout)
	}
	return layouts, nil
}

// jobsImage returns an OCI layout with the program of Jobs.
func jobsImage(dir string) (string, error) {
	binary := filepath.Join(dir, path.Base(jobstep.Program))
	build := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-o", binary, "./cmd/bailiwick-job")
	build.Dir, build.Env = filepath.Join("..", ".."), append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	layout := filepath.Join(dir, "jobs-image")
	return layout, node.WriteImageAt(layout, jobImage, binary, jobstep.Program)
}

func kubectl(ctx context.Context, args ...string) (string, error) {
	bin, err := stack.Tool("kubectl")
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, bin, append([]string{"--kubeconfig", shared.Kubeconfig()}, args...)...).CombinedOutput()
	return string(out), err
}
