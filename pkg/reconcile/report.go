// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// report writes what a sync found to the status and the annotations, and returns
// what is next.
func (c *Controller[T, C, AC]) report(ctx context.Context, cached, obj T, obs Observation, err error) Outcome {
	if errors.Is(err, errGone) {
		return c.unwritten(ctx, err)
	}
	if ctx.Err() != nil {
		// The process ends or this took too long; either way the remote's state
		// is unknown and the next sync finds out.
		return Retry(ctx.Err())
	}
	if errors.Is(err, ErrPending) {
		return After(c.engine.opts.PollInterval)
	}
	var later *laterError
	if errors.As(err, &later) {
		return c.reportDelay(ctx, cached, obj, later)
	}
	c.memory.undelayed(obj)
	var problem *Problem
	if err != nil {
		phase := PhaseCreateOrUpdate
		if obj.GetDeletionTimestamp() != nil {
			phase = PhaseDelete
		}
		problem = problemOf(err, phase)
	}
	transient := err != nil && problem.Reason == ReasonFailed
	c.setConditions(obj, obs, problem, transient && isReady(cached) && *cached.ObservedGeneration() == obj.GetGeneration())
	*obj.ObservedGeneration() = obj.GetGeneration()

	c.announce(cached, obj, problem)
	if err := c.applyStatus(ctx, cached, obj); err != nil {
		return c.unwritten(ctx, err)
	}
	if problem != nil {
		if problem.Next == (Outcome{}) {
			return After(c.engine.opts.PollInterval)
		}
		return problem.Next
	}
	if err := c.annotate(ctx, obj, obs); err != nil {
		return c.unwritten(ctx, err)
	}
	if c.recordHolds(obj) {
		c.refresh(obj, obs)
		return After(c.memory.nextCheck(obj))
	}
	switch {
	case obs.Again > 0:
		return After(obs.Again)
	case obs.Ready && obs.Connection == nil && len(obs.Differs) == 0:
		return After(restingPolls * c.engine.opts.PollInterval)
	}
	return After(c.engine.opts.PollInterval)
}

// restingPolls is how many polls may pass until an object is reconciled again that is
// as its spec says, and whose connection Secret nobody can have changed, since it has
// none. A poll that shows a difference, or fails, wakes it.
const restingPolls = 6

// delayShown is how long something else may keep an object from being reconciled
// before its condition says so.
const delayShown = 30 * time.Second

// reportDelay is report where something other than the object keeps it from being
// reconciled. Nothing is known of the remote, so an object that was Ready stays so.
func (c *Controller[T, C, AC]) reportDelay(ctx context.Context, cached, obj T, later *laterError) Outcome {
	if later.reason == "" {
		return After(later.after)
	}
	since, first := c.memory.delayed(obj, later.reason)
	if first {
		// One that can't be reconciled keeps the remote from nobody.
		c.engine.wakeRivals(c.shares(), c.kind.Identity(obj), obj)
	}
	if time.Since(since)+later.after < delayShown || isReady(cached) {
		return After(later.after)
	}
	setCondition(obj, ConditionReady, metav1.ConditionFalse, later.reason, later.message)
	slices.SortFunc(*obj.Conditions(), byType)
	if readyReason(cached) != later.reason {
		c.event(obj, corev1.EventTypeWarning, later.reason, later.message)
	}
	if err := c.applyStatus(ctx, cached, obj); err != nil {
		return c.unwritten(ctx, err)
	}
	return After(later.after)
}

// unwritten is the outcome of a write that failed.
func (c *Controller[T, C, AC]) unwritten(ctx context.Context, err error) Outcome {
	if errors.Is(err, errGone) {
		klog.FromContext(ctx).V(4).Info("Object is gone", "err", err)
		if apierrors.IsConflict(err) {
			// A conflict is not only the answer for an absent object: read it again.
			return After(backoffBase)
		}
		return Done()
	}
	return Retry(err)
}

// setConditions derives the engine's conditions. keepReady leaves Ready alone:
// one failed read does not make a remote that was ready unready.
func (c *Controller[T, C, AC]) setConditions(obj T, obs Observation, problem *Problem, keepReady bool) {
	set := func(typ string, status metav1.ConditionStatus, reason, message string) {
		setCondition(obj, typ, status, reason, message)
	}
	if problem != nil && problem.Phase != "" {
		set(ConditionError, metav1.ConditionUnknown, problem.Phase, problem.Message)
	} else {
		meta.RemoveStatusCondition(obj.Conditions(), ConditionError)
	}
	switch {
	case problem != nil:
		if !keepReady {
			set(ConditionReady, metav1.ConditionFalse, problem.Reason, problem.Message)
		}
	case !obs.Exists:
		// Only an object that is not to change anything is left in this state.
		set(ConditionReady, metav1.ConditionFalse, ReasonNotFound, "It does not exist at Aiven.")
		set(ConditionRunning, metav1.ConditionFalse, "CheckRunning", "Instance is not reconciled on Aiven side")
	case obs.Ready:
		message := "Instance is running on Aiven side"
		if obs.PoweredOff {
			message = "Instance is powered off on Aiven side"
		}
		note := ""
		if obs.Note != "" {
			note = ". " + obs.Note
		}
		set(ConditionReady, metav1.ConditionTrue, ReasonReady, message+note)
		set(ConditionRunning, metav1.ConditionTrue, "CheckRunning", message)
	default:
		set(ConditionReady, metav1.ConditionFalse, ReasonNotReady, obs.Message)
		set(ConditionRunning, metav1.ConditionFalse, "CheckRunning", "Instance is not reconciled on Aiven side")
	}
	c.setSynced(obj, obs, problem)
	if problem == nil && obs.Exists && !meta.IsStatusConditionTrue(*obj.Conditions(), ConditionInitialized) {
		setInitialized(obj, "CreatedOrUpdated", "Instance exists at Aiven")
	}
	slices.SortFunc(*obj.Conditions(), byType)
}

func byType(a, b metav1.Condition) int { return cmp.Compare(a.Type, b.Type) }

// annotate writes the two annotations that scripts wait for, once both hold,
// and removes the create record. An object that is only observed counts as
// processed while nothing differs, and gets no finalizer.
func (c *Controller[T, C, AC]) annotate(ctx context.Context, obj T, obs Observation) error {
	own := c.ownOf(obj)
	if obs.Ready {
		own[AnnotationRunning] = strconv.FormatBool(!obs.PoweredOff)
	} else {
		delete(own, AnnotationRunning)
	}
	switch {
	case Observed(obj) && (!obs.Exists || len(obs.Differs) > 0):
		delete(own, AnnotationProcessed)
	case obs.Ready:
		own[AnnotationProcessed] = strconv.FormatInt(obj.GetGeneration(), 10)
	}
	if Observed(obj) {
		return c.applyMain(ctx, obj, own, hasFinalizer(obj))
	}
	if obs.Ready && !c.recordHolds(obj) {
		delete(own, AnnotationCreateIntent)
	}
	return c.applyMain(ctx, obj, own, true)
}

// recordHolds reports whether the create record is needed although the remote is
// there: something else that was asked for before may become visible yet.
func (c *Controller[T, C, AC]) recordHolds(obj T) bool {
	record, ok := CreateRecordOf(obj)
	return ok && c.kind.Asked != nil && !record.onlyAsked(c.kind.Asked(obj)) && record.recent(c.engine.opts.VisibleWithin)
}

// announce writes an event where Ready changes or the remote was created: one,
// if a sync did both. Where an object is only observed, drift that shows has one.
func (c *Controller[T, C, AC]) announce(before, obj T, problem *Problem) {
	if now := condition(obj, ConditionSynced); now.Status == metav1.ConditionFalse && now.Message != condition(before, ConditionSynced).Message {
		c.event(obj, corev1.EventTypeWarning, now.Reason, now.Message)
	}
	created := c.memory.takeCreated(obj)
	running := isReady(obj) && !isReady(before)
	if created && !running {
		c.event(obj, corev1.EventTypeNormal, EventCreated, "Created at Aiven")
	}
	switch {
	case running && created:
		c.event(obj, corev1.EventTypeNormal, EventRunning, "Created at Aiven. "+readyCondition(obj).Message)
	case running:
		c.event(obj, corev1.EventTypeNormal, EventRunning, readyCondition(obj).Message)
	case problem != nil && problem.Phase != "" && readyReason(before) != readyReason(obj):
		c.event(obj, corev1.EventTypeWarning, problem.Reason, problem.Message)
	}
}

func (c *Controller[T, C, AC]) event(obj T, eventType, reason, message string) {
	Announce(c.engine.opts.Recorder, c.kind.GVK, obj, eventType, reason, message)
}

func setCondition(obj Object, typ string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(obj.Conditions(), metav1.Condition{
		Type: typ, Status: status, Reason: reason, Message: message, ObservedGeneration: obj.GetGeneration(),
	})
}

func setInitialized(obj Object, reason, message string) {
	setCondition(obj, ConditionInitialized, metav1.ConditionTrue, reason, message)
}

func condition(obj Object, typ string) metav1.Condition {
	if cond := meta.FindStatusCondition(*obj.Conditions(), typ); cond != nil {
		return *cond
	}
	return metav1.Condition{}
}

func readyCondition(obj Object) metav1.Condition { return condition(obj, ConditionReady) }

// isReady reports whether Ready is True for the generation that obj has.
func isReady(obj Object) bool {
	cond := readyCondition(obj)
	return cond.Status == metav1.ConditionTrue && cond.ObservedGeneration == obj.GetGeneration()
}

func readyReason(obj Object) string { return readyCondition(obj).Reason }
