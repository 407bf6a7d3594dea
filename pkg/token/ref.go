// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

// defaultRefName is how the operator's default token is written. It can't
// collide with a Secret's reference, which holds two slashes: namespaces, names of
// Secrets and keys have none.
const defaultRefName = "default"

// Ref names a token: one key of one Secret. The zero Ref is the operator's
// default token, wherever that comes from.
type Ref struct {
	Namespace string
	Name      string
	Key       string
}

// Default reports whether r is the operator's default token.
func (r Ref) Default() bool {
	return r == Ref{}
}

// String returns "namespace/name/key", or "default" for the default token.
func (r Ref) String() string {
	if r.Default() {
		return defaultRefName
	}
	return r.Namespace + "/" + r.Name + "/" + r.Key
}
