// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// converge observes, creates, adopts or updates, and publishes. It returns what
// was observed last. obj's status and metadata follow what happens.
func (c *Controller[T, C, AC]) converge(ctx context.Context, name cache.ObjectName, obj T) (Observation, error) {
	if _, err := deletionPolicy(obj); err != nil {
		return Observation{}, err
	}
	if err := managementPolicy(obj); err != nil {
		return Observation{}, err
	}
	client, err := c.kind.Connect(ctx, obj, func() { c.loop.Enqueue(name) })
	if err != nil {
		return Observation{}, err
	}
	recorded := c.kind.Identity(obj)
	obs, err := c.kind.Handler.Observe(ctx, client, obj)
	if err != nil {
		return Observation{}, err
	}
	if Observed(obj) {
		return c.follow(ctx, obj, obs)
	}
	// A remote that was made anew is its maker's, who may not have come to claim it.
	if holder, ok := c.engine.claims.Holder(recorded); ok && holder.UID != obj.GetUID() {
		c.engine.claims.Wait(recorded, claimant(c.kindName(), obj))
		return Observation{}, managedBy(holder, recorded)
	}
	if err := c.claim(obj); err != nil {
		return Observation{}, err
	}
	if !obs.Exists && obs.Recheck != nil && c.memory.justCreated(obj) {
		obs.Recheck()
	}
	switch {
	case !obs.Exists:
		obs, err = c.create(ctx, client, obj)
	case !hasFinalizer(obj):
		err = c.adopt(ctx, obj)
	}
	if err != nil {
		return obs, err
	}
	c.memory.seen(obj)
	if len(obs.Differs) == 0 {
		c.memory.repaired(obj)
	} else {
		if obs, err = c.update(ctx, client, obj, obs.Differs); err != nil {
			return obs, err
		}
	}
	return obs, c.publish(ctx, obj, obs)
}

func (c *Controller[T, C, AC]) publish(ctx context.Context, obj T, obs Observation) error {
	if obs.Connection == nil || c.kind.Publish == nil {
		return nil
	}
	return c.kind.Publish(ctx, obj, obs.Connection)
}

// claim makes obj the one object that stands for its remote.
func (c *Controller[T, C, AC]) claim(obj T) error {
	identity := c.kind.Identity(obj)
	if identity == "" {
		return nil
	}
	if holder, ok := c.engine.claims.Holder(identity); ok && holder.UID == obj.GetUID() {
		return nil
	}
	// An older object that was looked at and has no claim is no rival: it can't
	// reach the remote, and must not keep it from those who can.
	rivals := c.engine.rivals(identity, obj, func(o Object) bool {
		return hasFinalizer(o) || readyReason(o) == "" || readyReason(o) == ReasonAlreadyManaged
	})
	holder, ok := c.engine.claims.Acquire(identity, claimant(c.kindName(), obj), rivals...)
	if ok {
		return nil
	}
	return managedBy(holder, identity)
}

// managedBy says that a remote has its object already.
func managedBy(holder Claimant, identity string) error {
	return &Problem{
		Reason: ReasonAlreadyManaged,
		Message: fmt.Sprintf("%s manages the same remote (%s). Delete one of the two; to keep the remote, annotate the one to delete with %s=%s first.",
			holder, identity, AnnotationDeletionPolicy, PolicyOrphan),
		Phase: PhasePreconditions,
	}
}

// create makes the remote, recorded before, and looks at it again.
func (c *Controller[T, C, AC]) create(ctx context.Context, client C, obj T) (Observation, error) {
	if c.memory.justCreated(obj) {
		return Observation{}, c.notVisible(obj)
	}
	if err := c.record(ctx, obj, true); err != nil {
		return Observation{}, err
	}
	before, err := statusJSON(obj)
	if err != nil {
		return Observation{}, err
	}
	if err := c.kind.Handler.Create(ctx, client, obj); err != nil {
		return Observation{}, err
	}
	after, err := statusJSON(obj)
	if err != nil {
		return Observation{}, err
	}
	c.memory.markCreated(obj)
	setInitialized(obj, "Created", "Instance was created at Aiven")
	klog.FromContext(ctx).V(2).Info("Created remote")
	// What was created may have got another name by that.
	if err := c.claim(obj); err != nil {
		return Observation{}, err
	}

	obs, err := c.kind.Handler.Observe(ctx, client, obj)
	switch {
	case errors.Is(err, ErrPending) && string(before) == string(after):
		// The answer is on its way, and nothing has to be kept until then.
		return obs, err
	case errors.Is(err, ErrPending):
		return obs, Waiting(ReasonCreating, "Created at Aiven, which has not shown it yet.")
	case err == nil && !obs.Exists:
		return obs, c.notVisible(obj)
	}
	return obs, err
}

func (c *Controller[T, C, AC]) notVisible(obj T) error {
	p := Waiting(ReasonCreating, "Created at Aiven, which has not shown it yet.")
	p.Next = After(c.memory.attempt(obj))
	return p
}

// adopt records a remote that existed before the object did.
func (c *Controller[T, C, AC]) adopt(ctx context.Context, obj T) error {
	if err := c.record(ctx, obj, false); err != nil {
		return err
	}
	*obj.Adopted() = true
	setInitialized(obj, "Adopted", "Instance existed at Aiven and was adopted")
	c.event(obj, corev1.EventTypeNormal, EventAdopted, "Adopted what existed at Aiven")
	klog.FromContext(ctx).V(2).Info("Adopted remote")
	return nil
}

// update repairs what differs and looks again.
func (c *Controller[T, C, AC]) update(ctx context.Context, client C, obj T, differs []string) (Observation, error) {
	what := strings.Join(differs, ", ")
	if wait := c.memory.holdOff(obj, what); wait > 0 {
		return Observation{}, outOfSync(what, After(wait))
	}
	if err := c.kind.Handler.Update(ctx, client, obj); err != nil {
		return Observation{}, err
	}
	setInitialized(obj, "Updated", "Instance was updated at Aiven")
	c.event(obj, corev1.EventTypeNormal, EventUpdated, "Updated at Aiven: "+what)
	klog.FromContext(ctx).V(2).Info("Updated remote", "differed", what)

	obs, err := c.kind.Handler.Observe(ctx, client, obj)
	switch {
	case errors.Is(err, ErrPending):
		// The answer wakes the object; that is when readiness is known again.
		return obs, Waiting(ReasonNotReady, "Updated at Aiven, waiting to see the result: "+what+".")
	case err == nil && obs.Exists && len(obs.Differs) > 0:
		return obs, outOfSync(strings.Join(obs.Differs, ", "), After(backoffBase))
	case err == nil && !obs.Exists:
		return obs, Retryable("the remote vanished during an update")
	}
	return obs, err
}

// outOfSync is the Problem of a remote that an update did not change.
func outOfSync(what string, next Outcome) *Problem {
	return &Problem{
		Reason:  ReasonOutOfSync,
		Message: "Aiven accepted the update and still shows other values for: " + what + ". Compare the spec with what the Aiven Console shows.",
		Phase:   PhaseCreateOrUpdate,
		Next:    next,
	}
}

// Retryable is a plain error for what a later look settles.
func Retryable(message string) error { return errors.New(message) }

// deletionPolicy returns the user's policy, or the Problem with it.
func deletionPolicy(obj Object) (string, error) {
	policy, ok := obj.GetAnnotations()[AnnotationDeletionPolicy]
	if ok && policy != PolicyOrphan {
		return "", &Problem{
			Reason: ReasonInvalidDeletionPolicy,
			Message: fmt.Sprintf("invalid deletion policy %q, only %q is allowed: set or remove the annotation %s.",
				policy, PolicyOrphan, AnnotationDeletionPolicy),
			Phase: PhaseDelete,
		}
	}
	return policy, nil
}
