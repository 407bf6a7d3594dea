// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/api/filters/imagetag"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// repository is where manifests/base expects the image.
const repository = "ghcr.io/bailiwick-operator/bailiwick"

// manifests renders the kustomizations that people install, by the names of their
// files. It is done with the library that is inside kubectl kustomize, so that no
// kubectl has to be built or found.
func (b *built) manifests() ([]file, error) {
	root := filepath.Join(b.source.dir, "manifests")
	crds, err := b.render(filepath.Join(root, "crds"), "crds.yaml")
	if err != nil {
		return nil, err
	}
	base, err := b.render(filepath.Join(root, "base"), "install.yaml")
	if err != nil {
		return nil, err
	}
	if err := b.namesImage(base); err != nil {
		return nil, err
	}
	out := []file{crds, base}
	overlays, err := os.ReadDir(filepath.Join(root, "overlays"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, overlay := range overlays {
		rendered, err := b.render(filepath.Join(root, "overlays", overlay.Name()), "install-"+overlay.Name()+".yaml")
		if err != nil {
			return nil, err
		}
		if err := b.namesImage(rendered); err != nil {
			return nil, err
		}
		out = append(out, rendered)
	}
	return out, nil
}

// pinned is the image's name with its tag, which people read, and its digest, which
// decides.
func (b *built) pinned() string { return b.ref + "@" + b.digest.String() }

// namesImage reports an error unless f runs the image.
func (b *built) namesImage(f file) error {
	if !bytes.Contains(f.content, []byte("image: "+b.pinned()+"\n")) {
		return fmt.Errorf("%s runs another image than %s; manifests/base has to name %s", f.name, b.pinned(), repository)
	}
	return nil
}

// render builds a kustomization, with the image by its tag and digest.
func (b *built) render(dir, name string) (file, error) {
	options := krusty.MakeDefaultOptions()
	// As kubectl: namespaces and definitions come before what needs them.
	options.Reorder = krusty.ReorderOptionUnspecified
	resources, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return file{}, fmt.Errorf("render %s: %w", dir, err)
	}
	newName, tag, _ := cutTag(b.ref)
	err = resources.ApplyFilter(imagetag.Filter{
		ImageTag: types.Image{Name: repository, NewName: newName, NewTag: tag, Digest: b.digest.String()},
		FsSlice: types.FsSlice{
			{Path: "spec/template/spec/containers[]/image"},
			{Path: "spec/template/spec/initContainers[]/image"},
		},
	})
	if err != nil {
		return file{}, fmt.Errorf("set the image of %s: %w", dir, err)
	}
	content, err := resources.AsYaml()
	if err != nil {
		return file{}, fmt.Errorf("render %s: %w", dir, err)
	}
	head := fmt.Sprintf("# Copyright The Bailiwick Authors.\n# SPDX-License-Identifier: Apache-2.0\n#\n# Bailiwick %s: kubectl apply --server-side -f %s\n", b.version, name)
	return file{name, 0o644, append([]byte(head), content...)}, nil
}

// cutTag splits a name with a tag.
func cutTag(ref string) (repository, tag string, found bool) {
	colon := strings.LastIndex(ref, ":")
	if colon < strings.LastIndex(ref, "/") || colon < 0 {
		return ref, "", false
	}
	return ref[:colon], ref[colon+1:], true
}
