// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func rejected() error {
	return &Problem{Reason: "Rejected", Message: "Aiven's own reason.", Phase: PhaseCreateOrUpdate, Next: After(time.Hour)}
}

// Only an update that Aiven accepted can be said to have been accepted. What Aiven
// said of another one stays until something newer is known.
func TestTheReasonOfAFailedUpdateStays(t *testing.T) {
	tests := map[string]struct {
		err    error
		reason string
	}{
		"refused":    {rejected(), "Rejected"},
		"failed":     {errors.New("503"), ReasonFailed},
		"still busy": {Waiting("UpgradeCheck", "Aiven checks."), "UpgradeCheck"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := run(t, &world{remote: map[string]bool{"a": true}, differs: []string{"x"}, update: tt.err}, topic("a"))
				f.wantReady("a", metav1.ConditionFalse, tt.reason)
				message := readyCondition(f.get("a")).Message
				for range 3 {
					f.wake("a")
					synctest.Wait()
					f.wantReady("a", metav1.ConditionFalse, tt.reason)
					if got := readyCondition(f.get("a")).Message; got != message {
						t.Errorf("message = %q after a wake-up, want %q", got, message)
					}
				}
			})
		})
	}
}

// However often an object is woken, what Aiven refused is not sent each time, and
// a wake-up during the wait is not lost.
func TestRefusedRequestsBackOff(t *testing.T) {
	for verb, w := range map[string]*world{
		"update a": {remote: map[string]bool{"a": true}, differs: []string{"x"}, update: rejected()},
		"create a": {create: rejected()},
	} {
		t.Run(verb, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := run(t, w, topic("a"))
				for range 50 {
					f.wake("a")
					synctest.Wait()
				}
				f.wantCalls(verb)
				f.pass(7 * time.Second)
				f.wantCalls(verb, verb)
				f.wantReady("a", metav1.ConditionFalse, "Rejected")
			})
		})
	}
}

// An annotation of the user's ends every wait between attempts.
func TestAnAnnotationRetriesImmediately(t *testing.T) {
	for name, w := range map[string]*world{
		"update refused":  {remote: map[string]bool{"a": true}, differs: []string{"x"}, update: rejected()},
		"update failed":   {remote: map[string]bool{"a": true}, differs: []string{"x"}, update: errors.New("503")},
		"update accepted": {remote: map[string]bool{"a": true}, differs: []string{"x"}, stubborn: true},
		"create refused":  {create: rejected()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := run(t, w, topic("a"))
				f.pass(5 * time.Minute) // waits are long by now
				f.change(func(w *world) { w.calls, w.update, w.create, w.stubborn = nil, nil, nil, false })
				f.update("a", annotated(AnnotationRefresh, "1"))
				verb, _, _ := strings.Cut(name, " ")
				f.mu.Lock()
				calls := slices.Clone(f.calls)
				f.mu.Unlock()
				if !slices.Contains(calls, verb+" a") {
					t.Errorf("calls right after the annotation = %q, want the %s", calls, verb)
				}
				f.wantReady("a", metav1.ConditionTrue, ReasonReady)
			})
		})
	}
}

// A change that takes its time, as a major upgrade does, is no failure.
func TestASlowUpdateIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{remote: map[string]bool{"a": true}, differs: []string{"version"}, update: Waiting("UpgradeCheck", "Aiven checks.")}
		f := run(t, w, topic("a", finalized, annotated(AnnotationCreateIntent, "t")))
		f.change(func(w *world) { w.update, w.stubborn = nil, true })
		f.wake("a")
		synctest.Wait()
		f.wantReady("a", metav1.ConditionFalse, ReasonNotReady)
		f.change(func(w *world) { w.differs, w.stubborn = nil, false })
		f.wake("a")
		f.settle()
		f.wantReady("a", metav1.ConditionTrue, ReasonReady)
		for len(f.events.Events) > 0 {
			if event := <-f.events.Events; strings.HasPrefix(event, "Warning") {
				t.Errorf("event %q of a normal upgrade", event)
			}
		}
	})
}
