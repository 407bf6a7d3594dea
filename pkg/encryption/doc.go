// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package encryption encrypts snapshots for people who hold keys of their own, and decrypts
// them again: to recipients of age, or to public keys of OpenPGP. It streams, and takes
// memory that does not depend on the size. It knows neither Kubernetes nor an object store.
package encryption
