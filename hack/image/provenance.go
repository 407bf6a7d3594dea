// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// statement is an in-toto statement with a SLSA provenance, of which it has the parts
// that are used here: https://slsa.dev/spec/v1.0/provenance
//
// It is not signed: it says what whoever ran the build says, and a reader who does not
// trust them builds again and compares digests.
type statement struct {
	Type          string     `json:"_type"`
	Subject       []resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     predicate  `json:"predicate"`
}

type predicate struct {
	Definition buildDefinition `json:"buildDefinition"`
	Run        runDetails      `json:"runDetails"`
}

type buildDefinition struct {
	BuildType    string         `json:"buildType"`
	External     map[string]any `json:"externalParameters"`
	Internal     map[string]any `json:"internalParameters"`
	Dependencies []resource     `json:"resolvedDependencies"`
}

type runDetails struct {
	Builder struct {
		ID string `json:"id"`
	} `json:"builder"`
}

type resource struct {
	Name        string            `json:"name,omitempty"`
	URI         string            `json:"uri,omitempty"`
	Digest      map[string]string `json:"digest,omitempty"`
	Annotations map[string]any    `json:"annotations,omitempty"`
}

// provenance tells what the subjects were built from, and how.
func (b *built) provenance(subjects []resource) ([]byte, error) {
	checkout := resource{Name: "source", URI: "git+" + sourceURL}
	if b.source.commit != "" {
		checkout.Digest = map[string]string{"gitCommit": b.source.commit}
	}
	if b.source.dirty || b.source.commit == "" {
		checkout.Annotations = map[string]any{"complete": false, "reason": "the build read files that are in no commit"}
	}
	names := []string{}
	environment := map[string]any{}
	for _, image := range b.images {
		names = append(names, image.platform.String())
		environment[image.platform.String()] = settings(image.platform)
	}
	goVersion := b.images[0].info.GoVersion
	certificates, err := rootsFrom()
	if err != nil {
		return nil, err
	}
	s := statement{
		Type: "https://in-toto.io/Statement/v1", Subject: subjects, PredicateType: "https://slsa.dev/provenance/v1",
		Predicate: predicate{Definition: buildDefinition{
			BuildType: sourceURL + "/tree/main/hack/image",
			External:  map[string]any{"version": b.version, "ref": b.ref, "platforms": names},
			Internal: map[string]any{
				"signed":      false,
				"flags":       flags(b.version, b.source.revision()),
				"environment": environment,
			},
			Dependencies: []resource{
				checkout,
				{Name: "Go", URI: "pkg:golang/toolchain@" + strings.ReplaceAll(goVersion, " ", "%20")},
				{Name: "certificates", URI: "pkg:golang/" + certificates.Path + "@" + certificates.Version, Annotations: map[string]any{"h1": certificates.Sum}},
			},
		}},
	}
	s.Predicate.Run.Builder.ID = sourceURL + "/tree/main/hack/image#run-by-hand"
	out, err := json.MarshalIndent(s, "", "  ")
	return append(out, '\n'), err
}

// subjects are the image and its parts.
func (b *built) subjects() []resource {
	repository, _, _ := cutTag(b.ref)
	out := []resource{{Name: b.ref, Digest: digestSet(b.digest)}}
	for _, image := range b.images {
		out = append(out, resource{Name: repository + " (" + image.platform.String() + ")", Digest: digestSet(image.descriptor.Digest)})
	}
	return out
}

func digestSet(h v1.Hash) map[string]string { return map[string]string{h.Algorithm: h.Hex} }
