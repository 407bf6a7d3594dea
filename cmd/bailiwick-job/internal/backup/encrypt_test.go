// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/bailiwick-operator/bailiwick/pkg/encryption"
	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
	"github.com/bailiwick-operator/bailiwick/pkg/snapshot"
	"github.com/bailiwick-operator/bailiwick/pkg/snapshot/snapshottest"
)

// What is stored can be read only with a key, and is what was verified.
func TestEncryptedBackup(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	f.request.Encryption = encryption.Keys{Age: []string{identity.Recipient().String()}}
	result, err := f.run(t)
	if err != nil {
		t.Fatal(err)
	}
	stored := f.store.objects[f.request.Name]
	if _, err := snapshot.Verify(bytes.NewReader(stored), io.Discard); err == nil {
		t.Fatal("it was stored as it is")
	}
	m, err := snapshot.ReadManifest(snapshot.ManifestOf(f.request.Name), bytes.NewReader(f.store.objects[snapshot.ManifestOf(f.request.Name)]))
	if err != nil {
		t.Fatal(err)
	}
	meter := newMeter()
	_, _ = meter.Write(stored) // It cannot fail.
	if m.Encryption != encryption.Age || len(m.Recipients) != 1 || m.Stored() != meter.object() || m.Size != int64(len(f.server.snapshot)) || m.Digest != result.Digest {
		t.Errorf("manifest %+v", m)
	}
	id, err := encryption.ReadIdentity([]byte(identity.String()), nil)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := id.Decrypt(bytes.NewReader(stored))
	if err != nil {
		t.Fatal(err)
	}
	a, err := snapshot.Verify(plain, io.Discard)
	if err != nil || m.Matches(a) != nil {
		t.Errorf("%v, %v", err, m.Matches(a))
	}
	if again, err := f.run(t); err != nil || !again.Found {
		t.Errorf("once more: %+v, %v", again, err)
	}
	retained, err := Retain(t.Context(), jobstep.RetainRequest{
		Operation: f.request.Operation, Folder: "p/ns/bao/", ClusterID: clusterID, ClusterUID: "uid", Keep: jobstep.Kept{Name: f.request.Name, Digest: m.Digest}, MaxCount: 1,
	}, f.options)
	if err != nil || retained.Kept != 1 || retained.Ignored != 0 {
		t.Errorf("%+v, %v", retained, err)
	}

	f = newFixture(t)
	f.request.Encryption = encryption.Keys{Age: []string{"age1nobody"}}
	if _, err := f.run(t); reason(err) != jobstep.ReasonRequestInvalid || f.server.revoked || len(f.store.objects) > 0 {
		t.Errorf("a key that is none: %v", err)
	}
}

// changedReader is a spool that changed after it was verified.
type changedReader struct {
	io.ReaderAt
	at int64
}

func (c changedReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	if c.at >= off && c.at < off+int64(n) {
		p[c.at-off] ^= 1
	}
	return n, err
}

func TestWhatWasVerifiedIsStored(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, keys := range []encryption.Keys{{}, {Age: []string{identity.Recipient().String()}}} {
		f := newFixture(t)
		recipients, err := encryption.Parse(keys, f.now)
		if err != nil {
			t.Fatal(err)
		}
		var spool bytes.Buffer
		m, err := take(t.Context(), f.request, f.options, recipients, &spool)
		if err != nil {
			t.Fatal(err)
		}
		if (recipients.None()) != (spool.Len() == len(f.server.snapshot)) || m.Stored().Size != int64(spool.Len()) {
			t.Errorf("%d bytes in the spool, %+v", spool.Len(), m)
		}
		err = publish(t.Context(), f.store, f.request, f.options, recipients, changedReader{bytes.NewReader(spool.Bytes()), 7777}, m)
		if reason(err) != jobstep.ReasonSnapshotDamaged+", again" || len(f.store.objects) > 0 {
			t.Errorf("%s, %d objects", reason(err), len(f.store.objects))
		}
		if err := publish(t.Context(), f.store, f.request, f.options, recipients, bytes.NewReader(spool.Bytes()), m); err != nil || len(f.store.objects) != 2 {
			t.Errorf("%v, %d objects", err, len(f.store.objects))
		}
	}
}

// A hundred snapshots that are changed or cut on their way from the server, everywhere in
// the archive: none is published.
func TestNoDamageIsPublished(t *testing.T) {
	random := rand.New(rand.NewPCG(14, 2))
	found := 0
	for i := range 100 {
		f := newFixture(t)
		f.server.snapshot = snapshottest.Archive(t, snapshottest.Options{State: 3000, Index: 42, Term: 2, KeyID: "k"})
		size := len(f.server.snapshot)
		if i%4 == 3 {
			f.server.sent = 1 + random.IntN(size-1)
		} else {
			// Each part of the archive has its turn. Bytes 4 to 9 say when and where it was
			// compressed, and nothing depends on them.
			at := 10 + (size-10)*i/100 + random.IntN((size-10)/100+1)
			if i == 0 {
				at = random.IntN(4)
			}
			f.server.snapshot[min(at, size-1)] ^= 1 << random.IntN(8)
		}
		_, err := f.run(t)
		if reason(err) != jobstep.ReasonSnapshotDamaged+", again" || len(f.store.objects) > 0 {
			t.Errorf("snapshot %d: %v, %d objects", i, err, len(f.store.objects))
			continue
		}
		found++
	}
	t.Logf("%d of 100 were found", found)
}

// Operations are killed at any request to the store, for many rounds, with what is not ours
// in the same folder. Nothing of that is ever touched, nothing that counts is lost, and once
// the last one ends well nothing that does not count is left.
func TestKilledOperationsLeaveNothingForever(t *testing.T) {
	count, left := 0, 0
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		f := newFixture(t)
		f.now = time.Now().UTC().Truncate(time.Second)
		foreign := map[string][]byte{
			"p/ns/bao/2020-01-01T00-00-00Z-00000000.snap": []byte("no mark"), "p/ns/bao/notes.txt": []byte("notes"), "p/ns/bao2/x.snap": []byte("x"),
			"p/ns/bao/x.snap": []byte("x"), "p/ns/bao/x.snap.pending.json": []byte("{}"),
		}
		mark := func(name string, p snapshot.Pending) {
			p.Format, p.Snapshot, p.Deadline = snapshot.Format, snapshot.BaseName(name), f.now
			encoded, err := p.Encode()
			if err != nil {
				t.Fatal(err)
			}
			foreign[name], foreign[snapshot.PendingOf(name)] = []byte("four"), encoded
		}
		mark("p/ns/bao/other.snap", snapshot.Pending{Cluster: snapshot.Cluster{ID: "other"}, Operation: "a", Fence: 1, Size: 4})
		mark("p/ns/bao/size.snap", snapshot.Pending{Cluster: snapshot.Cluster{ID: clusterID, UID: "uid"}, Operation: "a", Fence: 1, Size: 5})
		mark("p/ns/bao/newer.snap", snapshot.Pending{Cluster: snapshot.Cluster{ID: clusterID, UID: "uid"}, Operation: "a", Fence: 99, Size: 4})
		for name, data := range foreign {
			f.store.objects[name] = data
		}
		published := map[string]bool{}
		retain := jobstep.RetainRequest{Folder: "p/ns/bao/", ClusterID: clusterID, ClusterUID: "uid", MaxCount: 100}
		const rounds = 8
		for round := range rounds {
			f.request.Operation.UID, f.request.Operation.Fence = strings.Repeat("o", round+1), int32(round+2)
			f.request.Operation.Deadline = f.now.Add(deadlineOfTest)
			f.request.Name = snapshot.Name("p/ns/bao/", snapshot.Scheduled, f.now, f.request.Operation.UID)
			f.store.calls, f.store.failAt, f.store.dead = 0, 1+random.IntN(14), true
			if round == rounds-1 {
				f.store.failAt = 0
			}
			f.store.lost = random.IntN(2) == 0
			if done, err := f.run(t); err == nil {
				published[f.request.Name] = true
				retain.Operation, retain.Keep = f.request.Operation, jobstep.Kept{Name: done.Name, Digest: done.Digest}
				_, _ = Retain(t.Context(), retain, f.options) // It may be killed.
			}
			f.store.failAt = 0
			for name, data := range foreign {
				if !bytes.Equal(f.store.objects[name], data) {
					t.Fatalf("seed %d, round %d: %s was touched", seed, round, name)
				}
			}
			if n := f.whole(t); n < len(published) {
				t.Fatalf("seed %d, round %d: %d of %d count", seed, round, n, len(published))
			}
			for name := range f.store.objects {
				if _, ok := snapshot.SnapshotOfPending(name); ok && foreign[name] == nil {
					left++
				}
			}
			f.now = f.now.Add(2 * deadlineOfTest)
		}
		count += len(published)
		for name := range f.store.objects {
			of, manifest := snapshot.SnapshotOf(name)
			if !manifest {
				of = name
			}
			if _, counts := f.store.objects[snapshot.ManifestOf(of)]; !counts && foreign[name] == nil {
				t.Errorf("seed %d: %s is left", seed, name)
			}
		}
		if t.Failed() {
			t.Fatal(slices.Collect(func(yield func(string) bool) {
				for name := range f.store.objects {
					if !yield(name) {
						return
					}
				}
			}))
		}
	}
	if count < 90 || left < 30 {
		t.Errorf("%d backups counted, and %d times something was left: the test tries too little", count, left)
	}
}

// Until an operation is over, nothing of it is deleted, whatever the clock or the lock says
// alone.
func TestOperationsUnderWayAreLeft(t *testing.T) {
	for name, change := range map[string]func(f *fixture, r *jobstep.RetainRequest){
		"the same operation":   func(f *fixture, r *jobstep.RetainRequest) { r.Operation.UID = f.request.Operation.UID },
		"the same number":      func(f *fixture, r *jobstep.RetainRequest) { r.Operation.Fence = f.request.Operation.Fence },
		"a lower number":       func(f *fixture, r *jobstep.RetainRequest) { r.Operation.Fence = 1 },
		"before the deadline":  func(f *fixture, _ *jobstep.RetainRequest) { f.now = f.request.Operation.Deadline },
		"a cluster of another": func(_ *fixture, r *jobstep.RetainRequest) { r.ClusterID = "other" },
		"another object":       func(_ *fixture, r *jobstep.RetainRequest) { r.ClusterUID = "other" },
		"over":                 func(*fixture, *jobstep.RetainRequest) {},
	} {
		f := newFixture(t)
		f.now = time.Now().UTC().Truncate(time.Second)
		f.request.Operation.Deadline = f.now.Add(deadlineOfTest)
		f.store.failAt, f.store.dead = 8, true // The manifest.
		if _, err := f.run(t); err == nil || len(f.store.objects) != 2 {
			t.Fatalf("%d objects, %v", len(f.store.objects), err)
		}
		f.store.failAt = 0
		f.now = f.request.Operation.Deadline.Add(1)
		r := jobstep.RetainRequest{
			Operation: jobstep.Operation{UID: "next", Fence: f.request.Operation.Fence + 1, Deadline: f.request.Operation.Deadline.Add(deadlineOfTest)},
			Folder:    "p/ns/bao/", ClusterID: clusterID, ClusterUID: "uid", MaxCount: 1,
		}
		change(f, &r)
		r.Keep = keep(f.add(t, 0, func(m *snapshot.Manifest) { m.Cluster = clusterOf(r) }))
		result, err := Retain(t.Context(), r, f.options)
		if err != nil {
			t.Fatal(err)
		}
		if over := name == "over"; over != (result.Unfinished == 1) || over != (len(f.store.objects) == 2) {
			t.Errorf("%s: %+v, %d objects", name, result, len(f.store.objects))
		}
	}
}

// An object of the name that nobody knows of is not written over.
func TestForeignObjectIsNotWrittenOver(t *testing.T) {
	f := newFixture(t)
	f.store.objects[f.request.Name] = []byte("somebody's")
	if _, err := f.run(t); reason(err) != jobstep.ReasonStoreFailed || string(f.store.objects[f.request.Name]) != "somebody's" || len(f.store.objects) != 1 {
		t.Errorf("%v", err)
	}
}
