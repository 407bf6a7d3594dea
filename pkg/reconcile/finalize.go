// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// finalize deletes the remote of an object that is being deleted, and then removes
// our finalizer. An object without it never had a remote.
func (c *Controller[T, C, AC]) finalize(ctx context.Context, cached, obj T) Outcome {
	if !hasFinalizer(obj) {
		c.release(obj)
		return Done()
	}
	gone, err := c.deleteRemote(ctx, obj)
	if err == nil && gone {
		err = c.removeFinalizer(ctx, obj)
		if err == nil || errors.Is(err, errGone) && !apierrors.IsConflict(err) {
			c.release(obj)
			klog.FromContext(ctx).V(2).Info("Released object")
			return Done()
		}
	}
	if err == nil {
		p := Waiting(ReasonDeleting, "Deleting at Aiven. Waiting for it to be gone.")
		p.Next = After(c.memory.nextCheck(obj))
		err = p
	}
	return c.report(ctx, cached, obj, Observation{}, err)
}

// deleteRemote reports whether nothing is left that has to be deleted.
func (c *Controller[T, C, AC]) deleteRemote(ctx context.Context, obj T) (gone bool, err error) {
	policy, err := deletionPolicy(obj)
	if err != nil {
		return false, err
	}
	if policy == PolicyOrphan {
		c.event(obj, corev1.EventTypeNormal, EventSkippedDeletion, "Kept at Aiven, as the deletion policy asks")
		return true, nil
	}
	if err := managementPolicy(obj); err != nil {
		return false, err
	}
	if Observed(obj) {
		c.event(obj, corev1.EventTypeNormal, EventSkippedDeletion, "Kept at Aiven, as the management policy asks")
		return true, nil
	}
	if other, ok := c.otherOwner(obj); ok {
		c.event(obj, corev1.EventTypeNormal, EventSkippedDeletion, fmt.Sprintf("Kept at Aiven for %s, which names it too", other))
		return true, nil
	}
	name := cache.MetaObjectToName(obj)
	client, err := c.kind.Connect(ctx, obj, func() { c.loop.Enqueue(name) })
	if err != nil {
		return false, c.withWayOut(obj, err)
	}
	gone, err = c.kind.Handler.Delete(ctx, client, obj)
	if err != nil {
		return false, c.withWayOut(obj, err)
	}
	if gone && (c.awaited(obj) || c.recordHolds(obj)) {
		// What a create has made can be missing from what Aiven lists.
		c.refresh(obj, Observation{})
		p := Waiting(ReasonDeleting, "A create was sent to Aiven less than a minute ago. Waiting to see whether what it makes has to be deleted.")
		p.Next = After(c.memory.nextCheck(obj))
		return false, p
	}
	if gone {
		c.event(obj, corev1.EventTypeNormal, EventDeleted, "Deleted at Aiven")
		return true, nil
	}
	c.memory.setCreated(obj, createVisible)
	return false, nil
}

// otherOwner returns another object that holds the same remote, or that has shown
// that it can reach it and waits for it.
func (c *Controller[T, C, AC]) otherOwner(obj T) (Claimant, bool) {
	identity := c.kind.Identity(obj)
	if identity == "" {
		return Claimant{}, false
	}
	if holder, ok := c.engine.claims.Holder(identity); ok && holder.UID != obj.GetUID() {
		return holder, true
	}
	rivals := c.engine.rivals(c.shares(), identity, obj, func(o Object, _ bool) bool { return readyReason(o) == ReasonAlreadyManaged })
	if len(rivals) == 0 {
		return Claimant{}, false
	}
	return rivals[0], true
}

// withWayOut says that it is the deletion that fails. Where the cause is the token,
// it adds how to delete the object without one.
func (c *Controller[T, C, AC]) withWayOut(obj T, err error) error {
	var p *Problem
	if !errors.As(err, &p) || p.Phase == "" && !p.Credential {
		return err
	}
	out := *p
	out.Phase = PhaseDelete
	if p.Credential {
		out.Message = fmt.Sprintf("%s To delete the object and keep what is at Aiven: kubectl annotate %s %s -n %s %s=%s",
			strings.TrimSpace(p.Message), c.kind.Resource.GroupResource(), obj.GetName(), obj.GetNamespace(), AnnotationDeletionPolicy, PolicyOrphan)
	}
	return &out
}
