// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// file is one in an archive. Its name is relative, with slashes.
type file struct {
	name    string
	mode    int64
	content []byte
}

// writeTar writes files in the order of their names, each after the folders it is
// in. All belong to root and have the same time.
func writeTar(w io.Writer, files []file, modified time.Time) error {
	folders := map[string]bool{}
	entries := slices.Clone(files)
	for _, f := range files {
		for dir := path.Dir(f.name); dir != "."; dir = path.Dir(dir) {
			if !folders[dir] {
				folders[dir] = true
				entries = append(entries, file{name: dir + "/", mode: 0o755})
			}
		}
	}
	slices.SortFunc(entries, func(a, b file) int { return strings.Compare(a.name, b.name) })
	out := tar.NewWriter(w)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.content)), ModTime: modified, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if strings.HasSuffix(e.name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		if _, err := out.Write(e.content); err != nil {
			return err
		}
	}
	return out.Close()
}
