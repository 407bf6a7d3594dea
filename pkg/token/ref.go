// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"fmt"
	"strings"
)

// defaultRefName is how the operator's default token is written. It can't
// collide with a Secret's reference, which holds two slashes.
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

// ParseRef is the inverse of Ref.String. Namespaces, Secret names and keys
// hold no slash, so the form is unambiguous.
func ParseRef(s string) (Ref, error) {
	if s == defaultRefName {
		return Ref{}, nil
	}
	parts := strings.Split(s, "/")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return Ref{}, fmt.Errorf("token reference %q is neither namespace/name/key nor %q", s, defaultRefName)
	}
	return Ref{Namespace: parts[0], Name: parts[1], Key: parts[2]}, nil
}
