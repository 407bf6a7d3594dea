// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"errors"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// Options choose the parts of a Stack.
type Options struct {
	// Dir holds all files of the stack: data, certificates, credentials and logs.
	// A directory that is given is the caller's, and stays. If it is empty, a
	// temporary directory is made and Stop removes it.
	Dir string
	// Keep makes Stop leave a temporary directory behind, for its logs.
	Keep bool
	// Kubernetes starts the Kubernetes part unless it is nil.
	// Its Dir and Keep are not used: it lives in the stack's directory.
	Kubernetes *KubernetesOptions
	// OpenBao starts the OpenBao part unless it is nil.
	// Its Dir and Keep are not used: it lives in the stack's directory.
	OpenBao *OpenBaoOptions
}

// Stack is a set of running parts.
type Stack struct {
	// Dir holds all files of the stack. The log of each process is the file
	// logs/<process>.log below the directory of its part.
	Dir string
	// Kubernetes is nil if the options did not ask for it.
	Kubernetes *Kubernetes
	// OpenBao is nil if the options did not ask for it.
	OpenBao *OpenBao

	workDir workDir
}

// Start starts the chosen parts in parallel and returns when all are ready.
// ctx bounds the start only; the stack runs until Stop. After an error nothing
// is left running.
func Start(ctx context.Context, opts Options) (*Stack, error) {
	dir, err := newWorkDir(opts.Dir, opts.Keep)
	if err != nil {
		return nil, err
	}
	s := &Stack{Dir: dir.path, workDir: dir}

	group, ctx := errgroup.WithContext(ctx)
	if opts.Kubernetes != nil {
		group.Go(func() error {
			part := *opts.Kubernetes
			part.Dir = filepath.Join(s.Dir, "kubernetes")
			kubernetes, err := StartKubernetes(ctx, part)
			s.Kubernetes = kubernetes
			return err
		})
	}
	if opts.OpenBao != nil {
		group.Go(func() error {
			part := *opts.OpenBao
			part.Dir = filepath.Join(s.Dir, "openbao")
			openBao, err := StartOpenBao(ctx, part)
			s.OpenBao = openBao
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// Stop ends all processes, waits for them and removes a temporary directory.
// It may be called more than once.
func (s *Stack) Stop() error {
	var group errgroup.Group
	if s.Kubernetes != nil {
		group.Go(s.Kubernetes.Stop)
	}
	if s.OpenBao != nil {
		group.Go(s.OpenBao.Stop)
	}
	return errors.Join(group.Wait(), s.workDir.remove())
}
