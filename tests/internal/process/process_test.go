// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package process

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

func newTestProcess(t *testing.T) *Process {
	t.Helper()
	p := &Process{Name: "sh", Path: "/bin/sh", LogFile: filepath.Join(t.TempDir(), "sh.log"), Grace: time.Minute}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestProcessStopEndsGroup(t *testing.T) {
	p := newTestProcess(t)
	if err := p.Start([]string{"-c", "sleep 600 & echo started; wait"}); err != nil {
		t.Fatal(err)
	}
	waitForLog(t, p, "started")
	group := p.PID()
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process group to end", func(context.Context) (bool, error) {
		return errors.Is(syscall.Kill(-group, 0), syscall.ESRCH), nil
	})
}

func TestProcessThatIgnoresStopIsKilled(t *testing.T) {
	p := newTestProcess(t)
	p.Grace = time.Millisecond
	if err := p.Start([]string{"-c", "trap '' TERM; echo started; while :; do sleep 1; done"}); err != nil {
		t.Fatal(err)
	}
	waitForLog(t, p, "started")
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if pid := p.PID(); pid != 0 {
		t.Errorf("Process %d runs after stop", pid)
	}
}

func TestProcessStartsAgain(t *testing.T) {
	p := newTestProcess(t)
	for _, word := range []string{"first", "second"} {
		if err := p.Start([]string{"-c", "echo " + word + "; exec sleep 600"}); err != nil {
			t.Fatal(err)
		}
		waitForLog(t, p, word)
		if err := p.Start(nil); err == nil {
			t.Error("A process that runs can be started")
		}
		if err := p.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	waitForLog(t, p, "first\nsecond\n")
}

func TestProcessThatEndsIsNotReady(t *testing.T) {
	p := newTestProcess(t)
	if err := p.Start([]string{"-c", "echo the reason >&2; exit 3"}); err != nil {
		t.Fatal(err)
	}
	err := p.WaitReady(t.Context(), func(context.Context) error { return errors.New("not yet") })
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("error = %v, want the exit status and the log", err)
	}
}

func TestProcessStartOfMissingBinary(t *testing.T) {
	p := &Process{Name: "missing", Path: filepath.Join(t.TempDir(), "missing"), LogFile: filepath.Join(t.TempDir(), "log")}
	if err := p.Start(nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v, want %v", err, os.ErrNotExist)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("Stopping what never ran: %v", err)
	}
}

func waitForLog(t *testing.T, p *Process, text string) {
	t.Helper()
	eventually(t, "the log to hold "+strconv.Quote(text), func(context.Context) (bool, error) {
		content, err := os.ReadFile(p.LogFile)
		return bytes.Contains(content, []byte(text)), err
	})
}

// parentEnv makes the test binary play the parent that is killed.
const parentEnv = "PROCESS_TEST_PARENT_LOG"

// runAsParent starts a process and reports its id, then waits to be killed.
func runAsParent(logFile string) {
	p := &Process{Name: "sleep", Path: "/bin/sleep", LogFile: logFile}
	if err := p.Start([]string{"600"}); err != nil {
		panic(err)
	}
	fmt.Println(p.PID())
	select {}
}
