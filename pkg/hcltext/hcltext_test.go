// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package hcltext_test

import (
	"encoding/json"
	"testing"

	"github.com/hashicorp/hcl"

	"github.com/bailiwick-operator/bailiwick/pkg/hcltext"
)

func TestValue(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{true, `true`},
		{int64(-7), `-7`},
		{json.Number("1.5"), `1.5`},
		{"", `""`},
		{`a "b" \c`, `"a \"b\" \\c"`},
		{"line\n\ttab\r\x7f", `"line\n\ttab\u000d\u007f"`},
		{"${x} $${y} $", `"\u0024{x} $\u0024{y} $"`},
		{[]string{"a", `"`}, `["a", "\""]`},
		{[]any{"a", false}, `["a", false]`},
		{map[string]any{"b": "x", "a-b": true, "true": "y"}, `{"a-b" = true, b = "x", "true" = "y"}`},
	} {
		if got := hcltext.Value(c.value); got != c.want {
			t.Errorf("Value(%#v) = %s, want %s", c.value, got, c.want)
		}
	}
}

// FuzzString checks that the parser of the servers reads every text as it was.
// Run it with: go test ./pkg/hcltext -run xxx -fuzz FuzzString -fuzztime 30s
func FuzzString(f *testing.F) {
	for _, s := range []string{"", `"`, `\`, "${x}", "$", "a\nb", "\ue123", "<<EOF\nx\nEOF", "# /* */", `\u0024{`, "ä\u202e𝄞"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := string([]rune(s)) // bytes that are no UTF-8 become U+FFFD
		var got map[string]string
		if err := hcl.Decode(&got, "a = "+hcltext.String(s)+"\n"); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if len(got) != 1 || got["a"] != want {
			t.Errorf("%q was read as %q", want, got)
		}
	})
}
