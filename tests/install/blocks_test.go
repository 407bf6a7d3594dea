// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/bailiwick-operator/bailiwick/tests/guide"
)

// section is a section of a page.
type section struct{ page, name string }

// runBy says which test runs the blocks for nodes of a section.
var runBy = map[section]string{
	{"README.md", "Install it on a cluster"}:                    "TestKubectlInstall",
	{"docs/install.md", "From a release"}:                       "TestKubectlInstall",
	{"docs/install.md", "Rights"}:                               "TestKubectlInstall",
	{"docs/upgrade-and-uninstall.md", "Upgrade"}:                "TestKubectlInstall",
	{"docs/install.md", "With Helm"}:                            "TestHelmInstall",
	{"docs/tokens.md", "Renew a token"}:                         "TestTokenWalk",
	{"docs/troubleshooting.md", "No conditions"}:                "TestTokenWalk",
	{"docs/troubleshooting.md", "Aiven: waiting"}:               "TestTokenWalk",
	{"docs/troubleshooting.md", "Aiven: to correct"}:            "TestTokenWalk",
	{"docs/troubleshooting.md", "OpenBao: the Kubernetes side"}: "TestTokenWalk",
	// Package servers has the servers that they are about.
	{"docs/openbao-servers.md", "Start"}:             "servers.TestGuide",
	{"docs/openbao-servers.md", "Look"}:              "servers.TestGuide",
	{"docs/openbao-servers.md", "At rest"}:           "servers.TestGuide",
	{"docs/openbao-servers.md", "Lose a server"}:     "servers.TestGuide",
	{"docs/openbao-servers.md", "Change a cluster"}:  "servers.TestGuide",
	{"docs/openbao-servers.md", "Lose a volume"}:     "servers.TestGuide",
	{"docs/openbao-servers.md", "Back up a cluster"}: "servers.TestGuide",
}

// blocksForNodes returns the blocks of all pages that need a cluster with nodes.
func blocksForNodes() (map[section][]guide.Block, error) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "charts/*/*.md", "manifests/*.md"} {
		found, err := filepath.Glob(filepath.Join(checkout, pattern))
		if err != nil {
			return nil, err
		}
		pages = append(pages, found...)
	}
	if len(pages) == 0 {
		return nil, fmt.Errorf("%s has no pages", checkout)
	}
	out := map[section][]guide.Block{}
	for _, path := range pages {
		blocks, _, err := guide.Read(path)
		if err != nil {
			return nil, err
		}
		page, err := filepath.Rel(checkout, path)
		if err != nil {
			return nil, err
		}
		for _, b := range blocks {
			if b.Language == guide.Node {
				in := section{page, b.Section}
				out[in] = append(out[in], b)
			}
		}
	}
	return out, nil
}

// claimedBy returns the blocks for nodes that a test runs.
func claimedBy(t *testing.T, test string) []guide.Block {
	t.Helper()
	found, err := blocksForNodes()
	if err != nil {
		t.Fatal(err)
	}
	var claimed []guide.Block
	for in, blocks := range found {
		if runBy[in] == test {
			claimed = append(claimed, blocks...)
		}
	}
	return claimed
}

// Every block that needs nodes is run by a test, of this package where it names no other.
// That it does run it, the test itself checks at its end.
func TestEveryBlockForNodesIsRun(t *testing.T) {
	found, err := blocksForNodes()
	if err != nil {
		t.Fatal(err)
	}
	for in, blocks := range found {
		if runBy[in] == "" {
			t.Errorf("%s: no test runs it: name one for %q in runBy", blocks[0].Place(), in)
		}
	}
	for in, test := range runBy {
		if found[in] == nil {
			t.Errorf("%s has no block for nodes in %q any more, which %s runs", in.page, in.name, test)
		}
	}
}
