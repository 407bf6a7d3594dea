// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"github.com/bailiwick-operator/bailiwick/pkg/metrics"
	"github.com/bailiwick-operator/bailiwick/pkg/version"
)

// Run runs the operator until ctx ends. It then finishes what is under way,
// gives the lease back and returns nil. Any other end is an error, and the
// process should exit. The logger is taken from ctx.
func Run(ctx context.Context, options *Options) error {
	o := *options
	if err := o.completeNamespace(podNamespaceFile); err != nil {
		return fmt.Errorf("find the operator's namespace: %w", err)
	}
	if err := o.Validate(); err != nil {
		return fmt.Errorf("invalid options:\n%w", err)
	}
	logger := withholdSecrets(klog.FromContext(ctx))
	ctx = klog.NewContext(ctx, logger)
	build := version.Get()
	logger.Info("Starting", "version", build.Version, "revision", build.Revision, "goVersion", build.GoVersion,
		"namespace", o.Namespace, "watchNamespaces", o.watched(),
		"controllers", o.Controllers, "aiven", o.Aiven.URL, "leaderElect", o.LeaderElection.Enabled)

	gate := openGate()
	if o.LeaderElection.Enabled {
		gate = newGate(o.LeaderElection.RenewDeadline)
		gate.late = o.LeaderElection.late()
	}
	clients, err := newClients(&o, gate.Yield)
	if err != nil {
		return err
	}
	measured := metrics.New(build)
	operator, err := newOperator(ctx, &o, clients, gate, measured)
	if err != nil {
		return err
	}
	defer operator.close()

	watchDog := leaderelection.NewLeaderHealthzAdaptor(leaseGrace)
	ready := &readiness{}
	health, err := listen(ctx, "health", o.HealthBindAddress, healthHandler(
		[]check{{"ping", ping}, {watchDog.Name(), watchDog.Check}},
		[]check{{"caches", ready.check}},
	))
	if err != nil {
		return err
	}
	defer health.stop(ctx)
	measurements, err := listen(ctx, "metrics", o.MetricsBindAddress, metricsHandler(measured.Handler(), o.Profiling))
	if err != nil {
		return err
	}
	defer measurements.stop(ctx)
	for _, s := range []*server{health, measurements} {
		if s != nil && o.OnListen != nil {
			o.OnListen(s.name, s.listener.Addr())
		}
	}

	e := &election{
		options: o.LeaderElection, gate: gate, watchDog: watchDog, drainTimeout: o.ShutdownTimeout,
		onLeading: func(leading bool) {
			measured.Leading(leading)
			if leading {
				ready.lead(operator.unsynced)
			}
		},
	}
	if err := lead(ctx, e, &o, clients, operator); err != nil {
		return err
	}
	logger.Info("Stopped")
	return nil
}

// lead works as the leader, which without an election is immediately.
func lead(ctx context.Context, e *election, o *Options, c *clients, op *operator) error {
	if !o.LeaderElection.Enabled {
		e.onLeading(true)
		return runDrained(context.WithoutCancel(ctx), ctx.Done(), o.ShutdownTimeout, op.run)
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("name this process for leader election: %w", err)
	}
	return e.run(ctx, &resourcelock.LeaseLock{
		LeaseMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.LeaderElection.LeaseName},
		Client:    c.leases.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{
			Identity:      host + "_" + string(uuid.NewUUID()),
			EventRecorder: op.recorder,
		},
	}, op.run)
}
