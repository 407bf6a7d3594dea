// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
	"github.com/bailiwick-operator/bailiwick/tests/internal/progress"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

const (
	// namespace is where the samples live.
	namespace = "demo"
	// project is the Aiven project of the samples.
	project = "demo-project"
	// operatorNamespace and operatorAccount are those of manifests/rbac.
	operatorNamespace = "bailiwick-system"
	operatorAccount   = "bailiwick"

	// operatorGrace is more than the operator's own limit for a shutdown.
	operatorGrace = 40 * time.Second
	// startTimeout bounds the start of the servers.
	startTimeout = 2 * time.Minute
)

// demo is one run. Its fields are filled step by step.
type demo struct {
	options
	root string
	out  *progress.Printer

	lock      *os.File
	kubectl   string
	stack     *stack.Stack
	simulator *aivensim.Server
	// postgres is the directory of psql and the servers behind PostgreSQL
	// services, empty if there is none.
	postgres string
	binary   string
	operator *child

	kube    kubernetes.Interface
	dynamic dynamic.Interface
	// aiven and openBao are the samples as they are applied.
	aiven, openBao []*unstructured.Unstructured
	// late are the parts that nothing needs at first. With nothing in the cache
	// their builds take minutes.
	late late
	// secrets are values that no output may hold.
	secrets *secrets
}

// late is what is built and started while the operator works already.
type late struct {
	group *errgroup.Group
	// openBao is closed when the OpenBao server is ready, or can't be.
	openBao chan struct{}
}

// secrets are values by what they are. They may be used from several goroutines.
type secrets struct {
	mu     sync.Mutex
	values map[string]string
}

func (s *secrets) add(what, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[what] = value
}

// all returns a copy.
func (s *secrets) all() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.values)
}

// run goes through all steps and returns nil if everything is as it should be.
func (d *demo) run(ctx context.Context) error {
	if err := d.prepare(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer func() {
		cancel(nil)
		_ = d.late.wait() // that it was given up is no news
	}()
	for _, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"Starting the servers on 127.0.0.1", d.start},
		{"Installing manifests/crds, manifests/rbac and manifests/admission", d.install},
		{"Reading manifests/samples, and creating namespace " + namespace, d.readSamples},
		{"Starting the operator as ServiceAccount " + operatorNamespace + "/" + operatorAccount, d.startOperator},
		{"Applying manifests/samples with what they name, and waiting until all are Ready", d.applySamples},
		{"Checking the Aiven side", d.verifyAiven},
		{"Checking the OpenBao side", d.verifyOpenBao},
		{"Checking that nothing secret was logged", d.verifyLog},
	} {
		d.out.Line("%s", step.title)
		if err := step.do(ctx); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return errors.New("interrupted before all was checked")
			}
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	// The last that is built may be what nothing above has needed.
	if err := d.late.wait(); err != nil {
		return err
	}
	d.out.Line("All samples are Ready, and the checks found what they ask for.")
	d.printHints()
	if !d.wait {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-d.operator.done:
		return d.operator.ended()
	}
}

// prepare empties the directory, which is this run's alone from now on.
func (d *demo) prepare() error {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(d.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("another demo runs in %s; stop it, or choose another directory with --dir", d.dir), lock.Close())
	}
	d.lock = lock
	// Only what a run makes, since the directory may be anyone's.
	for _, name := range []string{"kubernetes", "openbao", "logs", kubeconfigFile, operatorConfigFile, operatorLogFile, authorityFile} {
		if err := os.RemoveAll(d.path(name)); err != nil {
			return err
		}
	}
	d.secrets = &secrets{values: map[string]string{}}
	return nil
}

// start brings up what is needed first, side by side, and begins with the rest.
func (d *demo) start(ctx context.Context) error {
	d.stack = &stack.Stack{}
	group, working := errgroup.WithContext(ctx)
	group.Go(func() error {
		return d.out.Part("Kubernetes", func() (string, error) { return d.startKubernetes(working) })
	})
	group.Go(func() error { return d.out.Part("Aiven simulator", d.startSimulator) })
	group.Go(func() error {
		return d.out.Part("operator", func() (string, error) { return d.build(working) })
	})
	if err := group.Wait(); err != nil {
		return err
	}
	d.late.start(ctx, d.startOpenBao, d.startControllerManager)
	return nil
}

// start begins with both parts. After an error of one the other is given up.
func (l *late) start(ctx context.Context, openBao, other func(context.Context) error) {
	group, ctx := errgroup.WithContext(ctx)
	l.group, l.openBao = group, make(chan struct{})
	group.Go(func() error {
		defer close(l.openBao)
		return openBao(ctx)
	})
	group.Go(func() error { return other(ctx) })
}

// wait returns when all parts have been started, or given up.
func (l *late) wait() error {
	if l.group == nil {
		return nil
	}
	return l.group.Wait()
}

// stop ends everything that was started, the operator first: it gives its lease
// back while there is an API server.
func (d *demo) stop() error {
	var errs []error
	if d.operator != nil || d.stack != nil {
		d.out.Line("Stopping")
	}
	// A server that is still being started would be missed below.
	_ = d.late.wait() // run has told
	if d.operator != nil {
		errs = append(errs, d.operator.stop(operatorGrace))
	}
	if d.simulator != nil {
		errs = append(errs, d.simulator.Close())
	}
	if d.stack != nil {
		errs = append(errs, d.stack.Stop())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	return nil
}

// path returns the path of a file in the directory of the run.
func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }
