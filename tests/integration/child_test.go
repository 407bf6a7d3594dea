// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/component-base/cli"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// childVariable, when set, makes the test binary the operator: a process of its
// own with flags and logging as in production, and no binary to build for it.
const childVariable = "BAILIWICK_TEST_AS_OPERATOR"

// runAsOperator does what cmd/bailiwick does, until SIGTERM or until the test
// that started it is gone.
func runAsOperator() int {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	return cli.Run(app.NewCommand())
}

// child is an operator that is a process of its own.
type child struct {
	process *os.Process
	// exited is closed when it has ended, as err says.
	exited chan struct{}
	err    error
}

// startChild runs the operator as a process of its own, at the latest until the
// test ends. The environment has these variables and no others. An argument wins
// over those that every child has.
func (e *env) startChild(config *rest.Config, environment []string, args ...string) *child {
	e.Helper()
	kubeconfig := filepath.Join(e.TempDir(), "kubeconfig")
	if err := stack.WriteKubeconfig(kubeconfig, config); err != nil {
		e.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		e.Fatal(err)
	}
	args = append([]string{
		"--kubeconfig=" + kubeconfig,
		"--namespace=" + operatorNamespace, "--openbao-allow-local-addresses",
		"--aiven-url=" + e.sim.URL(),
		"--health-bind-address=127.0.0.1:0",
		"--metrics-bind-address=127.0.0.1:0",
	}, args...)
	cmd := exec.CommandContext(context.Background(), self, args...)
	// Data races are judged here, by what is raced for.
	cmd.Env = append([]string{childVariable + "=1", "GORACE=exitcode=0"}, environment...)
	cmd.Stdout, cmd.Stderr = e.logs, e.logs
	// It ends with this process in any case: its input ends then.
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		e.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		e.Fatal(err)
	}
	c := &child{process: cmd.Process, exited: make(chan struct{})}
	go func() {
		defer close(c.exited)
		c.err = cmd.Wait()
		_ = lifeline.Close()
	}()
	e.Cleanup(func() {
		_ = c.process.Kill()
		<-c.exited
		if e.Failed() {
			e.Logf("Log of the operator:\n%s", e.logs.tail(60))
		}
	})
	return c
}

// terminate stops the operator by SIGTERM, waits for its end and returns how it
// ended.
func (c *child) terminate() error {
	kill := time.AfterFunc(patience, func() { _ = c.process.Kill() })
	defer kill.Stop()
	if err := c.process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-c.exited
	return c.err
}

// startProcess is startChild for an operator that is to end well: the returned
// function, or else the end of the test, stops it by SIGTERM and checks that.
func (e *env) startProcess(config *rest.Config, environment []string, args ...string) (stop func()) {
	e.Helper()
	c := e.startChild(config, environment, args...)
	stop = sync.OnceFunc(func() {
		if err := c.terminate(); err != nil {
			e.Errorf("The operator ended with: %v", err)
		}
		e.checkRaces()
	})
	e.Cleanup(stop)
	return stop
}

// checkRaces fails the test for data races that the operator's process reports,
// but for those inside client-go's request tracing: at -v=9 and more its hooks
// may run after the request for which they were set has been answered.
func (e *env) checkRaces() {
	e.Helper()
	for report := range strings.SplitSeq(e.logs.String(), "==================") {
		if strings.Contains(report, "WARNING: DATA RACE") && !strings.Contains(report, "(*debuggingRoundTripper).RoundTrip.func") {
			e.Errorf("Data race in the operator:\n%s", report)
		}
	}
}
