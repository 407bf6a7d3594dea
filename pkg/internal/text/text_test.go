// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package text

import "testing"

func TestSentence(t *testing.T) {
	for in, want := range map[string]string{
		"it failed":      "it failed.",
		"it failed.":     "it failed.",
		"it failed...\n": "it failed.",
		"":               ".",
	} {
		if got := Sentence(in); got != want {
			t.Errorf("Sentence(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCapital(t *testing.T) {
	for in, want := range map[string]string{
		"it failed":           "It failed",
		"It failed":           "It failed",
		"über":                "Über",
		"spec.replicas: is 0": "spec.replicas: is 0",
		"":                    "",
	} {
		if got := Capital(in); got != want {
			t.Errorf("Capital(%q) = %q, want %q", in, got, want)
		}
	}
}
