// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Observed reports whether the user wants the operator to change nothing at
// Aiven for obj, and only to report what differs there.
func Observed(obj metav1.Object) bool {
	return obj.GetAnnotations()[AnnotationManagementPolicy] == PolicyObserve
}

// managementPolicy returns the Problem with the user's policy, if there is one.
func managementPolicy(obj Object) error {
	policy, ok := obj.GetAnnotations()[AnnotationManagementPolicy]
	if !ok || policy == PolicyObserve {
		return nil
	}
	return &Problem{
		Reason: ReasonInvalidManagementPolicy,
		Message: fmt.Sprintf("invalid management policy %q, only %q is allowed, and nothing is changed at Aiven meanwhile: set or remove the annotation %s.",
			policy, PolicyObserve, AnnotationManagementPolicy),
		Phase: PhasePreconditions,
	}
}

// observeOnly is converge for an object that is only observed. Such an object holds
// no claim on its remote: another one may manage it.
func (c *Controller[T, C, AC]) observeOnly(ctx context.Context, obj T, obs Observation) (Observation, error) {
	c.release(obj)
	switch {
	case obs.Exists:
		c.memory.seen(obj)
	case c.awaited(obj):
		return Observation{}, c.notVisible(obj, obs)
	default:
		return Observation{}, nil
	}
	return obs, c.publish(ctx, obj, obs)
}

// setSynced says in a condition how the remote of an object that is only observed
// compares with its spec. Other objects have no such condition: what differs
// there is repaired, and Ready reports when it can't be.
func (c *Controller[T, C, AC]) setSynced(obj T, obs Observation, problem *Problem) {
	set := func(status metav1.ConditionStatus, reason, message string) {
		setCondition(obj, ConditionSynced, status, reason, message)
	}
	unpause := func(what string) string {
		return fmt.Sprintf(" Nothing is changed, as %s=%s asks. To have the operator %s: kubectl annotate %s %s -n %s %s-",
			AnnotationManagementPolicy, PolicyObserve, what, c.kind.Resource.GroupResource(), obj.GetName(), obj.GetNamespace(), AnnotationManagementPolicy)
	}
	switch {
	case !Observed(obj):
		meta.RemoveStatusCondition(obj.Conditions(), ConditionSynced)
	case problem != nil && !obs.Exists:
		set(metav1.ConditionUnknown, problem.Reason, "It could not be compared with what is at Aiven. "+problem.Message)
	case !obs.Exists:
		set(metav1.ConditionFalse, ReasonNotFound, "It does not exist at Aiven."+unpause("create it"))
	case len(obs.Differs) > 0:
		set(metav1.ConditionFalse, ReasonDrifted, "Differs at Aiven: "+strings.Join(obs.Differs, ", ")+"."+unpause("repair it"))
	default:
		set(metav1.ConditionTrue, ReasonInSync, "Nothing differs at Aiven.")
	}
}
