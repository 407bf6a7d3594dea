// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

var observed = annotated(AnnotationManagementPolicy, PolicyObserve)

func (f *fixture) wantSynced(name string, status metav1.ConditionStatus, reason string, parts ...string) {
	f.t.Helper()
	cond := condition(f.get(name), ConditionSynced)
	if cond.Status != status || cond.Reason != reason {
		f.t.Errorf("Synced of %s = %+v, want %s %s", name, cond, status, reason)
	}
	for _, part := range parts {
		if !strings.Contains(cond.Message, part) {
			f.t.Errorf("Synced of %s says %q, which lacks %q", name, cond.Message, part)
		}
	}
}

func TestObservedObjects(t *testing.T) {
	const unpause = "kubectl annotate kafkatopics.aiven.io a -n ns bailiwick.dev/management-policy-"
	there := map[string]bool{"a": true}
	tests := map[string]struct {
		world   *world
		change  func(*v1alpha1.KafkaTopic)
		ready   metav1.ConditionStatus
		reason  string
		synced  metav1.ConditionStatus
		why     string
		message []string
		// processed and running are the annotations.
		processed, running string
		events             []string
	}{
		"in sync": {
			world: &world{remote: there}, ready: "True", reason: ReasonReady, synced: "True", why: ReasonInSync,
			processed: "1", running: "true", events: []string{EventRunning},
		},
		"drifted": {
			world: &world{remote: there, differs: []string{"plan", "tags"}}, ready: "True", reason: ReasonReady,
			synced: "False", why: ReasonDrifted, message: []string{"plan, tags", unpause}, running: "true",
			events: []string{ReasonDrifted, EventRunning},
		},
		"not found": {
			world: &world{}, ready: "False", reason: ReasonNotFound, synced: "False", why: ReasonNotFound,
			message: []string{"create it", unpause}, events: []string{ReasonNotFound},
		},
		"no token": {
			world: &world{connect: &Problem{Reason: "NoToken", Message: "Give one.", Phase: PhasePreconditions}},
			ready: "False", reason: "NoToken", synced: "Unknown", why: "NoToken", message: []string{"Give one."}, events: []string{"NoToken"},
		},
		"a failed look": {
			world: &world{observe: errors.New("boom")}, ready: "False", reason: ReasonFailed, synced: "Unknown", why: ReasonFailed,
			events: []string{ReasonFailed},
		},
		"another policy": {
			world: &world{differs: []string{"plan"}, remote: there}, change: annotated(AnnotationManagementPolicy, "observe"),
			ready: "False", reason: ReasonInvalidManagementPolicy, events: []string{ReasonInvalidManagementPolicy},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.world.remote = maps.Clone(tt.world.remote)
				change := tt.change
				if change == nil {
					change = func(*v1alpha1.KafkaTopic) {}
				}
				f := run(t, tt.world, topic("a", observed, change))
				f.wantCalls()
				f.wantReady("a", tt.ready, tt.reason)
				f.wantSynced("a", tt.synced, tt.why, tt.message...)
				f.wantEvents(tt.events...)
				obj := f.get("a")
				if hasFinalizer(obj) || obj.Status.Adopted {
					t.Errorf("finalizers = %v, adopted = %v", obj.Finalizers, obj.Status.Adopted)
				}
				if obj.Annotations[AnnotationProcessed] != tt.processed || obj.Annotations[AnnotationRunning] != tt.running {
					t.Errorf("annotations = %v, want processed %q and running %q", obj.Annotations, tt.processed, tt.running)
				}
				if tt.reason == ReasonFailed {
					return // it is tried again
				}
				writes := f.writes()
				f.pass(3 * time.Hour)
				if n := f.writes(); n != writes {
					t.Errorf("%d writes after three polls, want still %d", n, writes)
				}
			})
		})
	}
}

// Setting and removing the policy takes effect at once, and nothing in between
// makes an object lose its finalizer.
func TestObservingComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := run(t, &world{}, topic("a"))
		f.wantCalls("create a")
		if cond := condition(f.get("a"), ConditionSynced); cond.Type != "" {
			t.Errorf("a managed object has %+v", cond)
		}
		f.change(func(w *world) { w.differs = []string{"plan"} })
		f.update("a", observed)
		f.wantSynced("a", metav1.ConditionFalse, ReasonDrifted)
		if obj := f.get("a"); !hasFinalizer(obj) || obj.Annotations[AnnotationProcessed] != "" {
			t.Errorf("finalizers = %v, annotations = %v", obj.Finalizers, obj.Annotations)
		}
		f.change(func(w *world) { w.differs = nil })
		f.wake("a")
		f.settle()
		f.wantSynced("a", metav1.ConditionTrue, ReasonInSync)
		f.change(func(w *world) { w.observe = errors.New("503") })
		f.wake("a")
		f.settle()
		f.wantSynced("a", metav1.ConditionUnknown, ReasonFailed)
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
		f.change(func(w *world) { w.observe = nil; delete(w.remote, "a") })
		f.wake("a")
		f.settle()
		f.wantSynced("a", metav1.ConditionFalse, ReasonNotFound)
		f.wantCalls("create a", "annotated")

		f.update("a", func(o *v1alpha1.KafkaTopic) { delete(o.Annotations, AnnotationManagementPolicy) })
		f.wantCalls("create a", "annotated", "annotated", "create a")
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
		if cond := condition(f.get("a"), ConditionSynced); cond.Type != "" {
			t.Errorf("a managed object has %+v", cond)
		}
	})
}

func TestDeletionOfObservedObjects(t *testing.T) {
	other := []string{"example.com/other"}
	both := append(slices.Clone(other), Finalizer)
	tests := map[string]struct {
		change     func(*v1alpha1.KafkaTopic)
		finalizers []string
	}{
		"observed, no token": {change: observed, finalizers: other},
		"another policy":     {change: annotated(AnnotationManagementPolicy, "Manage"), finalizers: both},
		"another policy, orphaned": {change: func(o *v1alpha1.KafkaTopic) {
			annotated(AnnotationManagementPolicy, "x")(o)
			annotated(AnnotationDeletionPolicy, PolicyOrphan)(o)
		}, finalizers: other},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := run(t, &world{remote: map[string]bool{"a": true}, connect: errors.New("no token")}, topic("a", finalized, deleted, tt.change))
				f.wantCalls()
				if obj := f.get("a"); !slices.Equal(obj.Finalizers, tt.finalizers) {
					t.Errorf("finalizers = %v, want %v", obj.Finalizers, tt.finalizers)
				}
				if !f.remains("a") {
					t.Error("the remote is gone")
				}
			})
		})
	}
}

// Who only observes keeps nobody from managing, and lets go when it comes to that.
func TestObserversHoldNoClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		f := run(t, &world{}, topic("watcher", named("r"), created(now.Add(-time.Hour)), observed, finalized), topic("manager", named("r"), created(now)))
		f.wantReady("manager", metav1.ConditionTrue, ReasonReady)
		f.wake("watcher")
		f.settle()
		f.wantReady("watcher", metav1.ConditionTrue, ReasonReady)
		f.wantCalls("create manager")

		t.Log("The older one wants to manage again and finds the place taken")
		f.update("watcher", func(o *v1alpha1.KafkaTopic) { delete(o.Annotations, AnnotationManagementPolicy) })
		f.wantReady("watcher", metav1.ConditionFalse, ReasonAlreadyManaged)
		f.update("watcher", deleted)
		if !f.remains("r") {
			t.Error("an object that did not manage the remote deleted it")
		}

		t.Log("A manager that turns to observing leaves the remote to who waits for it")
		f.add(topic("next", named("r"), created(now.Add(time.Minute))))
		f.settle()
		f.wantReady("next", metav1.ConditionFalse, ReasonAlreadyManaged)
		f.update("manager", observed)
		f.wantReady("next", metav1.ConditionTrue, ReasonReady)
	})
}
