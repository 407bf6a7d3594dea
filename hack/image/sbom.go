// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/mod/module"
)

// spdxDocument is an SBOM in SPDX 2.3, of which it has the parts that are used here:
// https://spdx.github.io/spdx-spec/v2.3/
type spdxDocument struct {
	Version       string             `json:"spdxVersion"`
	DataLicense   string             `json:"dataLicense"`
	ID            string             `json:"SPDXID"`
	Name          string             `json:"name"`
	Namespace     string             `json:"documentNamespace"`
	Creation      spdxCreation       `json:"creationInfo"`
	Packages      []spdxPackage      `json:"packages"`
	Relationships []spdxRelationship `json:"relationships"`
}

type spdxCreation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	ID               string         `json:"SPDXID"`
	Name             string         `json:"name"`
	Version          string         `json:"versionInfo"`
	Supplier         string         `json:"supplier"`
	DownloadLocation string         `json:"downloadLocation"`
	FilesAnalyzed    bool           `json:"filesAnalyzed"`
	Checksums        []spdxChecksum `json:"checksums,omitempty"`
	Concluded        string         `json:"licenseConcluded"`
	Declared         string         `json:"licenseDeclared"`
	Copyright        string         `json:"copyrightText"`
	Comment          string         `json:"comment,omitempty"`
	References       []spdxRef      `json:"externalRefs,omitempty"`
	Purpose          string         `json:"primaryPackagePurpose"`
}

type spdxChecksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type spdxRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type spdxRelationship struct {
	Element string `json:"spdxElementId"`
	Type    string `json:"relationshipType"`
	Related string `json:"relatedSpdxElement"`
}

const (
	noAssertion = "NOASSERTION"
	documentID  = "SPDXRef-DOCUMENT"
	imageID     = "SPDXRef-Image"
	operatorID  = "SPDXRef-Operator"
)

// notInID are the characters that an SPDX id can't have.
var notInID = regexp.MustCompile(`[^A-Za-z0-9.]+`)

// sbom lists what an image is made of: from what the linker has written into the
// operator about itself, and the module that the certificates are from.
func sbom(src source, version string, image builtImage) ([]byte, error) {
	known, err := licenses(src.dir)
	if err != nil {
		return nil, err
	}
	certificates, err := rootsFrom()
	if err != nil {
		return nil, err
	}
	own := spdxPackage{
		Version: version, Supplier: "Organization: The Bailiwick Authors", DownloadLocation: noAssertion,
		Concluded: "Apache-2.0", Declared: "Apache-2.0", Copyright: "Copyright The Bailiwick Authors.",
	}
	if src.commit != "" && !src.dirty {
		own.DownloadLocation = "git+" + sourceURL + "@" + src.commit
	}
	whole := own
	whole.ID, whole.Name, whole.Purpose = imageID, "bailiwick image for "+image.platform.String(), "CONTAINER"
	whole.DownloadLocation = noAssertion
	// The licence of the operator; the certificates and modules have theirs.
	whole.Concluded = noAssertion
	whole.Checksums = []spdxChecksum{{"SHA256", image.descriptor.Digest.Hex}}
	operator := own
	operator.ID, operator.Name, operator.Purpose = operatorID, image.info.Main.Path, "APPLICATION"
	operator.References = []spdxRef{purl("pkg:golang/" + image.info.Main.Path + "@" + version)}
	sum := sha256.Sum256(image.content)
	operator.Checksums = []spdxChecksum{{"SHA256", hex.EncodeToString(sum[:])}}
	operator.Comment = "The checksum is that of the file " + entrypoint + "."
	goLibrary := spdxPackage{
		ID: "SPDXRef-Go", Name: "Go standard library", Version: image.toolchain(), Supplier: "Organization: The Go Authors", Purpose: "LIBRARY",
		DownloadLocation: "https://go.dev/dl/" + image.info.GoVersion + ".src.tar.gz",
		Concluded:        "BSD-3-Clause", Declared: "BSD-3-Clause", Copyright: noAssertion,
		References: []spdxRef{purl("pkg:golang/stdlib@" + image.toolchain())},
	}
	authorities, err := modulePackage(certificates, "BSD-3-Clause AND MPL-2.0")
	if err != nil {
		return nil, err
	}
	authorities.Purpose = "FILE"
	authorities.Comment = "The certificates in /etc/ssl/certs/ca-certificates.crt: Mozilla's (MPL-2.0), as this module holds them. " + checksumComment

	document := spdxDocument{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: documentID,
		Name: "bailiwick " + version + " " + image.platform.String(),
		// It has to be of this document alone, and the same for every build of it.
		Namespace: sourceURL + "/spdx/" + version + "/" + image.descriptor.Digest.Hex,
		Creation:  spdxCreation{src.time.Format(time.RFC3339), []string{"Organization: The Bailiwick Authors", "Tool: hack/image"}},
		Packages:  []spdxPackage{whole, operator, goLibrary, authorities},
		Relationships: []spdxRelationship{
			{documentID, "DESCRIBES", imageID},
			{imageID, "CONTAINS", operatorID},
			{imageID, "CONTAINS", authorities.ID},
			{operatorID, "STATIC_LINK", "SPDXRef-Go"},
		},
	}
	for _, m := range image.modules {
		license := known[m.Path]
		if license == "" {
			return nil, fmt.Errorf("%s has no licence of %s; run hack/verify-licenses.sh --write", licensesFile, m.Path)
		}
		linked, err := modulePackage(m, license)
		if err != nil {
			return nil, err
		}
		document.Packages = append(document.Packages, linked)
		document.Relationships = append(document.Relationships, spdxRelationship{operatorID, "STATIC_LINK", linked.ID})
	}
	out, err := json.MarshalIndent(document, "", "  ")
	return append(out, '\n'), err
}

const checksumComment = "The checksum is the one of go.sum (h1) in hexadecimal: SHA-256 over the list of the module's files with their SHA-256."

// modulePackage describes a module.
func modulePackage(m *debug.Module, license string) (spdxPackage, error) {
	if m.Replace != nil {
		return spdxPackage{}, fmt.Errorf("module %s is replaced, by which its version says nothing of what is linked", m.Path)
	}
	escapedPath, err := module.EscapePath(m.Path)
	if err != nil {
		return spdxPackage{}, err
	}
	escapedVersion, err := module.EscapeVersion(m.Version)
	if err != nil {
		return spdxPackage{}, err
	}
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
	if err != nil || len(sum) != sha256.Size {
		return spdxPackage{}, fmt.Errorf("module %s has no checksum but %q", m.Path, m.Sum)
	}
	return spdxPackage{
		ID: "SPDXRef-Module-" + notInID.ReplaceAllString(m.Path, "-"), Name: m.Path, Version: m.Version,
		Supplier: noAssertion, DownloadLocation: "https://proxy.golang.org/" + escapedPath + "/@v/" + escapedVersion + ".zip",
		Checksums: []spdxChecksum{{"SHA256", hex.EncodeToString(sum)}}, Comment: checksumComment,
		Concluded: license, Declared: license, Copyright: noAssertion, Purpose: "LIBRARY",
		References: []spdxRef{purl("pkg:golang/" + m.Path + "@" + m.Version)},
	}, nil
}

// purl refers to a package by its package URL, in which a + is escaped.
func purl(locator string) spdxRef {
	return spdxRef{"PACKAGE-MANAGER", "purl", strings.ReplaceAll(locator, "+", "%2B")}
}
