// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"fmt"
	"slices"
	"strings"
)

// rootNamespace is another name of the root namespace.
const rootNamespace = "root"

// CanonicalNamespace returns the one spelling of an OpenBao namespace: its path
// without a slash at either end, and empty for the root namespace. A server takes
// several spellings for the same namespace. The error says what is wrong with one
// that names none.
func CanonicalNamespace(path string) (string, error) {
	path = strings.Trim(path, "/")
	if path == "" || path == rootNamespace {
		return "", nil
	}
	parts := strings.Split(path, "/")
	for _, part := range parts {
		if part == "" || part == "." || part == ".." || strings.ContainsFunc(part, notInNamespace) {
			return "", fmt.Errorf("%q is not the path of a namespace", path)
		}
	}
	if slices.Contains(parts, rootNamespace) {
		return "", fmt.Errorf("%q is not the path of a namespace: none is called %s", path, rootNamespace)
	}
	return path, nil
}

func notInNamespace(r rune) bool { return unprintable(r) || strings.ContainsRune(" \t*+%?#", r) }
