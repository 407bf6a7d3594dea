// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package token resolves the Aiven API token of an object and remembers it.
//
// All controllers share one Cache. It reads an auth Secret with one live GET
// on first use, keeps only the keys that were asked for, and reads it again
// only after Invalidate or a restart: auth Secrets are never watched, and
// nothing is ever written to them but the removal of a finalizer that the
// aiven-operator has left there. The operator's default token is read once, when
// the process first leads, and kept from then on.
//
// The cache also remembers which tokens Aiven refused, so that the objects
// which share such a token stop calling Aiven with it.
//
// A token's value never appears in an error, a log line or a printed struct;
// it is named by its Ref.
package token
