// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// fakeLock is a Lease in memory.
type fakeLock struct {
	identity string
	lease    *fakeLease
}

type fakeLease struct {
	mu     sync.Mutex
	record *resourcelock.LeaderElectionRecord
	// refuse fails every request, refuseRenewals those that would keep the
	// lease; hang lets them wait for their context.
	refuse, refuseRenewals, hang bool
	// granted is when the last write was granted.
	granted time.Time
}

var errRefused = errors.New("refused")

func (l *fakeLease) enter(ctx context.Context) error {
	l.mu.Lock()
	refuse, hang := l.refuse, l.hang
	l.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if refuse {
		return errRefused
	}
	return nil
}

func (l *fakeLease) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *fakeLease) holder() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.record == nil {
		return "nobody yet"
	}
	return l.record.HolderIdentity
}

func (f *fakeLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	if err := f.lease.enter(ctx); err != nil {
		return nil, nil, err
	}
	f.lease.mu.Lock()
	defer f.lease.mu.Unlock()
	if f.lease.record == nil {
		return nil, nil, apierrors.NewNotFound(schema.GroupResource{Resource: "leases"}, "x")
	}
	record := *f.lease.record
	raw, err := json.Marshal(record)
	return &record, raw, err
}

func (f *fakeLock) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return f.Update(ctx, r)
}

func (f *fakeLock) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	if err := f.lease.enter(ctx); err != nil {
		return err
	}
	refused := false
	f.lease.set(func() {
		if refused = f.lease.refuseRenewals && r.HolderIdentity != ""; refused {
			return
		}
		if r.HolderIdentity != "" && f.lease.record != nil && f.lease.record.HolderIdentity == "thief" {
			r = *f.lease.record
			return
		}
		f.lease.record, f.lease.granted = &r, time.Now()
	})
	if refused || f.lease.holder() == "thief" {
		return errRefused // as a conflict would be
	}
	return nil
}

func (f *fakeLock) RecordEvent(string) {}
func (f *fakeLock) Identity() string   { return f.identity }
func (f *fakeLock) Describe() string   { return "fake" }

// trial is one process in an election.
type trial struct {
	*election
	lease   *fakeLease
	leading []bool
}

func newTrial() *trial {
	options := NewOptions()
	tr := &trial{lease: &fakeLease{}}
	tr.election = &election{
		options:      options.LeaderElection,
		gate:         newGate(options.LeaderElection.RenewDeadline),
		drainTimeout: options.ShutdownTimeout,
		onLeading:    func(l bool) { tr.leading = append(tr.leading, l) },
	}
	return tr
}

func (tr *trial) start(ctx context.Context, do work) <-chan error {
	done := make(chan error, 1)
	go func() { done <- tr.run(ctx, &fakeLock{identity: "me", lease: tr.lease}, do) }()
	return done
}

func TestLeaseIsReleasedAfterTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial()
		ctx, stop := context.WithCancel(t.Context())
		var holderAtEnd string
		var gateAtEnd, ctxAtEnd error
		done := tr.start(ctx, func(ctx context.Context, drain <-chan struct{}) error {
			if err := tr.gate.Check(); err != nil {
				t.Errorf("work began behind a closed gate: %v", err)
			}
			<-drain
			time.Sleep(30 * time.Second) // longer than the lease lasts
			holderAtEnd, gateAtEnd, ctxAtEnd = tr.lease.holder(), tr.gate.Check(), ctx.Err()
			return nil
		})
		time.Sleep(time.Minute)
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if holderAtEnd != "me" || gateAtEnd != nil || ctxAtEnd != nil {
			t.Errorf("while draining the lease was held by %q, the gate said %v, the context %v", holderAtEnd, gateAtEnd, ctxAtEnd)
		}
		if got := tr.lease.holder(); got != "" {
			t.Errorf("the lease is still held by %q", got)
		}
		if tr.gate.Check() == nil {
			t.Error("the gate is open after the release")
		}
		if len(tr.leading) != 2 || !tr.leading[0] || tr.leading[1] {
			t.Errorf("leading was announced as %v", tr.leading)
		}
	})
}

func TestLeaseLost(t *testing.T) {
	for name, tc := range map[string]struct {
		lose func(*fakeLease)
		// within is how long after its loss the work must have ended.
		within time.Duration
	}{
		"refused":               {func(l *fakeLease) { l.refuse = true }, 15 * time.Second},
		"only renewals refused": {func(l *fakeLease) { l.refuseRenewals = true }, 15 * time.Second},
		"hanging":               {func(l *fakeLease) { l.hang = true }, 15 * time.Second},
		"taken by another": {func(l *fakeLease) {
			l.record = &resourcelock.LeaderElectionRecord{HolderIdentity: "thief", LeaseDurationSeconds: 30}
		}, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := newTrial()
				var ended time.Time
				var gateAtEnd error
				done := tr.start(t.Context(), func(ctx context.Context, _ <-chan struct{}) error {
					<-ctx.Done()
					ended, gateAtEnd = time.Now(), tr.gate.Check()
					return ctx.Err()
				})
				time.Sleep(time.Minute)
				tr.lease.set(func() { tc.lose(tr.lease) })
				lost := time.Now()
				if err := <-done; !errors.Is(err, errNotLeading) {
					t.Errorf("got %v", err)
				}
				if gateAtEnd == nil {
					t.Error("the work was aborted with the gate open")
				}
				if d := ended.Sub(tr.lease.granted); d > 15*time.Second {
					t.Errorf("work went on for %s after the last renewal", d)
				}
				if d := ended.Sub(lost); d > tc.within {
					t.Errorf("work ended %s after the loss", d)
				}
				if d := time.Since(ended); d > abortTimeout {
					t.Errorf("the process ended %s after its work", d)
				}
				if got := tr.lease.holder(); got == "" {
					t.Error("a lost lease was released")
				}
			})
		})
	}
}

// Work that does not end when told to must not keep the process.
func TestLeaseLostStubbornWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial()
		release := make(chan struct{})
		done := tr.start(t.Context(), func(context.Context, <-chan struct{}) error {
			<-release
			return nil
		})
		time.Sleep(time.Minute)
		tr.lease.set(func() { tr.lease.hang = true })
		start := time.Now()
		if err := <-done; !errors.Is(err, errNotLeading) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(start); d > 15*time.Second+abortTimeout {
			t.Errorf("ended after %s", d)
		}
		close(release)
	})
}

func TestStandbyStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial()
		tr.lease.record = &resourcelock.LeaderElectionRecord{HolderIdentity: "thief", LeaseDurationSeconds: 3600}
		ctx, stop := context.WithCancel(t.Context())
		done := tr.start(ctx, func(context.Context, <-chan struct{}) error {
			t.Error("worked without the lease")
			return nil
		})
		time.Sleep(time.Minute)
		if tr.gate.Check() == nil {
			t.Error("the gate of a standby is open")
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := tr.lease.holder(); got != "thief" {
			t.Errorf("the lease of another went to %q", got)
		}
	})
}

func TestFailingWorkReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial()
		want := errors.New("broken")
		err := <-tr.start(t.Context(), func(context.Context, <-chan struct{}) error { return want })
		if !errors.Is(err, want) {
			t.Errorf("got %v", err)
		}
		if got := tr.lease.holder(); got != "" {
			t.Errorf("the lease is still held by %q", got)
		}
	})
}

func TestDrainTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial()
		ctx, stop := context.WithCancel(t.Context())
		done := tr.start(ctx, func(ctx context.Context, _ <-chan struct{}) error {
			<-ctx.Done() // never drains
			return ctx.Err()
		})
		time.Sleep(time.Minute)
		stop()
		start := time.Now()
		if err := <-done; !errors.Is(err, errDrainTimeout) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(start); d != tr.drainTimeout {
			t.Errorf("work was given %s, not %s", d, tr.drainTimeout)
		}
		if got := tr.lease.holder(); got != "" {
			t.Errorf("the lease is still held by %q", got)
		}
	})
}
