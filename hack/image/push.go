// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// push sends an image, and what is told of it, to a registry. Credentials are those of
// docker login, podman login or crane auth login.
func (o *options) push(ctx context.Context, out io.Writer) (err error) {
	tag, err := parseRef(o.ref)
	if err != nil {
		return err
	}
	dir, remove, err := openLayout(o.image)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	index, descriptor, err := indexIn(dir)
	if err != nil {
		return err
	}
	credentials, canceled := remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithContext(ctx)
	if err := remote.WriteIndex(tag, index, credentials, canceled); err != nil {
		return fmt.Errorf("push the image: %w", err)
	}
	if _, err := fmt.Fprintf(out, "%s@%s\n", o.ref, descriptor.Digest); err != nil || o.attestations == "" {
		return err
	}

	told, removeTold, err := openLayout(o.attestations)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeTold()) }()
	artifacts, err := layout.ImageIndexFromPath(told)
	if err != nil {
		return fmt.Errorf("read %s: %w", o.attestations, err)
	}
	manifest, err := artifacts.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range manifest.Manifests {
		artifact, err := artifacts.Image(d.Digest)
		if err != nil {
			return err
		}
		// Without a tag: a registry finds it by its subject.
		digest := tag.Digest(d.Digest.String())
		if err := remote.Write(digest, artifact, credentials, canceled); err != nil {
			return fmt.Errorf("push %s: %w", d.Annotations[titleKey], err)
		}
		if _, err := fmt.Fprintf(out, "  %s %s\n", d.Digest, d.Annotations[titleKey]); err != nil {
			return err
		}
	}
	return nil
}

// parseRef reads a name that says which registry and tag.
func parseRef(ref string) (name.Tag, error) {
	tag, err := name.NewTag(ref, name.StrictValidation)
	if err != nil {
		return tag, fmt.Errorf("--ref has to be the name of an image with registry and tag, such as %s:v1.2.3: %w", repository, err)
	}
	return tag, nil
}

// openLayout returns the folder with an OCI layout that is one, or an archive of one,
// and what removes that folder again.
func openLayout(path string) (dir string, remove func() error, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, err
	}
	if info.IsDir() {
		return path, func() error { return nil }, nil
	}
	dir, err = os.MkdirTemp("", "bailiwick-layout-")
	if err != nil {
		return "", nil, err
	}
	remove = func() error { return os.RemoveAll(dir) }
	if err := unpack(path, dir); err != nil {
		return "", nil, errors.Join(fmt.Errorf("unpack %s: %w", path, err), remove())
	}
	return dir, remove, nil
}

// unpack unpacks an archive that writeTar has written into a folder.
func unpack(archive, dir string) (err error) {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	for in := tar.NewReader(f); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(header.Name) {
			return fmt.Errorf("%q leads out of the archive", header.Name)
		}
		path := filepath.Join(dir, header.Name)
		switch header.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(path, 0o755)
		case tar.TypeReg:
			err = unpackFile(path, in)
		default:
			err = fmt.Errorf("%q is neither a file nor a folder", header.Name)
		}
		if err != nil {
			return err
		}
	}
}

func unpackFile(path string, content io.Reader) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, content)
	return err
}
