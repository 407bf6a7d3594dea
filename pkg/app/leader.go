// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
)

const (
	// abortTimeout is how long work may take to end once it was cancelled. The
	// process ends then in any case.
	abortTimeout = 5 * time.Second
	// leaseGrace is how long past its lease a leader may seem healthy.
	leaseGrace = 20 * time.Second
)

// work is what is done while leading. It ends when drain is closed, after what
// is under way, or immediately when ctx is cancelled.
type work func(ctx context.Context, drain <-chan struct{}) error

// election runs work while this process leads.
type election struct {
	options  LeaderElectionOptions
	gate     *Gate
	watchDog *leaderelection.HealthzAdaptor
	// onLeading is told when leading begins and ends.
	onLeading func(bool)
	// drainTimeout bounds work after ctx ended.
	drainTimeout time.Duration
}

// run waits for the lease, does the work and gives the lease back when all of
// it has ended. It returns nil only after an orderly stop, which the end of ctx
// asks for.
func (e *election) run(ctx context.Context, lock resourcelock.Interface, do work) error {
	logger := klog.FromContext(ctx)
	// The elector outlives ctx: it must renew while the work drains.
	electing, stopElecting := context.WithCancel(context.WithoutCancel(ctx))
	defer stopElecting()
	ended, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()

	lease := &lease{Interface: lock, gate: e.gate, ended: ended}
	started := make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:            lease,
		Name:            e.options.LeaseName,
		LeaseDuration:   e.options.LeaseDuration,
		RenewDeadline:   e.options.RenewDeadline,
		RetryPeriod:     e.options.RetryPeriod,
		ReleaseOnCancel: true,
		WatchDog:        e.watchDog,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { close(started) },
			OnStoppedLeading: func() {},
			OnNewLeader: func(identity string) {
				logger.Info("Leader elected", "leader", identity, "self", identity == lock.Identity())
			},
		},
	})
	if err != nil {
		return fmt.Errorf("set up leader election: %w", err)
	}
	if e.watchDog != nil {
		e.watchDog.SetLeaderElection(elector)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		elector.Run(electing)
	}()
	// Every path below waits for the elector.
	finish := func() {
		stopElecting()
		<-stopped
	}

	select {
	case <-started:
	case <-ctx.Done():
		// The elector may have won just now; nothing was done, so it may let go.
		lease.releasable.Store(true)
		finish()
		return nil
	}

	e.onLeading(true)
	err = e.lead(ctx, stopped, do)
	e.gate.close()
	e.onLeading(false)
	if errors.Is(err, errNotLeading) {
		end() // a release could not be sent any more
	} else {
		lease.releasable.Store(true)
	}
	finish()
	return err
}

// lead does the work until it ends, or until the lease may have expired.
func (e *election) lead(ctx context.Context, stopped <-chan struct{}, do work) error {
	working, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abort(nil)
	result := make(chan error, 1)
	go func() { result <- e.drained(working, ctx.Done(), do) }()

	timer := time.NewTimer(e.gate.Remaining())
	defer timer.Stop()
	for {
		select {
		case err := <-result:
			return err
		case <-timer.C:
			if left := e.gate.Remaining(); left > 0 {
				timer.Reset(left)
				continue
			}
		case <-e.gate.closed():
		case <-stopped:
		}
		abort(errNotLeading)
		e.gate.close()
		klog.FromContext(ctx).Info("Lost the leader lease, stopping immediately")
		select {
		case err := <-result:
			klog.FromContext(ctx).V(2).Info("Work ended", "err", err)
		case <-time.After(abortTimeout):
			klog.FromContext(ctx).Info("Work did not stop in time", "timeout", abortTimeout)
		}
		return errNotLeading
	}
}

// drained does the work and cancels what is left of it drainTimeout after drain
// was closed.
func (e *election) drained(ctx context.Context, drain <-chan struct{}, do work) error {
	return runDrained(ctx, drain, e.drainTimeout, do)
}

var errDrainTimeout = errors.New("work was still under way when the shutdown timeout ended")

func runDrained(ctx context.Context, drain <-chan struct{}, timeout time.Duration, do work) error {
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-drain:
			klog.FromContext(ctx).Info("Stopping, work under way is finished first", "timeout", timeout)
		case <-done:
			return
		}
		select {
		case <-time.After(timeout):
			abort(errDrainTimeout)
		case <-done:
		}
	}()
	err := do(ctx, drain)
	close(done)
	<-watched
	if errors.Is(context.Cause(ctx), errDrainTimeout) {
		return errors.Join(errDrainTimeout, err)
	}
	return err
}
