// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bailiwick-operator/bailiwick/tests/guide"
)

const (
	checkout         = "../.."
	openBaoGuide     = checkout + "/docs/openbao.md"
	openBaoReference = checkout + "/docs/openbao-reference.md"
)

// pagesForUsers are the guides whose every command a test runs.
func pagesForUsers(t testing.TB) []string {
	t.Helper()
	pages, err := filepath.Glob(checkout + "/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 10 {
		t.Fatalf("There are %d pages in docs", len(pages))
	}
	return append(pages, checkout+"/README.md", manifests+"/README.md")
}

// allGuides are these and those for developers.
func allGuides(t testing.TB) []string {
	t.Helper()
	reference, err := filepath.Glob(checkout + "/docs/api/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(pagesForUsers(t), reference, []string{
		checkout + "/CONTRIBUTING.md", checkout + "/SECURITY.md", checkout + "/CHANGELOG.md", checkout + "/pkg/README.md", "README.md", "../bench/README.md",
	})
}

// fences returns all blocks of code of a guide, and the text outside of them.
func fences(t testing.TB, path string) ([]guide.Block, string) {
	t.Helper()
	blocks, prose, err := guide.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return blocks, prose
}

// codeOf returns the block of code behind a comment of a guide.
func codeOf(t testing.TB, path, comment string) string {
	t.Helper()
	found, _ := fences(t, path)
	at := slices.IndexFunc(found, func(b guide.Block) bool { return b.Comment == comment })
	if at < 0 {
		t.Fatalf("%s has no code behind %q", path, comment)
	}
	return found[at].Code
}

// lostQuorum is what no reader of a page has. TestQuorumIsRecovered of tests/servers runs
// the same commands as the condition prints them.
const lostQuorum = "a cluster that has lost its quorum"

// notRun are the blocks that no test runs, word by word, by what they need.
var notRun = map[string]string{
	"kind create cluster\n": "a container engine",
	"make demo\n":           "a terminal; the tests of tests/demo run what it starts",
	"make test\n":           "nothing: this test is part of it",
	"kubectl patch openbaocluster my-bao --type=merge -p '{\"spec\":{\"maintenance\":{\"recoverQuorum\":\"Plan\"}}}'\n" +
		"kubectl wait --for=condition=Ready=false openbaocluster/my-bao\n" +
		"kubectl get openbaocluster my-bao -o jsonpath='{.status.recovery}'\n": lostQuorum,
	"kubectl patch openbaocluster my-bao --type=merge -p '{\"spec\":{\"maintenance\":{\"recoverQuorum\":\"HASH\"}}}'\n" +
		"# Or: start the servers again as they were.\n" +
		"kubectl patch openbaocluster my-bao --type=merge -p '{\"spec\":{\"maintenance\":{\"recoverQuorum\":null}}}'\n": lostQuorum,
	"terraform state list\nterraform state rm aiven_pg.my_postgresql\nterraform plan\n": "Terraform, and the reader's state",
}

// Every block for the shell is one that the shell can read. Those for users are run: by
// the test of their page, on a cluster with nodes, or, if they are in notRun, by nobody.
func TestGuideShellBlocks(t *testing.T) {
	t.Parallel()
	run := slices.Collect(maps.Keys(guidePages()))
	run = append(run, openBaoGuide, openBaoReference)
	left := maps.Clone(notRun)
	for _, page := range allGuides(t) {
		found, _ := fences(t, page)
		for _, block := range found {
			if strings.HasPrefix(block.Language, "sh") || strings.HasPrefix(block.Language, "bash") || strings.HasPrefix(block.Language, "console") {
				if block.Language != guide.Shell && block.Language != guide.Node {
					t.Errorf("%s: the test knows no %q", block.Place(), block.Language)
				}
			} else {
				// What has no language is what a command prints, and begins with its columns.
				if block.Language == "" && slices.Contains(pagesForUsers(t), page) && !strings.HasPrefix(block.Code, "NAME ") {
					t.Errorf("%s: is this for the shell? It has no language, and no test runs it", block.Place())
				}
				continue
			}
			check := exec.CommandContext(t.Context(), "bash", "-n")
			check.Stdin = strings.NewReader(block.Code)
			if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: %v: %s", block.Place(), err, out)
			}
			if _, ok := notRun[block.Code]; ok {
				delete(left, block.Code)
			} else if block.Language == guide.Shell && !slices.Contains(run, page) && slices.Contains(pagesForUsers(t), page) {
				t.Errorf("%s: no test runs it", block.Place())
			}
		}
	}
	for code, needs := range left {
		t.Errorf("No guide has this block any more, which needs %s:\n%s", needs, code)
	}
	for _, page := range run {
		if _, err := os.Stat(page); err != nil {
			t.Error(err)
		}
	}
}
