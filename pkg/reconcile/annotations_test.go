// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import "testing"

func TestUserAnnotationsEqual(t *testing.T) {
	tests := map[string]struct {
		a, b map[string]string
		want bool
	}{
		"both empty":                   {nil, map[string]string{}, true},
		"user's added":                 {nil, map[string]string{"x": "1"}, false},
		"user's changed":               {map[string]string{"x": "1"}, map[string]string{"x": "2"}, false},
		"user's removed":               {map[string]string{"x": "1"}, nil, false},
		"kubectl's":                    {nil, map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}, true},
		"processed removed":            {map[string]string{AnnotationProcessed: "1"}, nil, true},
		"running forged":               {nil, map[string]string{AnnotationRunning: "false"}, true},
		"intent":                       {nil, map[string]string{AnnotationCreateIntent: "t"}, true},
		"refresh":                      {nil, map[string]string{AnnotationRefresh: "1"}, false},
		"deletion policy is the users": {nil, map[string]string{AnnotationDeletionPolicy: PolicyOrphan}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := UserAnnotationsEqual(tt.a, tt.b); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// BenchmarkUserAnnotationsEqual is what each event of an informer costs.
func BenchmarkUserAnnotationsEqual(b *testing.B) {
	of := func() map[string]string {
		return map[string]string{
			"kubectl.kubernetes.io/last-applied-configuration": "{}", AnnotationProcessed: "1", AnnotationRunning: "true",
			"example.com/team": "a", "example.com/note": "n",
		}
	}
	x, y := of(), of()
	y[AnnotationProcessed] = "2"
	b.ReportAllocs()
	for b.Loop() {
		if !UserAnnotationsEqual(x, y) {
			b.Fatal("differs")
		}
	}
}
