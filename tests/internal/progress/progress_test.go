// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package progress

import (
	"slices"
	"testing"
)

func TestLinesArePrintedWhole(t *testing.T) {
	var got []string
	w := &Lines{Print: func(line string) { got = append(got, line) }}
	for _, part := range []string{"one\ntw", "o", "\n\nthree"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("Write(%q) = %d, %v", part, n, err)
		}
	}
	if want := []string{"one", "two", ""}; !slices.Equal(got, want) {
		t.Errorf("lines = %q, want %q", got, want)
	}
}
