// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func newTestProcess(t *testing.T) *process {
	t.Helper()
	p := &process{name: "sh", path: "/bin/sh", logFile: filepath.Join(t.TempDir(), "sh.log"), grace: time.Minute}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestProcessStopEndsGroup(t *testing.T) {
	p := newTestProcess(t)
	if err := p.start([]string{"-c", "sleep 600 & echo started; wait"}); err != nil {
		t.Fatal(err)
	}
	waitForLog(t, p, "started")
	group := p.pid()
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process group to end", func(context.Context) (bool, error) {
		return errors.Is(syscall.Kill(-group, 0), syscall.ESRCH), nil
	})
}

func TestProcessThatIgnoresStopIsKilled(t *testing.T) {
	p := newTestProcess(t)
	p.grace = time.Millisecond
	if err := p.start([]string{"-c", "trap '' TERM; echo started; while :; do sleep 1; done"}); err != nil {
		t.Fatal(err)
	}
	waitForLog(t, p, "started")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if pid := p.pid(); pid != 0 {
		t.Errorf("Process %d runs after stop", pid)
	}
}

func TestProcessStartsAgain(t *testing.T) {
	p := newTestProcess(t)
	for _, word := range []string{"first", "second"} {
		if err := p.start([]string{"-c", "echo " + word + "; exec sleep 600"}); err != nil {
			t.Fatal(err)
		}
		waitForLog(t, p, word)
		if err := p.start(nil); err == nil {
			t.Error("A process that runs can be started")
		}
		if err := p.stop(); err != nil {
			t.Fatal(err)
		}
	}
	waitForLog(t, p, "first\nsecond\n")
}

func TestProcessThatEndsIsNotReady(t *testing.T) {
	p := newTestProcess(t)
	if err := p.start([]string{"-c", "echo the reason >&2; exit 3"}); err != nil {
		t.Fatal(err)
	}
	err := p.waitReady(t.Context(), func(context.Context) error { return errors.New("not yet") })
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("error = %v, want the exit status and the log", err)
	}
}

func TestProcessStartOfMissingBinary(t *testing.T) {
	p := &process{name: "missing", path: filepath.Join(t.TempDir(), "missing"), logFile: filepath.Join(t.TempDir(), "log")}
	if err := p.start(nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v, want %v", err, os.ErrNotExist)
	}
	if err := p.stop(); err != nil {
		t.Errorf("Stopping what never ran: %v", err)
	}
}

func waitForLog(t *testing.T, p *process, text string) {
	t.Helper()
	eventually(t, "the log to hold "+strconv.Quote(text), func(context.Context) (bool, error) {
		content, err := os.ReadFile(p.logFile)
		return bytes.Contains(content, []byte(text)), err
	})
}

// parentEnv makes the test binary play the parent that is killed.
const parentEnv = "STACK_TEST_PARENT_LOG"

// runAsParent starts a process and reports its id, then waits to be killed.
func runAsParent(logFile string) {
	p := &process{name: "sleep", path: "/bin/sleep", logFile: logFile}
	if err := p.start([]string{"600"}); err != nil {
		panic(err)
	}
	fmt.Println(p.pid())
	select {}
}
