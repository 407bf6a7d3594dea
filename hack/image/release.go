// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

const (
	checksumsName    = "checksums.txt"
	notesName        = "RELEASE_NOTES.md"
	attestationsName = "attestations.tar"
)

// checkRelease says what keeps a commit from being released as version.
func checkRelease(ctx context.Context, src source, version string, dirtyOK bool) error {
	if !semver.IsValid(version) || semver.Canonical(version) != version {
		return fmt.Errorf("VERSION is %q; a release needs a semantic version such as v1.2.3 or v1.2.3-rc.1", version)
	}
	if src.commit == "" {
		if dirtyOK {
			return nil
		}
		return fmt.Errorf("%s is no git checkout, so the release would name no commit; pass --dirty-ok if it is only to try something", src.dir)
	}
	if src.dirty && !dirtyOK {
		status, err := src.git(ctx, "status", "--short")
		if err != nil {
			return err
		}
		return fmt.Errorf("the checkout has changes that are in no commit; commit or remove them, or pass --dirty-ok if it is only to try something:\n%s", strings.TrimRight(status, "\n"))
	}
	tagged, err := src.commitOf(ctx, version)
	if err != nil {
		return err
	}
	if tagged != "" && tagged != src.commit {
		return fmt.Errorf("the tag %s is on commit %s already, and this is %s; check that one out, or choose another version", version, tagged, src.commit)
	}
	_, err = src.previous(ctx, version)
	return err
}

// release returns all files of a release by their names.
func (b *built) release(ctx context.Context) ([]file, error) {
	out, err := b.manifests()
	if err != nil {
		return nil, err
	}
	for name, write := range map[string]func(string) error{
		"bailiwick-" + b.version + "-image.tar": b.writeLayout,
		attestationsName:                        b.writeAttestations,
	} {
		content, err := b.archive(write)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
		out = append(out, file{name, 0o644, content})
	}
	for _, image := range b.images {
		out = append(out, file{sbomName(image.platform), 0o644, image.sbom})
	}
	if _, err := os.Stat(filepath.Join(b.source.dir, chartFolder)); !errors.Is(err, fs.ErrNotExist) {
		chart, err := b.chart(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, chart)
	}
	notes, err := b.notes(ctx)
	if err != nil {
		return nil, fmt.Errorf("write the release notes: %w", err)
	}
	out = append(out, file{notesName, 0o644, notes})
	byName(out)
	subjects := b.subjects()
	for _, f := range out {
		subjects = append(subjects, resource{Name: f.name, Digest: map[string]string{"sha256": sum(f)}})
	}
	statement, err := b.provenance(subjects)
	if err != nil {
		return nil, fmt.Errorf("write the provenance: %w", err)
	}
	out = append(out, file{provenanceName, 0o644, statement})
	byName(out)
	var checksums bytes.Buffer
	for _, f := range out {
		fmt.Fprintf(&checksums, "%s  %s\n", sum(f), f.name)
	}
	return append(out, file{checksumsName, 0o644, checksums.Bytes()}), nil
}

// archive writes an OCI layout and returns it as a tar archive.
func (b *built) archive(write func(dir string) error) (content []byte, err error) {
	dir, err := os.MkdirTemp("", "bailiwick-layout-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := write(dir); err != nil {
		return nil, err
	}
	files, err := readFolder(dir)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = writeTar(&out, files, b.source.time)
	return out.Bytes(), err
}

func byName(files []file) {
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
}

func sum(f file) string { return fmt.Sprintf("%x", sha256.Sum256(f.content)) }
