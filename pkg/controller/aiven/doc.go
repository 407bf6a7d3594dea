// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package aiven holds one handler per kind of aiven.io/v1alpha1 and the table
// that binds them to the engine.
//
// A handler reads the remote from the snapshot of its service and writes it with
// the typed calls of the official client. What handlers share is here too: the
// connection of an object to its token, the translation of errors into what a
// person reads, and the life of services, which differ only in their
// connection details.
package aiven
