// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

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

// readyInterval is the time between two looks at a server that starts.
const readyInterval = 25 * time.Millisecond

// process is a server that can be started and stopped time and again. Its
// methods may be called from several goroutines.
type process struct {
	name    string
	path    string
	logFile string
	// grace is how long it may take to stop before it is killed.
	grace time.Duration

	mu      sync.Mutex
	running *execution
}

// execution is one run of a process.
type execution struct {
	pid int
	// done is closed when the process has ended and err is set.
	done chan struct{}
	err  error
}

// start runs the process with args, appending its output to the log file.
func (p *process) start(args []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil && !p.running.ended() {
		return fmt.Errorf("%s runs already", p.name)
	}
	log, err := os.OpenFile(p.logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()

	cmd := exec.Command(p.path, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = serverProcAttr()

	run := &execution{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux ends a server with the thread that started it, so that thread
		// belongs to this goroutine until the server has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			run.err = cmd.Wait()
		}
		close(run.done)
	}()
	if err := <-started; err != nil {
		<-run.done
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	run.pid = cmd.Process.Pid
	p.running = run
	return nil
}

// stop asks the process to end, kills it if it takes too long, and waits until
// it has ended. It returns nil if it does not run.
func (p *process) stop() error {
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
	// The negative id is the process group, which the server leads.
	if err := syscall.Kill(-run.pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stopping %s: %w", p.name, err)
	}
	timeout := time.NewTimer(p.grace)
	defer timeout.Stop()
	select {
	case <-run.done:
		return nil
	case <-timeout.C:
	}
	return p.end(run)
}

// kill ends the process without asking, and waits until it has ended.
func (p *process) kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	run := p.running
	p.running = nil
	if run == nil || run.ended() {
		return nil
	}
	return p.end(run)
}

func (p *process) end(run *execution) error {
	if err := syscall.Kill(-run.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("killing %s: %w", p.name, err)
	}
	<-run.done
	return nil
}

// pid returns the id of the running process, or 0.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil || p.running.ended() {
		return 0
	}
	return p.running.pid
}

// waitReady calls check until it returns nil. It gives up when ctx is done or
// the process ends, with an error that tells why and quotes the log.
func (p *process) waitReady(ctx context.Context, check func(context.Context) error) error {
	p.mu.Lock()
	run := p.running
	p.mu.Unlock()
	if run == nil {
		return fmt.Errorf("%s does not run", p.name)
	}
	ticker := time.NewTicker(readyInterval)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-run.done:
			return fmt.Errorf("%s ended (%w) before it was ready%s", p.name, run.err, p.logTail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (last: %w)%s", p.name, context.Cause(ctx), err, p.logTail())
		case <-ticker.C:
		}
	}
}

// logTail returns the end of the log for an error message.
func (p *process) logTail() string {
	const size = 2000
	content, err := os.ReadFile(p.logFile)
	if err != nil {
		return ""
	}
	if len(content) > size {
		content = content[len(content)-size:]
		if _, after, found := bytes.Cut(content, []byte("\n")); found {
			content = after
		}
	}
	return fmt.Sprintf("; the end of %s:\n%s", p.logFile, content)
}

func (e *execution) ended() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}
