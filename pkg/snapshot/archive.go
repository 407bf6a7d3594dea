// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Archive is what a verified archive says of itself.
type Archive struct {
	// Digest is the SHA-256 of its bytes, in hexadecimal, and Size their number.
	Digest string
	Size   int64
	// Index and Term are those of the last entry of the Raft log that it includes.
	Index, Term uint64
	// SealKeyID is the key of the seal that its checksums are sealed with. It is empty
	// where the seal names none.
	SealKeyID string
}

// ErrDamaged is what every error about the contents of an archive is.
var ErrDamaged = errors.New("the snapshot is damaged")

// The files of an archive, in the order in which a server writes them
// (physical/raft/snapshot/archive.go of OpenBao). The last one is not there before the
// whole state was written.
const (
	fileMeta   = "meta.json"
	fileState  = "state.bin"
	fileSums   = "SHA256SUMS"
	fileSealed = "SHA256SUMS.sealed"
)

// smallFile is how large all files but the state may be. It is what a server accepts in a
// restore.
const smallFile = 8192

// Verify reads an archive to its end, and writes to w what it reads. The archive counts
// once Verify returns no error: everything that a server checks before it restores one is
// right, and nothing is missing or left over. The memory that it takes does not depend on
// the size. Errors of r and w are returned as they are.
func Verify(r io.Reader, w io.Writer) (Archive, error) {
	sum := sha256.New()
	source := &counted{from: r}
	// gzip takes single bytes from a bufio.Reader, and so nothing behind its own end.
	raw := bufio.NewReaderSize(io.TeeReader(source, io.MultiWriter(w, sum)), 64<<10)
	a, err := read(raw)
	if err == nil {
		err = atEnd(raw, "the archive")
	}
	if source.err != nil {
		return Archive{}, source.err
	}
	if err != nil {
		return Archive{}, err
	}
	a.Digest, a.Size = hex.EncodeToString(sum.Sum(nil)), source.n
	return a, nil
}

// counted counts what it reads, and keeps an error that is not of the archive.
type counted struct {
	from io.Reader
	n    int64
	err  error
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// read verifies everything within the compressed stream.
func read(raw io.Reader) (Archive, error) {
	stream, err := gzip.NewReader(raw)
	if err != nil {
		return Archive{}, damaged("it does not begin as a gzip stream: %w", err)
	}
	stream.Multistream(false)
	plain := &tail{from: stream}
	files := tar.NewReader(plain)
	var a Archive
	var stateSize int64
	sums := map[string]hash.Hash{}
	for _, name := range []string{fileMeta, fileState, fileSums, fileSealed} {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return Archive{}, damaged("it ends before %s", name)
		}
		if err != nil {
			return Archive{}, damaged("%s cannot be read: %w", name, err)
		}
		if header.Name != name {
			return Archive{}, damaged("it has %q where %s is expected", header.Name, name)
		}
		content := io.Reader(files)
		if name == fileMeta || name == fileState {
			sums[name] = sha256.New()
			content = io.TeeReader(files, sums[name])
		}
		switch name {
		case fileState:
			n, err := io.Copy(io.Discard, content)
			if err != nil {
				return Archive{}, damaged("%s ends early: %w", name, err)
			}
			if n != stateSize {
				return Archive{}, damaged("%s has %d bytes, and %s says %d", name, n, fileMeta, stateSize)
			}
			continue
		case fileMeta:
			stateSize, err = readMeta(content, &a)
		case fileSums:
			err = checkSums(content, sums)
		case fileSealed:
			err = readSealed(content, &a)
		}
		if err != nil {
			return Archive{}, err
		}
	}
	if header, err := files.Next(); err == nil {
		return Archive{}, damaged("it has %q behind its end", header.Name)
	} else if !errors.Is(err, io.EOF) {
		return Archive{}, damaged("its end cannot be read: %w", err)
	}
	// The gzip stream holds a checksum and its length behind the data.
	if err := atEnd(plain, "the list of its files"); err != nil {
		return Archive{}, err
	}
	if !plain.zeros() {
		return Archive{}, damaged("the list of its files has no end")
	}
	return a, nil
}

// atEnd fails unless nothing is left to read.
func atEnd(r io.Reader, of string) error {
	n, err := io.Copy(io.Discard, io.LimitReader(r, 1))
	if err != nil {
		return damaged("the end of %s cannot be read: %w", of, err)
	}
	if n > 0 {
		return damaged("there is something behind the end of %s", of)
	}
	return nil
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}

// tail remembers whether what it has read ends as a list of files ends: with two blocks of
// zeros. A reader of tar takes the end of the stream for the end of the list, too.
type tail struct {
	from io.Reader
	run  int
}

// Read implements io.Reader.
func (t *tail) Read(p []byte) (int, error) {
	n, err := t.from.Read(p)
	rest := bytes.TrimRight(p[:n], "\x00")
	if len(rest) > 0 {
		t.run = 0
	}
	t.run += n - len(rest)
	return n, err
}

func (t *tail) zeros() bool { return t.run >= 2*512 }

// readSmall reads a file that has to be small.
func readSmall(r io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, smallFile+1))
	if err != nil {
		return nil, damaged("%s ends early: %w", name, err)
	}
	if len(data) > smallFile {
		return nil, damaged("%s is larger than %d bytes", name, smallFile)
	}
	return data, nil
}

// readMeta reads what Raft says of the snapshot (raft.SnapshotMeta).
func readMeta(r io.Reader, a *Archive) (stateSize int64, err error) {
	data, err := readSmall(r, fileMeta)
	if err != nil {
		return 0, err
	}
	var meta struct {
		Index, Term uint64
		Size        int64
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return 0, damaged("%s is no JSON: %w", fileMeta, err)
	}
	if meta.Index == 0 || meta.Term == 0 || meta.Size <= 0 {
		return 0, damaged("%s lacks the index, the term or the size", fileMeta)
	}
	a.Index, a.Term = meta.Index, meta.Term
	return meta.Size, nil
}

// checkSums compares the checksums in the archive with those of what was read.
func checkSums(r io.Reader, sums map[string]hash.Hash) error {
	data, err := readSmall(r, fileSums)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		sum, name, ok := strings.Cut(strings.TrimRight(line, "\n"), "  ")
		if !ok || sums[name] == nil {
			return damaged("%s has a line that is for none of its files", fileSums)
		}
		if sum != hex.EncodeToString(sums[name].Sum(nil)) {
			return damaged("the checksum of %s is another", name)
		}
		seen[name] = true
	}
	for name := range sums {
		if !seen[name] {
			return damaged("%s has no checksum of %s", fileSums, name)
		}
	}
	return nil
}

// The fields of wrapping.BlobInfo and of its KeyInfo (types.proto of go-kms-wrapping).
const (
	fieldKeyInfo = 5
	fieldKeyID   = 3
)

// readSealed reads which key the checksums are sealed with. What is sealed cannot be read
// without it.
func readSealed(r io.Reader, a *Archive) error {
	data, err := readSmall(r, fileSealed)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return damaged("%s is empty", fileSealed)
	}
	a.SealKeyID = printable(string(field(field(data, fieldKeyInfo), fieldKeyID)))
	return nil
}

// field returns a field of a message that has a length, nil if there is none.
func field(message []byte, wanted protowire.Number) []byte {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil
		}
		message = message[n:]
		if number == wanted && kind == protowire.BytesType {
			value, n := protowire.ConsumeBytes(message)
			if n < 0 {
				return nil
			}
			return value
		}
		if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
			return nil
		}
		message = message[n:]
	}
	return nil
}

// printable keeps what a key id is made of.
func printable(text string) string {
	const limit = 256
	text = strings.Map(func(r rune) rune {
		if r > 0x20 && r < 0x7f {
			return r
		}
		return -1
	}, text)
	return text[:min(len(text), limit)]
}
