// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/machine"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/workload"
)

// asApplied is what the servers are to be while the spec has a mistake: what was applied
// before it had.
type asApplied struct {
	replicas int32
	version  string
}

// want is how many servers there are to be.
func (t *task) want() int32 {
	if t.applied != nil {
		return t.applied.replicas
	}
	return wanted(t.obj)
}

// version is the version that the pods are to have.
func (t *task) version() string {
	if t.applied != nil {
		return t.applied.version
	}
	return t.obj.Spec.Version
}

// care looks after servers whose spec has a mistake. They are healed, and started again for
// their certificate or on request, with the StatefulSet as it is. Of the spec, only what
// certificates are made from is carried out, and no other object is changed. The error is
// the mistake, with what else went wrong.
func (t *task) care(ctx context.Context, mistake error) error {
	if err := t.dropInitialize(ctx); err != nil {
		return errors.Join(mistake, err)
	}
	set := t.statefulSet
	problem := asProblem(mistake)
	// A recovery from a lost quorum decides alone which servers run, and waits until the spec
	// is right.
	if problem.Reason != ReasonInvalidSpec || t.recoveryPhase().Active() || !t.recorded().Initialized || set == nil || set.Spec.Replicas == nil || *set.Spec.Replicas < 1 {
		return mistake
	}
	version := t.obj.Status.CurrentVersion
	if u := t.obj.Status.Upgrade; u != nil {
		version = u.TargetVersion
	}
	t.applied = &asApplied{replicas: *set.Spec.Replicas, version: version}
	// The key and the certificate come before anything that restarts a server.
	for _, prepare := range []func(context.Context) error{t.prepareUnsealKey, t.prepareTLS} {
		if err := prepare(ctx); err != nil {
			return careFailed(problem, err)
		}
	}
	t.observe(ctx)
	t.memory.lasts("leaderless", "", t.leader() == nil, t.now)
	if err := t.heal(ctx); err != nil {
		return careFailed(problem, err)
	}
	if err := t.keepBackups(ctx); err != nil {
		return careFailed(problem, err)
	}
	out := *problem
	out.Message += " Nothing of the spec but spec.tls is carried out until that is corrected. The servers stay as they were applied last: " +
		"they are healed, and started again for their certificate and for a later time in spec.maintenance.restartAt."
	if duty := t.dutyProblem(); duty != nil {
		out.Message, out.Next = out.Message+" "+duty.Message, duty.Next
	} else {
		out.Next = reconcile.Outcome{}
	}
	return &out
}

// careFailed is a mistake in the spec, and why the servers could not be cared for, which
// says when that is tried again.
func careFailed(mistake *reconcile.Problem, err error) error {
	if errors.Is(err, errMayNotWrite) || errors.Is(err, errGone) {
		return err
	}
	out, why := *mistake, asProblem(err)
	out.Message, out.Next = out.Message+" The servers could not be cared for: "+why.Message, why.Next
	return &out
}

// heal does what is next for servers that nothing is applied to.
func (t *task) heal(ctx context.Context) error {
	if !t.paused() {
		if err := t.divertTraffic(ctx); err != nil {
			return err
		}
	}
	facts, err := t.firstStart(ctx)
	if err != nil {
		return err
	}
	if t.step = facts.Next(); t.step.Action != machine.Finished {
		return nil
	}
	// A cache may be behind.
	t.applied.replicas = *facts.Replicas
	if err := t.planUpkeep(ctx, *facts.Replicas); err != nil {
		return err
	}
	if t.paused() {
		return nil
	}
	return t.fulfil(ctx)
}

// asksForRestart reports whether a pod was made before the time of a restart that could not
// be applied to it. Another text than a time waits until the spec is right.
func (t *task) asksForRestart(pod *corev1.Pod) bool {
	maintenance := t.obj.Spec.Maintenance
	if t.applied == nil || maintenance == nil || pod.Annotations[workload.AnnotationRestartAt] == maintenance.RestartAt {
		return false
	}
	at, err := time.Parse(time.RFC3339, maintenance.RestartAt)
	return err == nil && pod.CreationTimestamp.Time.Before(at) && !at.After(t.now)
}
