// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// maxWorkers is how many further nodes the network has room for.
const maxWorkers = 60

// Worker is a further node of a cluster.
type Worker struct {
	machine *machine
	node    *Node
	stop    sync.Once
	err     error
}

// AddWorker starts a further node and returns when it is Ready.
func (n *Node) AddWorker(ctx context.Context) (*Worker, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w, err := n.newWorker()
	if err != nil {
		return nil, err
	}
	if err := w.start(ctx); err != nil {
		return nil, errors.Join(err, w.Stop())
	}
	return w, nil
}

// newWorker makes a worker under the first free index, with all images so far.
func (n *Node) newWorker() (*Worker, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stopped {
		return nil, errors.New("the cluster is stopped")
	}
	for index := 1; index <= maxWorkers; index++ {
		if n.workers[index] != nil {
			continue
		}
		m, err := newMachine(n.network, index, fmt.Sprintf("%s-%d", ClusterName, index), n.opts.Logs, n.binaries)
		if err != nil {
			return nil, err
		}
		w := &Worker{machine: m, node: n}
		n.workers[index] = w
		return w, nil
	}
	return nil, fmt.Errorf("a cluster has no more than %d further nodes", maxWorkers)
}

func (w *Worker) start(ctx context.Context) error {
	n, m := w.node, w.machine
	if err := m.prepare(n.network, n.ca, n.server()); err != nil {
		return err
	}
	if err := n.network.connectWorker(ctx, n.machine.agent, m.agent, m.index); err != nil {
		return err
	}
	n.mu.Lock()
	images := n.images
	n.mu.Unlock()
	if err := m.startContainerd(ctx); err != nil {
		return err
	}
	return together(ctx,
		func(ctx context.Context) error { return m.startNode(ctx, n.network, n.client) },
		func(ctx context.Context) error { return m.importImages(ctx, images) },
	)
}

// Name is the name of the node.
func (w *Worker) Name() string { return w.machine.name }

// Address is the address of the node.
func (w *Worker) Address() string { return w.machine.address }

// Stop ends the node as a power cut does: nobody is told, its Node and Pods stay,
// and the controllers find out. A worker that is added later may have its name. Stop
// may be called more than once.
func (w *Worker) Stop() error {
	w.stop.Do(func() {
		w.node.mu.Lock()
		defer w.node.mu.Unlock()
		if w.node.stopped {
			return
		}
		delete(w.node.workers, w.machine.index)
		w.err = w.machine.agent.Stop()
	})
	return w.err
}
