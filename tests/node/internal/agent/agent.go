// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package agent runs programs in namespaces of their own, as the children of a
// process that ends them all and removes what they leave when its owner ends.
package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/rpc"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"github.com/bailiwick-operator/bailiwick/tests/internal/process"
)

// programName is the name by which this binary knows that it is to be an agent.
const programName = "bailiwick-node-agent"

// Spec tells an agent what it is for. It is its one argument.
type Spec struct {
	// Hostname is the name of the machine that programs see.
	Hostname string
	// Dir is the folder of the machine, which the agent removes at its end.
	Dir string
	// Uplink is the name of the link to the machine outside, if it has one at the end.
	Uplink string
	// Cgroup is made in every hierarchy, and removed at the end.
	Cgroup string
}

// Private are the folders of which every machine has its own, empty at first.
// Programs keep sockets, network namespaces, addresses in use and links to logs
// there, whatever else they are told.
var Private = [...]string{"/run", "/var/lib", "/var/log"}

// The messages between an agent and its owner.
type (
	// StartRequest asks for a program that goes on.
	StartRequest struct {
		Path    string
		Args    []string
		LogFile string
	}
	// SignalRequest asks for a signal to a program and all that it has started.
	SignalRequest struct {
		PID    int
		Signal syscall.Signal
	}
	// RunRequest asks for a program to be run to its end.
	RunRequest struct {
		Path  string
		Args  []string
		Stdin string
	}
	// RunReply says how that went.
	RunReply struct {
		Output []byte
		// Failure is empty if the program succeeded.
		Failure string
	}
)

// Agent is the owner's side of an agent.
type Agent struct {
	cmd    *exec.Cmd
	stderr *strings.Builder
	client *rpc.Client
	// waits are the goroutines that wait for programs.
	waits sync.WaitGroup
}

// Start starts an agent. It holds the lock files for as long as it lives.
func Start(spec Spec, locks ...*os.File) (*Agent, error) {
	argument, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	mine, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	a := &Agent{stderr: &strings.Builder{}}
	a.cmd = exec.Command("/proc/self/exe")
	a.cmd.Args = []string{programName, string(argument)}
	a.cmd.ExtraFiles = append([]*os.File{theirs}, locks...)
	a.cmd.Stderr = a.stderr
	// With the race detector a program would sleep for a second before it ends.
	a.cmd.Env = append(os.Environ(), "GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0")
	a.cmd.SysProcAttr = procAttr()
	if err := a.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the agent of %s in namespaces of its own: %w", spec.Hostname, err), mine.Close())
	}
	a.client = rpc.NewClient(mine)
	// It answers once it has set itself up.
	if err := a.client.Call("Agent.Ping", struct{}{}, &struct{}{}); err != nil {
		return nil, errors.Join(fmt.Errorf("the agent of %s does not answer: %w", spec.Hostname, err), a.Stop())
	}
	return a, nil
}

// PID returns the id of the agent on this machine, by which its namespaces are found.
func (a *Agent) PID() int { return a.cmd.Process.Pid }

// Stop makes the agent end its programs, remove what is left and end. It waits for
// all of that.
func (a *Agent) Stop() error {
	// The agent lives as long as the connection.
	closed := a.client.Close()
	if errors.Is(closed, rpc.ErrShutdown) {
		closed = nil
	}
	err := a.cmd.Wait()
	a.waits.Wait()
	if err != nil {
		err = fmt.Errorf("the agent ended with %w: %s", err, strings.TrimSpace(a.stderr.String()))
	}
	return errors.Join(closed, err)
}

// Launch starts a program of the machine. It is a process.Launcher.
func (a *Agent) Launch(path string, args []string, logFile string) (*process.Execution, error) {
	var pid int
	if err := a.client.Call("Agent.Start", StartRequest{Path: path, Args: args, LogFile: logFile}, &pid); err != nil {
		return nil, err
	}
	run := &process.Execution{
		PID:  pid,
		Done: make(chan struct{}),
		Signal: func(signal syscall.Signal) error {
			return a.client.Call("Agent.Signal", SignalRequest{PID: pid, Signal: signal}, &struct{}{})
		},
	}
	a.waits.Go(func() {
		defer close(run.Done)
		var status string
		if run.Err = a.client.Call("Agent.Wait", pid, &status); run.Err == nil {
			run.Err = errors.New(status)
		}
	})
	return run, nil
}

// Run runs a program of the machine to its end and returns what it has printed.
// When ctx ends first, the program is left to itself.
func (a *Agent) Run(ctx context.Context, stdin, path string, args ...string) (string, error) {
	reply := RunReply{}
	call := a.client.Go("Agent.Run", RunRequest{Path: path, Args: args, Stdin: stdin}, &reply, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
	case <-ctx.Done():
		return "", fmt.Errorf("running %s: %w", path, context.Cause(ctx))
	}
	if call.Error != nil {
		return "", fmt.Errorf("running %s: %w", path, call.Error)
	}
	if reply.Failure != "" {
		return string(reply.Output), fmt.Errorf("%s %s: %s: %s", path, strings.Join(args, " "), reply.Failure, strings.TrimSpace(string(reply.Output)))
	}
	return string(reply.Output), nil
}
