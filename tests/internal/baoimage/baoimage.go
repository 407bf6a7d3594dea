// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package baoimage finds the OpenBao server that pods on a node of package node run.
package baoimage

import (
	"cmp"
	"os"
	"path"
	"path/filepath"

	"github.com/bailiwick-operator/bailiwick/tests/node"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// Reference is the name of the image on the node.
const Reference = "localhost/openbao:test"

// Layout returns an OCI layout with the image: the one that BAO_IMAGE names, which must
// have the name Reference, or one made in dir of the static binary of BAO_BIN or else
// of the bao that hack/build-tools.sh builds.
func Layout(dir string) (string, error) {
	if archive := os.Getenv("BAO_IMAGE"); archive != "" {
		return archive, nil
	}
	binary, err := Binary()
	if err != nil {
		return "", err
	}
	layout := filepath.Join(dir, "openbao-image")
	return layout, node.WriteImageAt(layout, Reference, binary, "/bin/bao")
}

const (
	// NextReference is the name of an image of the version after Version.
	NextReference = "localhost/openbao:next"
	// NextVersion is that version.
	NextVersion = "2.6.3"
)

// IsTestServer reports whether the servers are those of hack/tools/openbao-server, which
// can be made to behave otherwise.
func IsTestServer() bool { return os.Getenv("BAO_IMAGE")+os.Getenv("BAO_BIN") == "" }

// NextLayout returns an OCI layout with the image NextReference. Only the test server can
// be of another version than it is.
func NextLayout(dir string) (string, error) {
	return Variant(dir, NextReference, "BAO_TEST_VERSION="+NextVersion)
}

// Variant returns an OCI layout with an image of the test server that has a variable.
func Variant(dir, reference, variable string) (string, error) {
	binary, err := Binary()
	if err != nil {
		return "", err
	}
	layout := filepath.Join(dir, path.Base(reference))
	return layout, node.WriteImageAt(layout, reference, binary, "/bin/bao", variable)
}

// Binary returns the static binary of BAO_BIN, or else the bao that hack/build-tools.sh
// builds.
func Binary() (string, error) {
	if binary := os.Getenv("BAO_BIN"); binary != "" {
		return binary, nil
	}
	return stack.Tool("bao")
}

// Version returns the version that the servers are of: BAO_VERSION, or the one whose
// behaviour the built bao has.
func Version() string { return cmp.Or(os.Getenv("BAO_VERSION"), "2.6.2") }
