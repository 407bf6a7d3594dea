// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// tracker knows how ready each of a set of objects is. It may be used from
// several goroutines.
type tracker struct {
	// allReady is closed when every object has been seen Ready at the same time.
	allReady chan struct{}

	mu    sync.Mutex
	order []string
	last  map[string]metav1.Condition
	done  bool
}

func newTracker(objects []*unstructured.Unstructured) *tracker {
	t := &tracker{allReady: make(chan struct{}), last: map[string]metav1.Condition{}}
	for _, object := range objects {
		name := nameOf(object)
		t.order = append(t.order, name)
		t.last[name] = metav1.Condition{Status: metav1.ConditionUnknown, Reason: "NotApplied", Message: "It was not seen on the API server."}
	}
	return t
}

func nameOf(object *unstructured.Unstructured) string {
	return object.GetKind() + "/" + object.GetName()
}

// observe takes in an object as it is now. It returns a line for people if its
// readiness has changed.
func (t *tracker) observe(object *unstructured.Unstructured) (line string, changed bool) {
	name := nameOf(object)
	now, err := readyStatus(object)
	if err != nil {
		now = metav1.Condition{Status: metav1.ConditionUnknown, Reason: "Unreadable", Message: err.Error()}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	before, known := t.last[name]
	if !known {
		return "", false
	}
	t.last[name] = now
	t.finish()
	same := before.Status == now.Status && before.Reason == now.Reason && before.Message == now.Message
	if same || now.Reason == waiting {
		return "", false
	}
	return describe(name, now), true
}

// finish closes allReady once nothing is pending. The lock is held.
func (t *tracker) finish() {
	if t.done {
		return
	}
	for _, condition := range t.last {
		if condition.Status != metav1.ConditionTrue {
			return
		}
	}
	t.done = true
	close(t.allReady)
}

func describe(name string, condition metav1.Condition) string {
	if condition.Status == metav1.ConditionTrue {
		return fmt.Sprintf("%s is Ready", name)
	}
	return fmt.Sprintf("%s: %s: %s", name, condition.Reason, condition.Message)
}

// pendingNames returns the names of the objects that are not Ready.
func (t *tracker) pendingNames() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for _, name := range t.order {
		if t.last[name].Status != metav1.ConditionTrue {
			out = append(out, name)
		}
	}
	return out
}

// pending returns a line with the reason for each object that is not Ready.
func (t *tracker) pending() []string {
	var out []string
	for _, name := range t.pendingNames() {
		t.mu.Lock()
		out = append(out, "  "+describe(name, t.last[name]))
		t.mu.Unlock()
	}
	return out
}

// waiting is the reason, of this program only, for an object that the operator
// has yet to look at.
const waiting = "Waiting"

// readyStatus returns the Ready condition of an object. One that was written for
// an earlier generation says nothing about the object as it is now.
func readyStatus(object *unstructured.Unstructured) (metav1.Condition, error) {
	var typed struct {
		Status struct {
			Conditions []metav1.Condition `json:"conditions"`
		} `json:"status"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &typed); err != nil {
		return metav1.Condition{}, err
	}
	ready := meta.FindStatusCondition(typed.Status.Conditions, "Ready")
	if ready == nil || ready.ObservedGeneration != object.GetGeneration() {
		return metav1.Condition{Status: metav1.ConditionUnknown, Reason: waiting, Message: "The operator has not looked at it yet."}, nil
	}
	return *ready, nil
}
