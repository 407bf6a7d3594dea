// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package objectstore keeps objects in S3, Google Cloud Storage and Azure Blob Storage. It
// makes no bucket and changes no setting of one. Only the program of the Jobs imports it:
// the clients of three providers are large, and an operator that holds them would have
// more in it that can be wrong than all the rest of it.
package objectstore
