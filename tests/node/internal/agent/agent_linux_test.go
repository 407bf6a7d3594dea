// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// newAgent starts an agent with a folder of its own, and skips the test where that
// is not possible.
func newAgent(t *testing.T) (*Agent, Spec) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("an agent needs root")
	}
	if err := TryNamespaces(); err != nil {
		t.Skipf("an agent needs namespaces of its own: %v", err)
	}
	spec := Spec{Hostname: "machine", Dir: filepath.Join(t.TempDir(), "machine"), Cgroup: fmt.Sprintf("bailiwick-agent-test-%d", os.Getpid())}
	if err := os.Mkdir(spec.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	a, err := Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	return a, spec
}

func TestStopDeletesNothingThatIsMounted(t *testing.T) {
	a, spec := newAgent(t)
	outside := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(outside, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	// A mount on a mount, as containers have them.
	inside := filepath.Join(spec.Dir, "volume with space")
	script := `mkdir "$1" && mount --bind "$2" "$1" && mkdir "$1/deeper" && mount --bind "$2" "$1/deeper"`
	if _, err := a.Run(t.Context(), "", "sh", "-c", script, "sh", inside, filepath.Dir(outside)); err != nil {
		t.Fatal(errors.Join(err, a.Stop()))
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(outside); err != nil || string(content) != "kept" {
		t.Errorf("The file that was mounted holds %q: %v", content, err)
	}
	if _, err := os.Stat(spec.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("The folder of the machine exists: %v", err)
	}
}

func TestProgramsOfAnAgent(t *testing.T) {
	a, spec := newAgent(t)
	defer func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	}()

	out, err := a.Run(t.Context(), "typed", "sh", "-c", "hostname; cat; echo $$")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out, "machine\ntyped") {
		t.Errorf("It prints %q, want the name of the machine and its input", out)
	}
	if _, err := a.Run(t.Context(), "", "sh", "-c", "echo the reason; exit 3"); err == nil ||
		!strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("error = %v, want the status and the output", err)
	}

	log := filepath.Join(spec.Dir, "log")
	run, err := a.Launch("/bin/sh", []string{"-c", "sleep 600 & echo started; wait"}, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-run.Done
	if run.Err == nil || run.Err.Error() != "signal: terminated" {
		t.Errorf("It ended with %v, want the signal", run.Err)
	}
}

func TestStopEndsProgramsThatIgnoreIt(t *testing.T) {
	a, spec := newAgent(t)
	run, err := a.Launch("/bin/sh", []string{"-c", "trap '' TERM; (trap '' TERM HUP; sleep 600) & wait"}, filepath.Join(spec.Dir, "log"))
	if err != nil {
		t.Fatal(errors.Join(err, a.Stop()))
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	<-run.Done
	if _, err := os.Stat(filepath.Join("/sys/fs/cgroup/memory", spec.Cgroup)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("The control group exists: %v", err)
	}
}
