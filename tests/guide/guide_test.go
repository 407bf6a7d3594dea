// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package guide

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "guide.md")
	text := "# Title\n\nText.\n\n## One\n\n**2. Step.**\n\n<!-- a.hcl -->\n```hcl\na\n```\n\n- item\n\n  ```sh node\n  b\n    c\n  ```\n\n## Two\n\n```\n## not a heading\n```\nEnd.\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	blocks, prose, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Block{
		{Path: path, Line: 10, Section: "One", Step: "2", Language: "hcl", Comment: "a.hcl", Code: "a\n"},
		{Path: path, Line: 16, Section: "One", Step: "2", Language: Node, Code: "b\n  c\n"},
		{Path: path, Line: 23, Section: "Two", Code: "## not a heading\n"},
	}
	if !slices.Equal(blocks, want) {
		t.Errorf("The blocks are %+v, want %+v", blocks, want)
	}
	if wantProse := "# Title\n\nText.\n\n## One\n\n**2. Step.**\n\n<!-- a.hcl -->\n\n- item\n\n\n## Two\n\nEnd.\n\n"; prose != wantProse {
		t.Errorf("The text is %q, want %q", prose, wantProse)
	}

	if err := os.WriteFile(path, []byte("```sh\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(path); err == nil {
		t.Error("A block without an end is no error")
	}
}
