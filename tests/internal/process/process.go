// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package process starts the servers that tests need, waits until they are ready
// and stops them. What goes wrong is told with the end of the server's log.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// ReadyInterval is the time between two looks at a server that starts.
const ReadyInterval = 25 * time.Millisecond

// Process is a server that can be started and stopped time and again. Its
// methods may be called from several goroutines.
type Process struct {
	Name    string
	Path    string
	LogFile string
	// Grace is how long it may take to stop before it is killed.
	Grace time.Duration
	// Launch starts the program; the default is Launch of this package.
	Launch Launcher

	mu      sync.Mutex
	running *Execution
}

// Launcher starts a program as the leader of a process group, with its output
// appended to a log file.
type Launcher func(path string, args []string, logFile string) (*Execution, error)

// Execution is one run of a program.
type Execution struct {
	// PID is the id of the process, and of its group.
	PID int
	// Signal sends a signal to the process group.
	Signal func(syscall.Signal) error
	// Done is closed when the process has ended. Err may be read then, and says
	// how it ended.
	Done chan struct{}
	Err  error
}

// Launch starts a program as a child of this process. On Linux the kernel ends it
// if this process dies.
func Launch(path string, args []string, logFile string) (*Execution, error) {
	log, err := os.OpenFile(logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()

	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = serverProcAttr()

	run := &Execution{Done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux ends a server with the thread that started it, so that thread
		// belongs to this goroutine until the server has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			run.Err = cmd.Wait()
		}
		close(run.Done)
	}()
	if err := <-started; err != nil {
		<-run.Done
		return nil, err
	}
	run.PID = cmd.Process.Pid
	// The negative id is the process group, which the server leads.
	run.Signal = func(signal syscall.Signal) error { return syscall.Kill(-run.PID, signal) }
	return run, nil
}

// Start runs the process with args.
func (p *Process) Start(args []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil && !p.running.ended() {
		return fmt.Errorf("%s runs already", p.Name)
	}
	launch := p.Launch
	if launch == nil {
		launch = Launch
	}
	run, err := launch(p.Path, args, p.LogFile)
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.Name, err)
	}
	p.running = run
	return nil
}

// Stop asks the process to end, kills it if it takes too long, and waits until
// it has ended. It returns nil if it does not run.
func (p *Process) Stop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return nil
	}
	run := p.running
	p.running = nil
	if run.ended() {
		return nil
	}
	if err := run.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stopping %s: %w", p.Name, err)
	}
	timeout := time.NewTimer(p.Grace)
	defer timeout.Stop()
	select {
	case <-run.Done:
		return nil
	case <-timeout.C:
	}
	return p.end(run)
}

// Kill ends the process without asking, and waits until it has ended.
func (p *Process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	run := p.running
	p.running = nil
	if run == nil || run.ended() {
		return nil
	}
	return p.end(run)
}

func (p *Process) end(run *Execution) error {
	if err := run.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("killing %s: %w", p.Name, err)
	}
	<-run.Done
	return nil
}

// PID returns the id of the running process, or 0.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil || p.running.ended() {
		return 0
	}
	return p.running.PID
}

// WaitReady calls check until it returns nil. It gives up when ctx is done or
// the process ends, with an error that tells why and quotes the log.
func (p *Process) WaitReady(ctx context.Context, check func(context.Context) error) error {
	p.mu.Lock()
	run := p.running
	p.mu.Unlock()
	if run == nil {
		return fmt.Errorf("%s does not run", p.Name)
	}
	ticker := time.NewTicker(ReadyInterval)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-run.Done:
			return fmt.Errorf("%s ended (%w) before it was ready%s", p.Name, run.Err, p.logTail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (last: %w)%s", p.Name, context.Cause(ctx), err, p.logTail())
		case <-ticker.C:
		}
	}
}

// logTail returns the end of the log for an error message.
func (p *Process) logTail() string {
	const size = 2000
	content, err := os.ReadFile(p.LogFile)
	if err != nil {
		return ""
	}
	if len(content) > size {
		content = content[len(content)-size:]
		if _, after, found := bytes.Cut(content, []byte("\n")); found {
			content = after
		}
	}
	return fmt.Sprintf("; the end of %s:\n%s", p.LogFile, content)
}

func (e *Execution) ended() bool {
	select {
	case <-e.Done:
		return true
	default:
		return false
	}
}
