// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The annotations by which a layout names an image: containerd's, and the one of
// the specification.
const (
	containerdName = "io.containerd.image.name"
	layoutName     = "org.opencontainers.image.ref.name"
)

// nonroot is the user that images run as.
const nonroot = "65532:65532"

// WriteImage writes an OCI layout with one image, named reference, that holds one
// static binary and runs it as a user without rights.
func WriteImage(path, reference, binary string) error {
	return WriteImageAt(path, reference, binary, "/"+filepath.Base(binary))
}

// WriteImageAt is WriteImage for a binary that has to be at a place of its own, such as
// /bin/bao: what is in /bin is found by its name alone. env are variables, NAME=VALUE.
func WriteImageAt(path, reference, binary, place string, env ...string) error {
	image, err := newImage(binary, place, env)
	if err != nil {
		return fmt.Errorf("making image %s: %w", reference, err)
	}
	oci, err := layout.Write(path, empty.Index)
	if err == nil {
		err = oci.AppendImage(image, layout.WithAnnotations(map[string]string{containerdName: reference, layoutName: reference}))
	}
	if err != nil {
		return fmt.Errorf("writing image %s: %w", reference, err)
	}
	return nil
}

func newImage(binary, entrypoint string, env []string) (v1.Image, error) {
	content, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	var files bytes.Buffer
	writer := tar.NewWriter(&files)
	err = errors.Join(
		writer.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777, ModTime: time.Unix(0, 0)}),
		writer.WriteHeader(&tar.Header{Name: entrypoint[1:], Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(content)), ModTime: time.Unix(0, 0)}),
	)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(content); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil },
		// Nobody sends it anywhere, and the race detector makes compressing it take minutes.
		tarball.WithCompressionLevel(gzip.NoCompression), tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", runtime.GOARCH, v1.Time{Time: time.Unix(0, 0).UTC()}
	config.Config = v1.Config{User: nonroot, Entrypoint: []string{entrypoint}, WorkingDir: "/", Env: env}
	return mutate.ConfigFile(image, config)
}

// archive packs the layout in a folder into one file.
func archive(folder, file string) error {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	writer := tar.NewWriter(out)
	err = writer.AddFS(os.DirFS(folder))
	if err = errors.Join(err, writer.Close(), out.Close()); err != nil {
		return fmt.Errorf("packing %s: %w", folder, err)
	}
	return nil
}

// copyFile copies a file.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// archived returns the image at path as one file: path itself, or what it packs
// into file if path is the folder of a layout.
func archived(path, file string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return copyFile(path, file)
	}
	if _, err := os.Stat(filepath.Join(path, "index.json")); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is no OCI layout: it has no index.json", path)
	}
	return archive(path, file)
}
