// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package podlabels is the service registration "kubernetes": it keeps labels of
// the server's own pod that say what state the server is in.
package podlabels

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/serviceregistration"
)

const (
	retryInterval = time.Second
	// lastTimeout bounds how long the end of the process waits for the last labels.
	lastTimeout = 2 * time.Second
)

// The labels that OpenBao sets (serviceregistration/kubernetes).
const (
	labelVersion     = "openbao-version"
	labelActive      = "openbao-active"
	labelSealed      = "openbao-sealed"
	labelPerfStandby = "openbao-perf-standby"
	labelInitialized = "openbao-initialized"
)

// Registration keeps the labels of a pod. What the core reports is never waited
// for: a pod that cannot be patched is retried until it can be.
type Registration struct {
	pod    pod
	logger hclog.Logger

	mu     sync.Mutex
	labels map[string]string
	// changed holds one element while there are labels to write.
	changed chan struct{}
}

var _ serviceregistration.ServiceRegistration = (*Registration)(nil)

// New returns the registration of a pod. It has no effect before Run.
func New(namespace, name, version string, logger hclog.Logger) *Registration {
	r := &Registration{
		pod:    pod{namespace: namespace, name: name, accountDir: serviceAccount},
		logger: logger,
		labels: map[string]string{
			labelVersion:     version,
			labelActive:      "false",
			labelSealed:      "true",
			labelPerfStandby: "false",
			labelInitialized: "false",
		},
		changed: make(chan struct{}, 1),
	}
	r.wake()
	return r
}

func (r *Registration) wake() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *Registration) set(label string, value bool) error {
	r.mu.Lock()
	r.labels[label] = strconv.FormatBool(value)
	r.mu.Unlock()
	r.wake()
	return nil
}

// NotifyActiveStateChange implements serviceregistration.ServiceRegistration.
func (r *Registration) NotifyActiveStateChange(active bool) error { return r.set(labelActive, active) }

// NotifySealedStateChange implements serviceregistration.ServiceRegistration.
func (r *Registration) NotifySealedStateChange(sealed bool) error { return r.set(labelSealed, sealed) }

// NotifyPerformanceStandbyStateChange implements serviceregistration.ServiceRegistration.
func (r *Registration) NotifyPerformanceStandbyStateChange(standby bool) error {
	return r.set(labelPerfStandby, standby)
}

// NotifyInitializedStateChange implements serviceregistration.ServiceRegistration.
func (r *Registration) NotifyInitializedStateChange(initialized bool) error {
	return r.set(labelInitialized, initialized)
}

// Run writes labels until stop is closed, and then once more if something has
// changed since.
func (r *Registration) Run(stop <-chan struct{}, wait *sync.WaitGroup, _ string) error {
	wait.Go(func() {
		for {
			select {
			case <-stop:
				r.writeLast()
				return
			case <-r.changed:
			}
			if err := r.write(context.Background()); err != nil {
				r.logger.Warn("the labels of the pod cannot be written; will retry", "error", err)
				r.wake()
				select {
				case <-stop:
				case <-time.After(retryInterval):
				}
			}
		}
	})
	return nil
}

func (r *Registration) writeLast() {
	select {
	case <-r.changed:
	default:
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastTimeout)
	defer cancel()
	if err := r.write(ctx); err != nil {
		r.logger.Warn("the last labels of the pod could not be written", "error", err)
	}
}

func (r *Registration) write(ctx context.Context) error {
	r.mu.Lock()
	labels := maps.Clone(r.labels)
	r.mu.Unlock()
	return r.pod.setLabels(ctx, labels, slices.Sorted(maps.Keys(labels)))
}
