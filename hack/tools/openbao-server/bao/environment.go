// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"os"
	"strings"
)

// variable returns the first that is set of BAO_name and, as OpenBao still reads
// it, VAULT_name.
func variable(name string) string {
	return cmp.Or(os.Getenv("BAO_"+name), os.Getenv("VAULT_"+name))
}

// adoptEnvironment gives the core the variables BAO_* under the names that it
// reads, such as VAULT_RAFT_NODE_ID and those of the transit seal.
func adoptEnvironment() error {
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if suffix, ok := strings.CutPrefix(name, "BAO_"); ok {
			if err := os.Setenv("VAULT_"+suffix, value); err != nil {
				return err
			}
		}
	}
	return nil
}
