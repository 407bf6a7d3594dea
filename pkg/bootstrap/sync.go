// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// workTimeout leaves the rest of reconcile.DefaultItemTimeout to the report.
const workTimeout = reconcile.DefaultItemTimeout - 5*time.Second

// errMayNotWrite says that another process may be at work by now.
var errMayNotWrite = errors.New("this process may no longer write")

const lifecycleMessage = "Bailiwick sets up the authorization of this cluster. It does not run its servers."

// sync brings the contract of one object onto its server, and reports.
func (c *Controller) sync(ctx context.Context, name cache.ObjectName) reconcile.Outcome {
	cached, ok := c.get(name)
	if !ok {
		c.written.forget(name)
		return reconcile.Done()
	}
	if cached.DeletionTimestamp != nil {
		c.release(cached)
		return reconcile.Done()
	}
	latest := c.written.newest(cached)
	s := &session{Controller: c, before: latest.DeepCopy(), obj: latest.DeepCopy()}
	defer s.disconnect()
	work, cancel := context.WithTimeout(ctx, workTimeout)
	defer cancel()
	message, err := s.authorize(work)
	return s.report(ctx, message, err)
}

// session is one sync of one object.
type session struct {
	*Controller
	// before is the object as it was last written, obj the copy worked on.
	before, obj *openbaov1alpha1.OpenBaoCluster
	// connected are the clients that were made.
	connected []openbao.Interface
}

// report writes what the sync found to the status, and says what is next.
func (s *session) report(ctx context.Context, message string, err error) reconcile.Outcome {
	if errors.Is(err, errGone) {
		return reconcile.Done()
	}
	if errors.Is(err, errMayNotWrite) {
		return reconcile.Retry(err)
	}
	if ctx.Err() != nil {
		// The process ends or this took too long. What was written is recorded,
		// and the next look finds out the rest.
		return reconcile.Retry(ctx.Err())
	}
	var problem *reconcile.Problem
	if err != nil && !errors.As(err, &problem) {
		problem = &reconcile.Problem{Reason: ReasonFailed, Message: sentence(err.Error()), Next: reconcile.Retry(err), Err: err}
	}
	previous := s.authorizationReady(s.before)
	status, reason := metav1.ConditionTrue, ReasonApplied
	if problem != nil {
		status, reason, message = metav1.ConditionFalse, problem.Reason, problem.Message
	}
	set := func(conditionType string, status metav1.ConditionStatus, reason, message string) {
		meta.SetStatusCondition(&s.obj.Status.Conditions, metav1.Condition{
			Type: conditionType, Status: status, Reason: reason, Message: message, ObservedGeneration: s.obj.Generation,
		})
	}
	set(openbaov1alpha1.ConditionAuthorizationReady, status, reason, message)
	set(openbaov1alpha1.ConditionReady, status, reason, message)
	set(openbaov1alpha1.ConditionClusterLifecycle, metav1.ConditionFalse, ReasonNotManaged, lifecycleMessage)
	s.obj.Status.ObservedGeneration = s.obj.Generation

	if err := s.persist(ctx, s.before, s.obj); err != nil {
		if errors.Is(err, errGone) {
			return reconcile.Done()
		}
		return reconcile.Retry(err)
	}
	if previous.Reason != reason || previous.Status != status {
		s.announce(status, reason, message)
	}
	if problem == nil || problem.Next == (reconcile.Outcome{}) {
		return reconcile.After(s.opts.RecheckInterval)
	}
	return problem.Next
}

func (s *session) authorizationReady(obj *openbaov1alpha1.OpenBaoCluster) metav1.Condition {
	if found := meta.FindStatusCondition(obj.Status.Conditions, openbaov1alpha1.ConditionAuthorizationReady); found != nil {
		return *found
	}
	return metav1.Condition{}
}

// announce writes an event about a transition.
func (s *session) announce(status metav1.ConditionStatus, reason, message string) {
	eventType := corev1.EventTypeWarning
	if status == metav1.ConditionTrue || reason == ReasonNotRequested {
		eventType = corev1.EventTypeNormal
	}
	// Events need a kind, which objects from a typed cache lack.
	s.opts.Recorder.Event(&corev1.ObjectReference{
		APIVersion:      openbaov1alpha1.GroupVersion.String(),
		Kind:            Kind,
		Namespace:       s.obj.Namespace,
		Name:            s.obj.Name,
		UID:             s.obj.UID,
		ResourceVersion: s.obj.ResourceVersion,
	}, eventType, reason, message)
}
