// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	sourceURL = "https://github.com/bailiwick-operator/bailiwick"
	// user is nobody's on a usual node, and that of the securityContext in manifests/base.
	user       = "65532:65532"
	entrypoint = "/bailiwick"
	// jobProgram is where pkg/jobs/jobstep has Jobs find it.
	jobProgram = "/bailiwick-job"
)

// platforms are those that an image is for unless others are asked for.
func platforms() []v1.Platform {
	return []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}
}

// built is the image of all platforms, with what is told of it.
type built struct {
	source  source
	version string
	// ref is the name that the image is to have, with its tag.
	ref   string
	index v1.ImageIndex
	// digest is that of index.
	digest v1.Hash
	// images are in the order of the platforms.
	images []builtImage
}

// builtImage is the image of one platform.
type builtImage struct {
	*binary
	image      v1.Image
	descriptor v1.Descriptor
	// sbom lists what is in the image, as SPDX JSON.
	sbom []byte
}

// build compiles the operator for every platform and makes an image of it.
func build(ctx context.Context, src source, version, ref string, platforms []v1.Platform) (*built, error) {
	var binaries []*binary
	for _, platform := range platforms {
		b, err := compile(ctx, src, platform, version)
		if err != nil {
			return nil, err
		}
		binaries = append(binaries, b)
	}
	return assemble(ctx, src, version, ref, binaries)
}

// assemble makes an image of binaries. All that it makes depends on its arguments, the
// modules of this program and the texts of licences only.
func assemble(ctx context.Context, src source, version, ref string, binaries []*binary) (*built, error) {
	out := &built{source: src, version: version, ref: ref}
	annotations := annotations(src, version)
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	base, err := baseLayer()
	if err != nil {
		return nil, fmt.Errorf("make the layer with certificates: %w", err)
	}
	for _, b := range binaries {
		image, err := imageOf(ctx, src, b, base, annotations)
		if err != nil {
			return nil, fmt.Errorf("make the image for %s: %w", b.platform.String(), err)
		}
		one := builtImage{binary: b, image: image}
		if one.descriptor, err = descriptorOf(image, types.OCIManifestSchema1); err != nil {
			return nil, err
		}
		if one.sbom, err = sbom(src, version, one); err != nil {
			return nil, fmt.Errorf("list what is in the image for %s: %w", b.platform.String(), err)
		}
		out.images = append(out.images, one)
		platform := b.platform
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &platform}})
	}
	out.index = mutate.Annotations(index, annotations).(v1.ImageIndex)
	out.digest, err = out.index.Digest()
	return out, err
}

// annotations are those that the OCI defines. Index, manifests and, as labels, configs
// have them.
func annotations(src source, version string) map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":         "bailiwick",
		"org.opencontainers.image.description":   "Kubernetes operator for Aiven services and OpenBao authorization",
		"org.opencontainers.image.url":           sourceURL,
		"org.opencontainers.image.documentation": sourceURL + "#readme",
		"org.opencontainers.image.source":        sourceURL,
		"org.opencontainers.image.version":       version,
		"org.opencontainers.image.revision":      src.revision(),
		"org.opencontainers.image.licenses":      "Apache-2.0",
		"org.opencontainers.image.vendor":        "The Bailiwick Authors",
		"org.opencontainers.image.created":       src.time.Format(time.RFC3339),
	}
}

// baseLayer holds what a static binary needs of a system. There is no /tmp: the
// operator writes no files, and its root is read-only.
func baseLayer() (v1.Layer, error) {
	certificates, err := roots()
	if err != nil {
		return nil, err
	}
	return layer([]file{
		{"etc/group", 0o644, []byte("root:x:0:\nnonroot:x:65532:\n")},
		{"etc/passwd", 0o644, []byte("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")},
		// Where Go, and most else, looks first.
		{"etc/ssl/certs/ca-certificates.crt", 0o644, certificates},
	})
}

// operatorLayer holds the operator, the program of its Jobs, and the texts that may not be parted from it.
func operatorLayer(ctx context.Context, src source, b *binary) (v1.Layer, error) {
	own, err := ownLicense(src)
	if err != nil {
		return nil, err
	}
	others, err := notices(ctx, src, b)
	if err != nil {
		return nil, err
	}
	return layer([]file{
		{entrypoint[1:], 0o755, b.content},
		{jobProgram[1:], 0o755, b.job},
		{"usr/share/doc/bailiwick/LICENSE", 0o644, own},
		{"usr/share/doc/bailiwick/THIRD_PARTY_LICENSES", 0o644, others},
	})
}

// layer is a layer with files, all as old as Unix, so that a layer changes with its
// files only.
func layer(files []file) (v1.Layer, error) {
	var content bytes.Buffer
	if err := writeTar(&content, files, time.Unix(0, 0)); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.DefaultCompression), tarball.WithCompressedCaching)
}

func imageOf(ctx context.Context, src source, b *binary, base v1.Layer, annotations map[string]string) (v1.Image, error) {
	operator, err := operatorLayer(ctx, src, b)
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: src.time}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image,
		mutate.Addendum{Layer: base, History: v1.History{Created: created, CreatedBy: "hack/image: users and certificates"}},
		mutate.Addendum{Layer: operator, History: v1.History{Created: created, CreatedBy: "hack/image: the operator"}},
	)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = b.platform.OS, b.platform.Architecture, created
	config.Config = v1.Config{
		User:       user,
		Entrypoint: []string{entrypoint},
		WorkingDir: "/",
		Labels:     annotations,
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}
	return mutate.Annotations(image, annotations).(v1.Image), nil
}

// descriptorOf points to a manifest.
func descriptorOf(m interface {
	Digest() (v1.Hash, error)
	Size() (int64, error)
}, mediaType types.MediaType) (v1.Descriptor, error) {
	digest, err := m.Digest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	size, err := m.Size()
	return v1.Descriptor{MediaType: mediaType, Digest: digest, Size: size}, err
}
