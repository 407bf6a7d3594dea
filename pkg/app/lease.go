// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// lease passes the elector's requests on and tells the gate what came of them.
// It keeps the elector from giving the lease away while work is under way: the
// elector would do so as soon as a renewal fails.
type lease struct {
	resourcelock.Interface
	gate *Gate
	// ended is done when this process gave up leading; requests end with it.
	ended context.Context
	// held is true from the first grant on, releasable when work has ended.
	held       atomic.Bool
	releasable atomic.Bool
}

// late is how long after one renewal the next is overdue: a third of the time
// between when it is asked for and when it is too late.
func (o LeaderElectionOptions) late() time.Duration {
	return o.RetryPeriod + (o.RenewDeadline-o.RetryPeriod)/3
}

var errKeepLease = errors.New("the lease is kept until it expires, since work may still be under way")

// Get implements resourcelock.Interface.
func (l *lease) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	ctx, cancel := l.bounded(ctx)
	defer cancel()
	record, raw, err := l.Interface.Get(ctx)
	if err == nil && l.held.Load() && record.HolderIdentity != "" && record.HolderIdentity != l.Identity() {
		// Somebody else leads already. There is no deadline to wait for.
		l.gate.close()
	}
	return record, raw, err
}

// Create implements resourcelock.Interface.
func (l *lease) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, record, l.Interface.Create)
}

// Update implements resourcelock.Interface.
func (l *lease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if record.HolderIdentity == "" && !l.releasable.Load() {
		return errKeepLease
	}
	return l.write(ctx, record, l.Interface.Update)
}

func (l *lease) write(ctx context.Context, record resourcelock.LeaderElectionRecord,
	send func(context.Context, resourcelock.LeaderElectionRecord) error,
) error {
	ctx, cancel := l.bounded(ctx)
	defer cancel()
	sent := time.Now()
	if err := send(ctx, record); err != nil {
		return err
	}
	if record.HolderIdentity == l.Identity() {
		l.held.Store(true)
		l.gate.renew(sent)
	}
	return nil
}

// bounded returns a context that also ends with l.ended.
func (l *lease) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.ended, cancel)
	return ctx, func() { stop(); cancel() }
}
