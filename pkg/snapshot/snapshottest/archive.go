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
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
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

// WriteFile writes an archive that can be larger than memory to a file, and returns its size.
// What is wrong with it cannot be chosen.
func WriteFile(t testing.TB, path string, o Options) int64 {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // it is closed below if all went well
	// What a server compresses is encrypted already.
	compressed, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := json.Marshal(map[string]any{"Version": 1, "ID": fmt.Sprintf("bolt-snapshot-%d", o.Index), "Index": o.Index, "Term": o.Term, "Size": o.State})
	if err != nil {
		t.Fatal(err)
	}
	archive, sum := tar.NewWriter(compressed), sha256.New()
	add := func(name string, size int64, content io.Reader) {
		t.Helper()
		err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size})
		if err == nil {
			_, err = io.Copy(archive, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	add("meta.json", int64(len(meta)), bytes.NewReader(meta))
	random := io.LimitReader(rand.NewChaCha8([32]byte{1}), int64(o.State))
	add("state.bin", int64(o.State), io.TeeReader(random, sum))
	sums := fmt.Appendf(nil, "%x  meta.json\n%x  state.bin\n", sha256.Sum256(meta), sum.Sum(nil))
	add("SHA256SUMS", int64(len(sums)), bytes.NewReader(sums))
	sealed := sealedSums(o.KeyID)
	add("SHA256SUMS.sealed", int64(len(sealed)), bytes.NewReader(sealed))
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// sealedSums are checksums that a seal has sealed, with the key that it names.
func sealedSums(keyID string) []byte {
	sealed := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), bytes.Repeat([]byte{7}, 180))
	keyInfo := protowire.AppendString(protowire.AppendTag(nil, 3, protowire.BytesType), keyID)
	return protowire.AppendBytes(protowire.AppendTag(sealed, 5, protowire.BytesType), keyInfo)
}

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
	sealed := sealedSums(o.KeyID)
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
