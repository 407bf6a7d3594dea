// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// group is a part of the release notes. A commit is in the first that one of its files
// belongs to: what a user notices comes before what only developers do.
type group struct {
	title string
	has   func(path string) bool
}

// groups are in the order in which they are tried and printed.
func groups() []group {
	under := func(prefixes ...string) func(string) bool {
		return func(path string) bool {
			return !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, ".md") && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(path, p) })
		}
	}
	return []group{
		{"Aiven", under("pkg/aiven/", "pkg/controller/", "pkg/apis/aiven/", "pkg/token/", "pkg/publish/", "manifests/crds/aiven.io_")},
		{"OpenBao", under("pkg/openbao/", "pkg/bootstrap/", "pkg/authz/", "pkg/server/", "pkg/apis/openbao/", "manifests/crds/openbao.org_")},
		{"Operator", under("pkg/", "cmd/")},
		{"Installation", under("manifests/", "charts/", "hack/image/")},
		{"Documentation", func(path string) bool { return strings.HasSuffix(path, ".md") }},
		{"Tests and tools", func(string) bool { return true }},
	}
}

// previous returns the tag that the release version follows, and nothing for the first
// one. A release that is none of previews follows none of them.
func (s source) previous(ctx context.Context, version string) (string, error) {
	tags, err := s.tags(ctx)
	if err != nil {
		return "", err
	}
	last := ""
	for _, tag := range tags {
		switch {
		case semver.Compare(tag, version) > 0:
			return "", fmt.Errorf("the commit comes after %s, which is later than %s", tag, version)
		case tag == version, semver.Prerelease(version) == "" && semver.Prerelease(tag) != "":
		default:
			last = tag
		}
	}
	return last, nil
}

// notes tells what has changed since the last release: the subject of every commit
// that is no merge.
func (b *built) notes(ctx context.Context) ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Bailiwick %s\n\nImage: `%s`\n\n", b.version, b.pinned())
	fmt.Fprintf(&out, "Install it with `kubectl apply --server-side -f install.yaml`, once `sha256sum --check checksums.txt` is content.\n")
	if b.source.commit == "" {
		return out.Bytes(), nil
	}
	last, err := b.source.previous(ctx, b.version)
	if err != nil {
		return nil, err
	}
	commits := []string{b.source.commit}
	if last == "" {
		out.WriteString("\nThis is the first release. It is made of these commits.\n")
	} else {
		fmt.Fprintf(&out, "\nChanges since %s:\n", last)
		commits = append(commits, "^"+last)
	}
	// NUL starts a commit; its files follow the subject, one a line.
	args := append([]string{"log", "--no-merges", "--topo-order", "--no-show-signature", "--no-renames", "--name-only", "--format=%x00%s"}, commits...)
	history, err := b.source.git(ctx, args...)
	if err != nil {
		return nil, err
	}
	all := groups()
	subjects := make([][]string, len(all))
	for commit := range strings.SplitSeq(history, "\x00") {
		subject, files, _ := strings.Cut(commit, "\n")
		if subject == "" {
			continue
		}
		paths := strings.Fields(files)
		i := slices.IndexFunc(all, func(g group) bool { return slices.ContainsFunc(paths, g.has) })
		if i < 0 { // a commit without files
			i = len(all) - 1
		}
		subjects[i] = append(subjects[i], subject)
	}
	for i, group := range all {
		if len(subjects[i]) == 0 {
			continue
		}
		fmt.Fprintf(&out, "\n## %s\n\n", group.title)
		for _, subject := range subjects[i] {
			fmt.Fprintf(&out, "- %s\n", markdown.Replace(subject))
		}
	}
	return out.Bytes(), nil
}

// markdown keeps a subject as it was written.
var markdown = strings.NewReplacer("*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`)
