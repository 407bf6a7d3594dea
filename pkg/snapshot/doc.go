// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package snapshot knows what a Raft snapshot of OpenBao is, and when one counts. It
// verifies the archive, describes it in a manifest, names both in object storage, and
// decides which are deleted. It knows neither Kubernetes nor an object store.
package snapshot
