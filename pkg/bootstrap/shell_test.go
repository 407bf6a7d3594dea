// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"os/exec"
	"testing"
)

func TestQuotedIsOneWord(t *testing.T) {
	for _, word := range []string{"plain", "a b", "", "$(id)", "`id`", "x'; id; '", `"`, `\`, "a\nb", "*", "~", "!x", "https://bao:8200", "{\"a\":\"b\"}"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+quoted(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q became %q, %v", word, out, err)
		}
	}
}
