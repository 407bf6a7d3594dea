// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// child is the running operator.
type child struct {
	name    string
	logFile string
	pid     int
	// done is closed when the process has ended and err is set.
	done chan struct{}
	err  error
}

// startChild starts a program that writes to a log file. On Linux the kernel
// ends it if this process dies. ctx does not: that is what stop is for.
func startChild(ctx context.Context, name, logFile, path string, args, env []string) (*child, error) {
	log, err := os.OpenFile(logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	// The child has its own descriptor of the file.
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), path, args...)
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = childProcAttr()

	c := &child{name: name, logFile: logFile, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(c.done)
		// Linux ends a child with the thread that started it, so that thread
		// belongs to this goroutine until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-c.done
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	c.pid = cmd.Process.Pid
	return c, nil
}

// stop asks the child to end and kills it after grace. It returns an error if
// the child did not end by itself with status 0.
func (c *child) stop(grace time.Duration) error {
	select {
	case <-c.done:
		return c.ended()
	default:
	}
	if err := syscall.Kill(c.pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stopping %s: %w", c.name, err)
	}
	timeout := time.NewTimer(grace)
	defer timeout.Stop()
	select {
	case <-c.done:
	case <-timeout.C:
		if err := syscall.Kill(c.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("killing %s: %w", c.name, err)
		}
		<-c.done
		return fmt.Errorf("%s did not end within %s of SIGTERM and was killed%s", c.name, grace, c.logTail())
	}
	if c.err != nil {
		return c.ended()
	}
	return nil
}

// ended says that the child has ended, which it should not have done.
func (c *child) ended() error {
	if c.err == nil {
		return fmt.Errorf("%s ended by itself%s", c.name, c.logTail())
	}
	return fmt.Errorf("%s ended: %w%s", c.name, c.err, c.logTail())
}

// logTail returns the end of the log for an error message.
func (c *child) logTail() string {
	const lines = 15
	content, err := os.ReadFile(c.logFile)
	if err != nil {
		return ""
	}
	all := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return fmt.Sprintf("\nThe end of %s:\n%s", c.logFile, bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

// without returns an environment that lacks some variables.
func without(env []string, names ...string) []string {
	var out []string
next:
	for _, entry := range env {
		for _, name := range names {
			if strings.HasPrefix(entry, name+"=") {
				continue next
			}
		}
		out = append(out, entry)
	}
	return out
}
