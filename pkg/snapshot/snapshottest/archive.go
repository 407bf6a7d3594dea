// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package snapshottest makes archives of snapshots for tests, as servers make them and
// otherwise.
package snapshottest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// Options says what is in an archive, and what is wrong with it.
type Options struct {
	// State is the size of the state, whose bytes are random.
	State       int
	Index, Term uint64
	KeyID       string

	// Files replaces the files of an archive.
	Files []string
	// Unsealed leaves the sealed checksums empty.
	Unsealed bool
	// WrongSum exchanges the checksum of the state.
	WrongSum bool
	// MetaSize replaces the size of the state in the metadata.
	MetaSize int64
	// NoEnd leaves out the end of the list of files, and Junk puts something behind it.
	NoEnd, Junk bool
}

// Files returns the files of an archive in their order.
func Files() []string { return []string{"meta.json", "state.bin", "SHA256SUMS", "SHA256SUMS.sealed"} }

// Archive returns an archive.
func Archive(t testing.TB, o Options) []byte {
	t.Helper()
	random := rand.NewChaCha8([32]byte{byte(o.State)})
	state := make([]byte, o.State)
	_, _ = random.Read(state) // It cannot fail.
	size := int64(o.State)
	if o.MetaSize != 0 {
		size = o.MetaSize
	}
	meta, err := json.Marshal(map[string]any{"Version": 1, "ID": fmt.Sprintf("bolt-snapshot-%d", o.Index), "Index": o.Index, "Term": o.Term, "Size": size})
	if err != nil {
		t.Fatal(err)
	}
	stateSum := sha256.Sum256(state)
	if o.WrongSum {
		stateSum[0] ^= 1
	}
	sums := fmt.Appendf(nil, "%x  meta.json\n%x  state.bin\n", sha256.Sum256(meta), stateSum)
	sealed := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), bytes.Repeat([]byte{7}, 180))
	keyInfo := protowire.AppendString(protowire.AppendTag(nil, 3, protowire.BytesType), o.KeyID)
	sealed = protowire.AppendBytes(protowire.AppendTag(sealed, 5, protowire.BytesType), keyInfo)
	if o.Unsealed {
		sealed = nil
	}
	contents := map[string][]byte{"meta.json": meta, "state.bin": state, "SHA256SUMS": sums, "SHA256SUMS.sealed": sealed}
	names := o.Files
	if names == nil {
		names = Files()
	}

	var list bytes.Buffer
	archive := tar.NewWriter(&list)
	for _, name := range names {
		content := contents[name]
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Flush(); err != nil {
		t.Fatal(err)
	}
	if !o.NoEnd {
		if err := archive.Close(); err != nil {
			t.Fatal(err)
		}
	}
	plain := slices.Clone(list.Bytes())
	if o.Junk {
		plain = append(plain, 1)
	}
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	if _, err := compressed.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := compressed.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
