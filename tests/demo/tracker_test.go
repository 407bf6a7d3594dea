// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// state returns an object of generation 2 with a Ready condition.
func state(name, status, reason string, observed int64) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{
		"kind": "Valkey", "metadata": map[string]any{"name": name, "generation": int64(2)},
	}}
	if status != "" {
		object.Object["status"] = map[string]any{"conditions": []any{map[string]any{
			"type": "Ready", "status": status, "reason": reason, "message": "Words.", "observedGeneration": observed,
		}}}
	}
	return object
}

func isReady(t *tracker) bool {
	select {
	case <-t.allReady:
		return true
	default:
		return false
	}
}

func TestTracker(t *testing.T) {
	tracked := newTracker([]*unstructured.Unstructured{state("a", "", "", 0), state("b", "", "", 0)})
	for _, step := range []struct {
		object  *unstructured.Unstructured
		line    string
		pending []string
	}{
		{state("a", "", "", 0), "", []string{"Valkey/a", "Valkey/b"}},
		{state("a", "False", "NoToken", 2), "Valkey/a: NoToken: Words.", []string{"Valkey/a", "Valkey/b"}},
		{state("a", "False", "NoToken", 2), "", []string{"Valkey/a", "Valkey/b"}},
		{state("a", "True", "Ready", 2), "Valkey/a is Ready", []string{"Valkey/b"}},
		// True, but for an earlier generation.
		{state("b", "True", "Ready", 1), "", []string{"Valkey/b"}},
		{state("a", "False", "TokenRejected", 2), "Valkey/a: TokenRejected: Words.", []string{"Valkey/a", "Valkey/b"}},
		{state("b", "True", "Ready", 2), "Valkey/b is Ready", []string{"Valkey/a"}},
		// Not one of the samples.
		{state("c", "False", "NoToken", 2), "", []string{"Valkey/a"}},
	} {
		line, changed := tracked.observe(step.object)
		if line != step.line || changed != (step.line != "") {
			t.Errorf("the line is %q (%t), want %q", line, changed, step.line)
		}
		if got := tracked.pendingNames(); !slices.Equal(got, step.pending) {
			t.Errorf("pending %q, want %q", got, step.pending)
		}
		if isReady(tracked) {
			t.Fatalf("all are Ready, while %q are pending", step.pending)
		}
	}
	if got := strings.Join(tracked.pending(), "\n"); got != "  Valkey/a: TokenRejected: Words." {
		t.Errorf("pending with reasons: %q", got)
	}
	tracked.observe(state("a", "True", "Ready", 2))
	if !isReady(tracked) {
		t.Error("not all are Ready")
	}
	// Nothing to close a second time.
	tracked.observe(state("a", "True", "Ready", 2))
}
