// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bailiwick-operator/bailiwick/tests/internal/progress"
)

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		args     []string
		terminal bool
		wait     bool
		err      string
	}{
		"terminal":          {nil, true, true, ""},
		"no terminal":       {nil, false, false, ""},
		"asked to wait":     {[]string{"--wait"}, false, true, ""},
		"asked not to wait": {[]string{"--no-wait"}, true, false, ""},
		"wait set to false": {[]string{"--wait=false"}, true, false, ""},
		"unknown argument":  {[]string{"now"}, true, false, `unexpected argument "now"`},
	} {
		t.Run(name, func(t *testing.T) {
			opts, err := parse(tc.args, "state", tc.terminal)
			wantError(t, err, tc.err)
			if opts.wait != tc.wait {
				t.Errorf("wait is %t", opts.wait)
			}
			if err == nil && (!filepath.IsAbs(opts.dir) || opts.timeout != 90*time.Second) {
				t.Errorf("options %+v", opts)
			}
		})
	}
}

func TestHints(t *testing.T) {
	values := map[string]string{
		"KUBECONFIG": "/d/kubeconfig", "BIN": "/tools", "SIMULATOR": "http://sim", "BAO": "https://bao", "CA": "/d/ca", "LOG": "/d/log",
	}
	for _, running := range []bool{true, false} {
		text := hints(values, running)
		if !strings.Contains(text, "/d/log") {
			t.Errorf("running %t: no log in %q", running, text)
		}
		for _, line := range []string{`export KUBECONFIG=/d/kubeconfig PATH="/tools:$PATH"`, "curl -s http://sim/_sim/state ", "--cacert /d/ca https://bao/v1/sys/health"} {
			if strings.Contains(text, line) != running {
				t.Errorf("running %t: %q in %q", running, line, text)
			}
		}
	}
}

func TestWithout(t *testing.T) {
	got := without([]string{"A=1", "AB=2", "B=A=3"}, "A", "C")
	if want := []string{"AB=2", "B=A=3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFindings(t *testing.T) {
	var out bytes.Buffer
	f := &findings{out: progress.New(&out)}
	if !f.check(nil, "thing %d", 1) || f.err() != nil {
		t.Error("what holds is an error")
	}
	if f.check(errors.New("it is gone"), "thing %d", 2) || f.err() == nil {
		t.Error("what is wrong is no error")
	}
	for _, line := range []string{"ok: thing 1", "WRONG: thing 2: it is gone"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in %q", line, out.String())
		}
	}
	f.check(errors.New("it is old"), "thing 3")
	wantError(t, f.err(), "2 checks failed")
}

func TestVerifyLog(t *testing.T) {
	for name, tc := range map[string]struct{ content, want string }{
		"clean":  {"all is well\n", ""},
		"secret": {"authorization: Bearer hunter2\n", "it holds the token"},
		"empty":  {"", "logged nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(file, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			d := &demo{out: progress.New(&out), operator: &child{logFile: file}, secrets: &secrets{values: map[string]string{"the token": "hunter2"}}}
			err := d.verifyLog(t.Context())
			wantError(t, err, tc.want)
			if strings.Contains(out.String(), "hunter2") {
				t.Errorf("it prints %q", out.String())
			}
		})
	}
}

func TestPrepareKeepsOthersOut(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{operatorLogFile, "mine.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := &demo{options: options{dir: dir}, out: progress.New(&bytes.Buffer{})}
	if err := first.prepare(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, operatorLogFile)); !os.IsNotExist(err) {
		t.Errorf("the log of an earlier run: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "mine.txt")); err != nil {
		t.Errorf("a file of somebody else: %v", err)
	}
	second := &demo{options: options{dir: dir}, out: progress.New(&bytes.Buffer{})}
	wantError(t, second.prepare(), "another demo runs in "+dir)
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	if err := second.prepare(); err != nil {
		t.Error(err)
	}
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}
}

func startShell(t *testing.T, script string) *child {
	t.Helper()
	c, err := startChild(t.Context(), "the shell", filepath.Join(t.TempDir(), "log"), "/bin/sh", []string{"-c", script}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChild(t *testing.T) {
	t.Run("stops", func(t *testing.T) {
		c := startShell(t, `trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done`)
		waitForLog(t, c, "up")
		if err := c.stop(time.Minute); err != nil {
			t.Error(err)
		}
	})
	t.Run("is killed", func(t *testing.T) {
		c := startShell(t, `trap '' TERM; echo up; while :; do sleep 0.05; done`)
		waitForLog(t, c, "up")
		wantError(t, c.stop(10*time.Millisecond), "was killed")
		if err := syscall.Kill(c.pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("it is still there: %v", err)
		}
	})
	t.Run("ends by itself", func(t *testing.T) {
		c := startShell(t, `echo last words; exit 3`)
		<-c.done
		wantError(t, c.stop(time.Minute), "last words")
		wantError(t, c.ended(), "exit status 3")
	})
	t.Run("does not start", func(t *testing.T) {
		_, err := startChild(t.Context(), "nothing", filepath.Join(t.TempDir(), "log"), "/nonexistent", nil, nil)
		wantError(t, err, "starting nothing")
	})
}

// waitForLog waits until a child has written a line.
func waitForLog(t *testing.T, c *child, line string) {
	t.Helper()
	for {
		content, err := os.ReadFile(c.logFile)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), line) {
			return
		}
		select {
		case <-c.done:
			t.Fatal(c.ended())
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}
