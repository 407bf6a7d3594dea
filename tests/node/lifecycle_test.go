// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/util/wait"
)

// serveHere answers every request on an address of this machine with a text, and
// returns where.
func serveHere(t *testing.T, address, text string) string {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, text)
	})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// digestOf returns the digest of the one image in a layout.
func digestOf(t *testing.T, path string) string {
	t.Helper()
	index, err := layout.ImageIndexFromPath(path)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 {
		t.Fatalf("The layout has %d images, want 1", len(manifest.Manifests))
	}
	return manifest.Manifests[0].Digest.String()
}

// ownIDs are for clusters of which nothing may be left: no other package takes an id
// of them while that is looked at.
var ownIDs = ids{first: 100, last: 119}

// requireNoTrace fails the test unless nothing is left of a cluster that was stopped,
// or nothing is soon.
func requireNoTrace(t *testing.T, id int, soon bool) {
	t.Helper()
	n := &network{id: id}
	var left []string
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		// The same test of another checkout may have the id by now.
		left = []string{"somebody has the id"}
		if acquired := n.acquire(ctx) == nil; !acquired {
			return false, nil
		}
		var err error
		left, err = traces(ctx, n)
		return len(left) == 0 || !soon, errors.Join(err, n.close())
	})
	if err != nil || len(left) > 0 {
		t.Errorf("%v: the cluster leaves\n%s", err, strings.Join(left, "\n"))
	}
}

// traces returns what this machine has of the cluster with an id.
func traces(ctx context.Context, n *network) ([]string, error) {
	var found []string
	folders, err := n.folders()
	if err != nil {
		return nil, err
	}
	groups, err := filepath.Glob(filepath.Join("/sys/fs/cgroup", "*", n.name()+"*"))
	if err != nil {
		return nil, err
	}
	found = append(append(found, folders...), groups...)

	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(mounts) {
		if bytes.Contains(line, []byte(n.name()+"-")) {
			found = append(found, "mount "+string(line))
		}
	}
	links, err := host(ctx, "ip", "-oneline", "link")
	if err != nil {
		return nil, err
	}
	if strings.Contains(links, n.hostLink()+"@") {
		found = append(found, "link "+n.hostLink())
	}
	routes, err := host(ctx, "ip", "-4", "route", "show", "table", "all", "root", n.prefix())
	if err != nil {
		return nil, err
	}
	if routes != "" {
		found = append(found, "routes "+routes)
	}
	tables, err := host(ctx, "nft", "list", "tables")
	if err != nil {
		return nil, err
	}
	if strings.Contains(tables, "kube-proxy") || strings.Contains(tables, "table ip nat") {
		found = append(found, "tables "+tables)
	}
	processes, err := processesOf(n)
	return append(found, processes...), err
}

// processesOf returns the processes whose command line names a folder of a cluster,
// as all programs of it do.
func processesOf(n *network) ([]string, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, file := range files {
		// Processes end while they are looked at.
		content, err := os.ReadFile(file)
		if err == nil && bytes.Contains(content, []byte(n.name())) {
			found = append(found, fmt.Sprintf("process %s: %s", file, bytes.ReplaceAll(content, []byte{0}, []byte{' '})))
		}
	}
	return found, nil
}

// TestStopLeavesNothing also shows that two clusters run side by side.
func TestStopLeavesNothing(t *testing.T) {
	Require(t)
	ignoreShared := goleak.IgnoreCurrent()
	n, err := Start(t.Context(), Options{ids: ownIDs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	if n.Address() == shared.Address() {
		t.Errorf("Both clusters are at %s", n.Address())
	}
	f := fixtureIn(t, n, nil)
	pod := f.run(probePod("neighbour"))
	if err := expect("neighbour")(get(t.Context(), "http://"+pod.Status.PodIP+":8080")); err != nil {
		t.Error(err)
	}
	if _, err := n.AddWorker(t.Context()); err != nil {
		t.Error(err)
	}
	// The test is worth something only if a running cluster leaves traces.
	before, err := traces(t.Context(), n.network)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{os.TempDir(), "/sys/fs/cgroup", "link", "routes", "process"} {
		if !strings.Contains(strings.Join(before, "\n"), kind) {
			t.Errorf("A running cluster shows no trace of kind %s", kind)
		}
	}

	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	requireNoTrace(t, n.network.id, false)
	if err := n.Stop(); err != nil {
		t.Errorf("A second Stop: %v", err)
	}
	goleak.VerifyNone(t, ignoreShared)
}

// ownerEnv makes the test binary play the owner of a cluster that is killed.
const ownerEnv = "NODE_TEST_OWNER"

// runAsOwner starts a cluster and a worker, says which network they have and waits
// to be killed.
func runAsOwner() {
	n, err := Start(context.Background(), Options{ids: ownIDs})
	if err == nil {
		_, err = n.AddWorker(context.Background())
	}
	if err != nil {
		panic(err)
	}
	fmt.Println(n.network.id)
	select {}
}

func TestKilledOwnerLeavesNothing(t *testing.T) {
	Require(t)
	owner := exec.Command("/proc/self/exe")
	owner.Env = append(os.Environ(), ownerEnv+"=1")
	owner.Stderr = os.Stderr
	stdout, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	var id int
	_, readErr := fmt.Fscan(stdout, &id)
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	if readErr != nil {
		t.Fatalf("The owner has started no cluster: %v", readErr)
	}
	requireNoTrace(t, id, true)
}

func TestKilledAgentLeavesNothing(t *testing.T) {
	Require(t)
	n, err := Start(t.Context(), Options{ids: ownIDs})
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(n.machine.agent.PID(), syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := n.Stop(); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("error = %v, want one that says how the agent ended", err)
	}
	requireNoTrace(t, n.network.id, false)
}

func TestStartFailsWithLogAndLeavesNothing(t *testing.T) {
	Require(t)
	logs := t.TempDir()
	_, err := Start(t.Context(), Options{ids: ownIDs, Logs: logs, APIServerArgs: []string{"--no-such-flag"}})
	if err == nil || !strings.Contains(err.Error(), "kube-apiserver ended") || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("error = %v, want one that quotes the log of kube-apiserver", err)
	}
	if _, err := os.Stat(filepath.Join(logs, ClusterName, "kube-apiserver.log")); err != nil {
		t.Errorf("The folder of the caller is not kept: %v", err)
	}
}
