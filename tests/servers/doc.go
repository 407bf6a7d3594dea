// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package servers tests that Bailiwick runs OpenBao clusters: on a node of package node,
// with the rights and the admission policies that the manifests give, and servers that are
// the bao of BAO_IMAGE (an archive of an OCI layout with the reference
// localhost/openbao:test), of BAO_BIN (a static binary), or the test server of
// hack/tools/openbao-server.
//
// The two processes of Bailiwick run in the test, each with the token of its
// ServiceAccount, so that they can be ended at any moment.
package servers
