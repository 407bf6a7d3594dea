// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"text/template"
	"time"
)

// grace is more than the operator's own limit for a shutdown.
const grace = 45 * time.Second

// commandData is what the command of an operator can refer to.
type commandData struct {
	Binary, Kubeconfig, AivenURL, MetricsAddress string
	PollInterval                                 time.Duration
	Profiling                                    bool
}

// ownCommand runs this checkout's operator with its shipped defaults but for
// where things are, OpenBao servers on this machine among them, and the poll
// interval where a scenario asks for one.
const ownCommand = `{{.Binary}} --kubeconfig={{.Kubeconfig}} --aiven-url={{.AivenURL}} --namespace=` + operatorNamespace +
	` --openbao-allow-local-addresses --leader-elect --health-bind-address=127.0.0.1:0 --metrics-bind-address={{.MetricsAddress}}` +
	`{{if .PollInterval}} --poll-interval={{.PollInterval}}{{end}}{{if .Profiling}} --profiling{{end}}`

// operator is a running one.
type operator struct {
	pid int
	log string
	// metrics is where the operator serves metrics, "" if that is not known.
	metrics string
	done    chan struct{}
	err     error
}

// build compiles the operator as "make build" does.
func (b *bench) build(ctx context.Context) error {
	b.binary = filepath.Join(b.out, "bailiwick")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.binary, "./cmd/bailiwick")
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// start runs the operator until stop. An interval of 0 means its default.
func (w *world) start(interval time.Duration) (*operator, error) {
	text, kubeconfig := ownCommand, w.operatorConfig
	if w.bench.operator != "" {
		text, kubeconfig = w.bench.operator, w.cluster.Kubeconfig
	}
	command, err := template.New("operator").Parse(text)
	if err != nil {
		return nil, err
	}
	metrics := "127.0.0.1:0"
	if w.bench.profile > 0 {
		if metrics, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	var line strings.Builder
	err = command.Execute(&line, commandData{
		Binary: w.bench.binary, Kubeconfig: kubeconfig, AivenURL: w.sim.URL(),
		PollInterval: interval, MetricsAddress: metrics, Profiling: w.bench.profile > 0,
	})
	if err != nil {
		return nil, err
	}
	op := &operator{log: filepath.Join(w.bench.out, w.name+".log"), metrics: metrics, done: make(chan struct{})}
	log, err := os.OpenFile(op.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// The shell gives its process to the operator, so that what is measured is
	// the operator alone.
	cmd := exec.Command("/bin/sh", "-c", "exec "+line.String())
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "AIVEN_WEB_URL="+w.sim.URL())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = childProcAttr()
	started := make(chan error)
	go func() {
		defer close(op.done)
		// Linux ends a child with the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			op.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the operator: %w", err)
	}
	op.pid = cmd.Process.Pid
	w.operators = append(w.operators, op)
	return op, nil
}

// stop ends the operator by SIGTERM and waits for it.
func (o *operator) stop() error {
	select {
	case <-o.done:
		return o.err
	default:
	}
	if err := syscall.Kill(o.pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	timeout := time.NewTimer(grace)
	defer timeout.Stop()
	select {
	case <-o.done:
		return o.err
	case <-timeout.C:
		if err := syscall.Kill(o.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		<-o.done
		return fmt.Errorf("the operator did not end within %s of SIGTERM; its log is %s", grace, o.log)
	}
}

// lifetime returns a context that also ends with the operator, which nothing
// starts again here.
func (o *operator) lifetime(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-o.done:
			cancel(fmt.Errorf("the operator ended: %w; its log is %s", o.err, o.log))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}
