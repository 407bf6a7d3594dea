// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/bailiwick-operator/bailiwick/pkg/snapshot/snapshottest"
)

func verify(data []byte) (Archive, []byte, error) {
	var copied bytes.Buffer
	a, err := Verify(bytes.NewReader(data), &copied)
	return a, copied.Bytes(), err
}

func TestVerify(t *testing.T) {
	data := snapshottest.Archive(t, snapshottest.Options{State: 1 << 20, Index: 77, Term: 3, KeyID: "static-1"})
	a, copied, err := verify(data)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	want := Archive{Digest: hex.EncodeToString(sum[:]), Size: int64(len(data)), Index: 77, Term: 3, SealKeyID: "static-1"}
	if a != want {
		t.Errorf("got %+v, want %+v", a, want)
	}
	if !bytes.Equal(copied, data) {
		t.Error("what was written is not what was read")
	}
}

func TestVerifyRefuses(t *testing.T) {
	options := snapshottest.Options{State: 4096, Index: 77, Term: 3, KeyID: "k"}
	whole := snapshottest.Archive(t, options)
	with := func(change func(o *snapshottest.Options)) []byte {
		o := options
		change(&o)
		return snapshottest.Archive(t, o)
	}
	for name, test := range map[string]struct {
		data []byte
		says string
	}{
		"nothing":            {nil, "does not begin"},
		"no gzip":            {[]byte(`{"errors":["permission denied"]}`), "does not begin"},
		"cut":                {whole[:len(whole)-9], "end"},
		"something behind":   {append(bytes.Clone(whole), 'x'), "behind the end"},
		"a second stream":    {append(bytes.Clone(whole), whole...), "behind the end"},
		"no sealed sums":     {with(func(o *snapshottest.Options) { o.Files = []string{"meta.json", "state.bin", "SHA256SUMS"} }), "ends before SHA256SUMS.sealed"},
		"nothing sealed":     {with(func(o *snapshottest.Options) { o.Unsealed = true }), "is empty"},
		"only the metadata":  {with(func(o *snapshottest.Options) { o.Files = []string{"meta.json"} }), "ends before state.bin"},
		"a further file":     {with(func(o *snapshottest.Options) { o.Files = append(snapshottest.Files(), "more") }), "behind its end"},
		"another sum":        {with(func(o *snapshottest.Options) { o.WrongSum = true }), "checksum of state.bin"},
		"another size":       {with(func(o *snapshottest.Options) { o.MetaSize = 4097 }), "4096 bytes"},
		"no index":           {with(func(o *snapshottest.Options) { o.Index = 0 }), "lacks the index"},
		"another order":      {with(func(o *snapshottest.Options) { o.Files = []string{"state.bin", "meta.json"} }), "where meta.json is expected"},
		"no end of the list": {with(func(o *snapshottest.Options) { o.NoEnd = true }), "has no end"},
		"junk after the end": {with(func(o *snapshottest.Options) { o.Junk = true }), "behind the end of the list"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := verify(test.data)
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want one that says %q", err, test.says)
			}
		})
	}
}

// harmless are the bytes of a gzip header that say when, how and where it was compressed.
// No checksum covers them, and nothing depends on them.
func harmless(at int) bool { return at >= 4 && at < 10 }

// A hundred archives that are cut or changed at random places are all found out. Whether
// the damage is in the compressed data, in a header or in the checksums makes no
// difference.
func TestEveryDamageIsFound(t *testing.T) {
	const seed = 14
	random := rand.New(rand.NewPCG(seed, seed))
	manifestOf := func(data []byte) Manifest {
		a, _, err := verify(data)
		if err != nil {
			t.Fatal(err)
		}
		return Manifest{Digest: a.Digest, Size: a.Size, Index: a.Index, Term: a.Term}
	}
	found := 0
	for i := range 100 {
		data := snapshottest.Archive(t, snapshottest.Options{State: 1 + random.IntN(1<<16), Index: 1 + random.Uint64N(1e6), Term: 1 + random.Uint64N(9), KeyID: "k"})
		manifest, broken := manifestOf(data), bytes.Clone(data)
		what := "cut"
		if i%2 == 0 {
			broken = broken[:random.IntN(len(broken))]
		} else {
			at := random.IntN(len(broken))
			for harmless(at) {
				at = random.IntN(len(broken))
			}
			broken[at] ^= 1 << random.IntN(8)
			what = "changed"
		}
		a, _, err := verify(broken)
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("archive %d, %s: %v", i, what, err)
			continue
		}
		if manifest.Matches(a) == nil {
			t.Errorf("archive %d, %s: it matches its manifest", i, what)
		}
		found++
	}
	t.Logf("%d of 100 were found", found)
}

// What was damaged before it was compressed is found by the checksums within, in each part of
// the archive. What is sealed can be checked by a server only, and nothing depends on what
// fills up a block.
func TestDamageBeforeCompression(t *testing.T) {
	data := snapshottest.Archive(t, snapshottest.Options{State: 3000, Index: 77, Term: 3, KeyID: "k"})
	stream, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(stream)
	if err != nil {
		t.Fatal(err)
	}
	const block = 512
	random := rand.New(rand.NewPCG(1, 14))
	tried := map[string]int{}
	damage := func(part string, from, size int) {
		for range 25 {
			broken := bytes.Clone(plain)
			broken[from+random.IntN(size)] ^= 1 << random.IntN(8)
			var out bytes.Buffer
			w := gzip.NewWriter(&out)
			_, err := w.Write(broken)
			if err := errors.Join(err, w.Close()); err != nil {
				t.Fatal(err)
			}
			if _, _, err := verify(out.Bytes()); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v", part, err)
			}
			tried[part]++
		}
	}
	at := 0
	files := tar.NewReader(bytes.NewReader(plain))
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		damage("header of "+header.Name, at, block)
		at += block
		if header.Name != fileSealed {
			damage(header.Name, at, int(header.Size))
		}
		at += (int(header.Size) + block - 1) / block * block
	}
	damage("end", at, len(plain)-at)
	if len(tried) != 8 {
		t.Errorf("tried %v", tried)
	}
}

// What only the compression says is found by the digest, where there is one.
func TestManifestFindsWhatNothingElseDoes(t *testing.T) {
	data := snapshottest.Archive(t, snapshottest.Options{State: 100, Index: 1, Term: 1})
	before, _, err := verify(data)
	if err != nil {
		t.Fatal(err)
	}
	data[5] ^= 1
	after, _, err := verify(data)
	if err != nil {
		t.Fatal(err)
	}
	m := Manifest{Digest: before.Digest, Size: before.Size, Index: before.Index, Term: before.Term}
	if m.Matches(before) != nil || !errors.Is(m.Matches(after), ErrDamaged) {
		t.Errorf("%v, %v", m.Matches(before), m.Matches(after))
	}
}

type brokenReader struct{ r io.Reader }

var errBroken = errors.New("connection reset")

func (b brokenReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if errors.Is(err, io.EOF) {
		err = errBroken
	}
	return n, err
}

// A connection that breaks is no damage: to take the snapshot again may help.
func TestBrokenConnection(t *testing.T) {
	data := snapshottest.Archive(t, snapshottest.Options{State: 1 << 16, Index: 1, Term: 1})
	_, err := Verify(brokenReader{bytes.NewReader(data[:1000])}, io.Discard)
	if !errors.Is(err, errBroken) || errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
	full := errors.New("no space left on device")
	_, err = Verify(bytes.NewReader(data), writerFunc(func([]byte) (int, error) { return 0, full }))
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// The memory that it takes does not depend on the size.
func TestVerifyIsSmall(t *testing.T) {
	measure := func(size int) uint64 {
		data := snapshottest.Archive(t, snapshottest.Options{State: size, Index: 1, Term: 1})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := Verify(bytes.NewReader(data), io.Discard); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	small, large := measure(1<<20), measure(32<<20)
	if large > small+(1<<20) {
		t.Errorf("%d bytes for 1 MiB, %d for 32 MiB", small, large)
	}
}
