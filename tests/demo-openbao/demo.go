// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"k8s.io/client-go/kubernetes"

	"github.com/bailiwick-operator/bailiwick/generated/clientset/versioned"
	"github.com/bailiwick-operator/bailiwick/tests/internal/progress"
	"github.com/bailiwick-operator/bailiwick/tests/node"
)

const (
	// sample is the folder of the manifest that is applied, from the top of the checkout,
	// and clusterName the name of the object in it.
	sample      = "manifests/samples/servers"
	clusterName = "my-bao"
	// overlay is what is installed.
	overlay = "manifests/overlays/openbao-only"
	// namespace is where the cluster is.
	namespace = "demo"
	// operatorNamespace is that of manifests/rbac.
	operatorNamespace = "bailiwick-system"
)

// Files in the directory of a run.
const (
	kubeconfigFile = "kubeconfig"
	logFolder      = "logs"
)

// demo is one run. Its fields are filled step by step.
type demo struct {
	options
	root string
	out  *progress.Printer

	lock *os.File
	// bin is a folder with nothing but kubectl.
	bin  string
	node *node.Node
	kube kubernetes.Interface
	api  versioned.Interface
	// seen is what was printed about the cluster.
	seen seen
}

// run goes through all steps and returns nil if everything happened as it should.
func (d *demo) run(ctx context.Context) error {
	if err := d.prepare(); err != nil {
		return err
	}
	for _, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"Starting a Kubernetes node, and building the operator's image", d.start},
		{"Installing " + overlay, d.install},
		{"Applying " + sample + " in the namespace " + namespace, d.apply},
		{"Running the command that the object asks for", d.grant},
		{"Waiting until the object is Ready and all servers vote", d.becomesReady},
		{"Checking that nothing of the first start remains", d.leavesNothing},
		{"Ending the leader without warning", d.endLeader},
		{"Deleting the volume of a server", d.loseVolume},
		{"Rolling out " + d.rolled(), d.roll},
	} {
		d.out.Line("%s", step.title)
		if err := step.do(ctx); err != nil {
			if ctx.Err() != nil {
				return errors.New("interrupted before all was shown")
			}
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	d.out.Line("The servers run, and what each identity may do is proved.")
	d.out.Plain(d.hints())
	if d.keep {
		<-ctx.Done()
	}
	return nil
}

// prepare empties the directory, which is this run's alone from now on.
func (d *demo) prepare() error {
	if err := node.Available(); err != nil {
		return err
	}
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
	for _, name := range []string{"bin", "images", "install", "cluster", logFolder, kubeconfigFile} {
		if err := os.RemoveAll(d.path(name)); err != nil {
			return err
		}
	}
	return os.MkdirAll(d.path("images"), 0o700)
}

// stop ends everything that was started.
func (d *demo) stop() error {
	var errs []error
	if d.node != nil {
		d.out.Line("Stopping")
		errs = append(errs, d.node.Stop())
	}
	if d.lock != nil {
		// The images are large, and of no use afterwards.
		errs = append(errs, os.RemoveAll(d.path("images")), d.lock.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	return nil
}

// path returns the path of a file in the directory of the run.
func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }
