// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// writeLayout writes the image as an OCI layout with nothing else in it.
func (b *built) writeLayout(dir string) error {
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	return path.AppendIndex(b.index, layout.WithAnnotations(map[string]string{
		// The names that containerd, and skopeo and others, import it under.
		"io.containerd.image.name":          b.ref,
		"org.opencontainers.image.ref.name": b.ref,
	}))
}

// writeAttestations writes the artifacts about the image as an OCI layout.
func (b *built) writeAttestations(dir string) error {
	index, err := b.attestations()
	if err != nil {
		return err
	}
	_, err = layout.Write(dir, index)
	return err
}

// readFolder reads all files below a folder, by names relative to it, each with the
// same mode, whatever it has.
func readFolder(dir string) ([]file, error) {
	var out []file
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || entry.IsDir():
			return err
		case !entry.Type().IsRegular():
			return fmt.Errorf("%s is not a regular file", path)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		out = append(out, file{filepath.ToSlash(name), 0o644, content})
		return err
	})
	return out, err
}

// replaceFolder calls write with a new folder that takes the place of dir if write
// succeeds.
func replaceFolder(dir string, write func(dir string) error) (err error) {
	if err := checkReplaceable(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	partial, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".partial-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(partial)) }()
	target := filepath.Join(partial, "new")
	if err := os.Mkdir(target, 0o755); err != nil {
		return err
	}
	if err := write(target); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(target, dir)
}

// checkReplaceable returns an error for a folder with files that this program does not
// make: it is somebody's.
func checkReplaceable(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil //nolint:nilerr // what is wrong shows when it is written
	}
	known := []string{"oci-layout", "index.json", "blobs"}
	if checksums, err := os.ReadFile(filepath.Join(dir, checksumsName)); err == nil {
		known = []string{checksumsName}
		for line := range strings.Lines(string(checksums)) {
			if fields := strings.Fields(line); len(fields) == 2 {
				known = append(known, fields[1])
			}
		}
	}
	for _, e := range entries {
		if !slices.Contains(known, e.Name()) {
			return fmt.Errorf("%s has other files in it, such as %s; remove it, or name another folder", dir, e.Name())
		}
	}
	return nil
}

// indexIn reads the one image of an OCI layout.
func indexIn(dir string) (v1.ImageIndex, v1.Descriptor, error) {
	all, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, v1.Descriptor{}, fmt.Errorf("read the OCI layout: %w", err)
	}
	manifest, err := all.IndexManifest()
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	if len(manifest.Manifests) != 1 {
		return nil, v1.Descriptor{}, fmt.Errorf("%s holds %d images, not one", dir, len(manifest.Manifests))
	}
	index, err := all.ImageIndex(manifest.Manifests[0].Digest)
	return index, manifest.Manifests[0], err
}
