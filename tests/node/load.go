// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// imageFile is an image that all nodes of a cluster have.
type imageFile struct {
	// file is the archive of an OCI layout, in the folder of the first node.
	file string
	// repository is its name without tag.
	repository string
}

// LoadImage gives an image to all nodes, present and future. The path is that of an
// OCI layout, a folder or an archive, with one image or index that has the
// annotation io.containerd.image.name. Pods ask for it by that name, or by
// repository and digest; its digest is the one in the layout.
func (n *Node) LoadImage(ctx context.Context, path string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	image, err := n.addImage(path)
	if err != nil {
		return err
	}
	machines := []*machine{n.machine}
	for _, w := range n.workers {
		machines = append(machines, w.machine)
	}
	for _, m := range machines {
		if err := m.importImage(ctx, image); err != nil {
			return fmt.Errorf("loading %s into %s: %w", path, m.name, err)
		}
	}
	return nil
}

// addImage keeps an archive of the image for all nodes.
func (n *Node) addImage(source string) (imageFile, error) {
	image := imageFile{file: n.machine.path("images", fmt.Sprintf("%d.tar", len(n.images)))}
	if err := archived(source, image.file); err != nil {
		return imageFile{}, err
	}
	name, err := imageName(image.file)
	if err != nil {
		return imageFile{}, fmt.Errorf("reading image %s: %w", source, err)
	}
	// A tag follows the last slash; a port does not.
	slash := strings.LastIndex(name, "/") + 1
	tail, _, _ := strings.Cut(name[slash:], "@")
	tail, _, _ = strings.Cut(tail, ":")
	image.repository = name[:slash] + tail
	n.images = append(n.images, image)
	return image, nil
}

// imageName returns the name that a layout gives its image.
func imageName(file string) (string, error) {
	in, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer in.Close()
	reader := tar.NewReader(in)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return "", errors.New("it is no OCI layout: it has no index.json")
		}
		if err != nil {
			return "", err
		}
		if path.Clean(header.Name) != "index.json" {
			continue
		}
		var index v1.IndexManifest
		if err := json.NewDecoder(reader).Decode(&index); err != nil {
			return "", err
		}
		for _, manifest := range index.Manifests {
			if name := manifest.Annotations[containerdName]; name != "" {
				return name, nil
			}
		}
		return "", fmt.Errorf("nothing in it has the annotation %s", containerdName)
	}
}
