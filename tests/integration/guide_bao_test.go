// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bailiwick-operator/bailiwick/tests/baocli"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

// baoCommandName, as the name that the test binary was started by, makes it the command
// bao: no binary to build for it.
const baoCommandName = "bao"

func runAsBao() int {
	if err := baocli.Run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return 0
}

// guideBao returns a folder with the command bao: that of the server or, where the
// server has none, our own.
func (b *baoEnv) guideBao() string {
	b.Helper()
	binary := b.bao.Binary()
	if b.bao.Kind != stack.Bao {
		var err error
		if binary, err = os.Executable(); err != nil {
			b.Fatal(err)
		}
	}
	folder := b.TempDir()
	if err := os.Symlink(binary, filepath.Join(folder, baoCommandName)); err != nil {
		b.Fatal(err)
	}
	return folder
}
