// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const openBaoGuide = manifests + "/OPENBAO.md"

// fence is a block of code of a guide.
type fence struct {
	// line is that of the opening fence, from 1.
	line int
	// section is the heading above, of the second level. step is the number of the step
	// in it, or empty.
	section, step string
	language      string
	// comment is that in the line above, or empty: the name of a file.
	comment string
	code    string
}

var (
	stepStart    = regexp.MustCompile(`^\*\*(\d+)\. `)
	fenceComment = regexp.MustCompile(`^<!-- (.*) -->$`)
)

// fences returns all blocks of code, without the indentation of lists, and the text
// outside of them.
func fences(t testing.TB, guide string) ([]fence, string) {
	t.Helper()
	raw, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	var found []fence
	var prose strings.Builder
	var section, step, comment, indent string
	var open *fence
	for i, line := range strings.Split(string(raw), "\n") {
		bare := strings.TrimLeft(line, " ")
		switch {
		case open != nil && bare == "```":
			found, open, comment = append(found, *open), nil, ""
		case open != nil:
			open.code += strings.TrimPrefix(line, indent) + "\n"
		case strings.HasPrefix(bare, "```"):
			indent = line[:len(line)-len(bare)]
			open = &fence{line: i + 1, section: section, step: step, comment: comment, language: strings.TrimPrefix(bare, "```")}
		default:
			prose.WriteString(line + "\n")
			if heading, ok := strings.CutPrefix(line, "## "); ok {
				section, step = heading, ""
			} else if number := stepStart.FindStringSubmatch(line); number != nil {
				step = number[1]
			}
			comment = ""
			if name := fenceComment.FindStringSubmatch(line); name != nil {
				comment = name[1]
			}
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block has no end", guide, open.line)
	}
	return found, prose.String()
}

// codeOf returns the block of code behind a comment of a guide.
func codeOf(t testing.TB, guide, comment string) string {
	t.Helper()
	found, _ := fences(t, guide)
	at := slices.IndexFunc(found, func(f fence) bool { return f.comment == comment })
	if at < 0 {
		t.Fatalf("%s has no code behind %q", guide, comment)
	}
	return found[at].code
}

// Every block for the shell is one that the shell can read.
func TestGuideShellBlocks(t *testing.T) {
	t.Parallel()
	blocks := 0
	for _, guide := range []string{openBaoGuide, manifests + "/README.md", "../../README.md", "README.md"} {
		found, _ := fences(t, guide)
		for _, block := range found {
			if block.language != "sh" {
				continue
			}
			blocks++
			check := exec.CommandContext(t.Context(), "bash", "-n")
			check.Stdin = strings.NewReader(block.code)
			if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s:%d: %v: %s", guide, block.line, err, out)
			}
		}
	}
	if blocks == 0 {
		t.Error("The guides have no blocks for the shell")
	}
}
