// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"errors"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// report writes what a sync found to the status and the annotations, and says
// what is next.
func (c *Controller[T, C, AC]) report(ctx context.Context, cached, obj T, obs Observation, err error) Outcome {
	if errors.Is(err, errGone) {
		return c.unwritten(ctx, err)
	}
	if ctx.Err() != nil {
		// The process ends or this took too long; either way the remote's state
		// is unknown and the next look finds out.
		return Retry(ctx.Err())
	}
	if errors.Is(err, ErrPending) {
		return After(c.engine.opts.PollInterval)
	}
	var later *laterError
	if errors.As(err, &later) {
		return After(later.after)
	}
	var problem *Problem
	if err != nil && !errors.As(err, &problem) {
		problem = &Problem{Reason: ReasonFailed, Message: err.Error() + ".", Phase: PhaseCreateOrUpdate, Next: Retry(err), Err: err}
		if obj.GetDeletionTimestamp() != nil {
			problem.Phase = PhaseDelete
		}
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
	if obs.Again > 0 {
		return After(obs.Again)
	}
	return After(c.engine.opts.PollInterval)
}

// unwritten is the outcome of a write that failed.
func (c *Controller[T, C, AC]) unwritten(ctx context.Context, err error) Outcome {
	if errors.Is(err, errGone) {
		klog.FromContext(ctx).V(4).Info("Object is gone", "err", err)
		if apierrors.IsConflict(err) {
			// Others than an absent object are answered so too: look again.
			return After(backoffBase)
		}
		return Done()
	}
	return Retry(err)
}

// setConditions derives the engine's conditions. keepReady leaves Ready alone:
// one failed look does not make a remote that was ready unready.
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
		// Only what is observed is left at that.
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
	slices.SortFunc(*obj.Conditions(), func(a, b metav1.Condition) int {
		switch {
		case a.Type < b.Type:
			return -1
		case a.Type > b.Type:
			return 1
		}
		return 0
	})
}

// annotate writes the two annotations that scripts wait for, once both hold,
// and ends the recorded intent. An object that is only observed counts as
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
	if obs.Ready {
		delete(own, AnnotationCreateIntent)
	}
	return c.applyMain(ctx, obj, own, true)
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
	// Events need a kind, which objects from a typed cache lack.
	c.engine.opts.Recorder.Event(&corev1.ObjectReference{
		APIVersion:      c.kind.GVK.GroupVersion().String(),
		Kind:            c.kind.GVK.Kind,
		Namespace:       obj.GetNamespace(),
		Name:            obj.GetName(),
		UID:             obj.GetUID(),
		ResourceVersion: obj.GetResourceVersion(),
	}, eventType, reason, message)
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
