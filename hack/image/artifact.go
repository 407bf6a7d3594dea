// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// artifact is a file that is told of an image: a manifest that has the image as its
// subject, so that a registry lists it among the image's referrers.
type artifact struct {
	manifest []byte
	content  v1.Layer
}

var _ partial.CompressedImageCore = (*artifact)(nil)

const (
	sbomType       types.MediaType = "application/spdx+json"
	provenanceType types.MediaType = "application/vnd.in-toto+json"
)

// newArtifact makes an artifact that is about subject.
func newArtifact(content []byte, mediaType types.MediaType, title string, created time.Time, subject v1.Descriptor) (v1.Image, error) {
	a := &artifact{content: static.NewLayer(content, mediaType)}
	layer, err := partial.Descriptor(a.content)
	if err != nil {
		return nil, err
	}
	layer.Annotations = map[string]string{titleKey: title}
	// What the OCI wants where there is nothing to configure.
	nothing := static.NewLayer([]byte("{}"), types.OCIEmptyJSON)
	config, err := partial.Descriptor(nothing)
	if err != nil {
		return nil, err
	}
	a.manifest, err = json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: string(mediaType),
		Config: *config, Layers: []v1.Descriptor{*layer}, Subject: &subject,
		Annotations: map[string]string{"org.opencontainers.image.created": created.Format(time.RFC3339)},
	})
	if err != nil {
		return nil, err
	}
	return partial.CompressedToImage(a)
}

// RawConfigFile implements partial.CompressedImageCore.
func (a *artifact) RawConfigFile() ([]byte, error) { return []byte("{}"), nil }

// MediaType implements partial.CompressedImageCore.
func (a *artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// RawManifest implements partial.CompressedImageCore.
func (a *artifact) RawManifest() ([]byte, error) { return a.manifest, nil }

// LayerByDigest implements partial.CompressedImageCore.
func (a *artifact) LayerByDigest(digest v1.Hash) (partial.CompressedLayer, error) {
	if own, err := a.content.Digest(); err != nil || own == digest {
		return a.content, err
	}
	return nil, fmt.Errorf("the artifact has no blob %s", digest)
}

// attestations are the artifacts about the image: an SBOM for every platform, and the
// provenance of all. They are an index of their own, since tools take an OCI layout
// for one image only if nothing else is in it.
func (b *built) attestations() (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	add := func(content []byte, mediaType types.MediaType, title string, subject v1.Descriptor) error {
		image, err := newArtifact(content, mediaType, title, b.source.time, subject)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{
			ArtifactType: string(mediaType), Annotations: map[string]string{titleKey: title},
		}})
		return nil
	}
	for _, image := range b.images {
		if err := add(image.sbom, sbomType, sbomName(image.platform), image.descriptor); err != nil {
			return nil, err
		}
	}
	statement, err := b.provenance(b.subjects())
	if err != nil {
		return nil, err
	}
	whole, err := descriptorOf(b.index, types.OCIImageIndex)
	if err != nil {
		return nil, err
	}
	return index, add(statement, provenanceType, provenanceName, whole)
}

const (
	provenanceName = "provenance.json"
	// titleKey is the annotation with the name of a file.
	titleKey = "org.opencontainers.image.title"
)

// sbomName is the name of the file with the SBOM for a platform.
func sbomName(p v1.Platform) string { return "sbom-" + p.OS + "-" + p.Architecture + ".spdx.json" }
