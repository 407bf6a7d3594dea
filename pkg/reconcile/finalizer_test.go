// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import "testing"

func TestFinalizerPatch(t *testing.T) {
	obj := topic("a", finalized)
	const want = `[{"op":"test","path":"/metadata/uid","value":"uid-a"},` +
		`{"op":"test","path":"/metadata/finalizers/1","value":"` + Finalizer + `"},{"op":"remove","path":"/metadata/finalizers/1"}]`
	if got := string(FinalizerPatch(obj, Finalizer)); got != want {
		t.Errorf("patch = %s, want %s", got, want)
	}
	if got := FinalizerPatch(obj, "example.com/none"); got != nil {
		t.Errorf("patch = %s for a finalizer that the object does not have", got)
	}
}
