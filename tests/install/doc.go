// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package install tests that people can install a release, on a real node. Its tests
// have the files of two releases that hack/image makes of this checkout, and follow the
// guides with them: with kubectl, with Helm, through a broken token, failures of pods,
// an upgrade and the uninstallation. They share the node, one after the other, and each
// leaves it as it was.
package install
