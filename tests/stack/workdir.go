// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"os"
	"path/filepath"
)

// workDir is the directory of a part or a stack.
type workDir struct {
	path      string
	temporary bool
}

// newWorkDir makes the directory at path, or a temporary one if path is empty,
// and in it a directory for logs. A temporary directory is removed by remove
// unless keep is set.
func newWorkDir(path string, keep bool) (workDir, error) {
	dir := workDir{path: path}
	if path == "" {
		temporary, err := os.MkdirTemp("", "bailiwick-stack-")
		if err != nil {
			return workDir{}, err
		}
		dir = workDir{path: temporary, temporary: !keep}
	}
	// Servers change neither directory nor user, but callers may.
	absolute, err := filepath.Abs(dir.path)
	if err != nil {
		return workDir{}, err
	}
	dir.path = absolute
	if err := os.MkdirAll(filepath.Join(dir.path, "logs"), 0o700); err != nil {
		return workDir{}, err
	}
	return dir, nil
}

// join returns the path of a file in the directory.
func (d workDir) join(elements ...string) string {
	return filepath.Join(append([]string{d.path}, elements...)...)
}

// write writes a file that only the user can read and returns its path.
func (d workDir) write(name string, content []byte) (string, error) {
	path := d.join(name)
	return path, os.WriteFile(path, content, 0o600)
}

func (d workDir) remove() error {
	if !d.temporary {
		return nil
	}
	return os.RemoveAll(d.path)
}
