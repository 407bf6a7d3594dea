// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"maps"
	"strings"
	"testing"
)

// Annotations are equal if they are without those of the operator.
func FuzzUserAnnotationsEqual(f *testing.F) {
	f.Add("a=1\nb=2", "b=2\na=1")
	f.Add("a=1", "b=1")
	f.Add("a=1\n"+AnnotationRunning+"=true", "a=1\n"+AnnotationProcessed+"=3")
	f.Add("", AnnotationCreateIntent+"=x\n=y")
	f.Fuzz(func(t *testing.T, first, second string) {
		parse := func(text string) (all, users map[string]string) {
			all = map[string]string{}
			for line := range strings.SplitSeq(text, "\n") {
				key, value, _ := strings.Cut(line, "=")
				all[key] = value
			}
			users = maps.Clone(all)
			maps.DeleteFunc(users, func(key, _ string) bool { return operatorAnnotation(key) })
			return all, users
		}
		a, usersA := parse(first)
		b, usersB := parse(second)
		want := maps.Equal(usersA, usersB)
		if got, back := UserAnnotationsEqual(a, b), UserAnnotationsEqual(b, a); got != want || back != want {
			t.Errorf("%v and %v: got %t and %t, want %t", a, b, got, back, want)
		}
	})
}
