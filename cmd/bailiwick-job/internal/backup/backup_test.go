// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
	"github.com/bailiwick-operator/bailiwick/pkg/objectstore"
	"github.com/bailiwick-operator/bailiwick/pkg/snapshot"
	"github.com/bailiwick-operator/bailiwick/pkg/snapshot/snapshottest"
)

const clusterID = "11111111-2222-3333-4444-555555555555"

// memoryStore is an object store that fails as it is told.
type memoryStore struct {
	mu      sync.Mutex
	objects map[string][]byte
	// failAt fails the request of that number, counted from 1; after is called instead of
	// that where the request succeeds and its answer is lost.
	calls, failAt int
	lost          bool
	fail          error
	// modified is when all of it was stored, and unreadable the objects that are in an archive.
	modified   time.Time
	unreadable map[string]bool
	// dead fails all further requests, too.
	dead bool
}

var errKilled = &objectstore.Error{Class: objectstore.Unreachable, Op: "x", Detail: "killed"}

// deadlineOfTest is how long an operation may take.
const deadlineOfTest = time.Hour

func newStore() *memoryStore { return &memoryStore{objects: map[string][]byte{}} }

// request counts a request, and says whether it fails before it does anything, and after.
func (m *memoryStore) request() (before, after error) {
	m.calls++
	if m.failAt == 0 || m.calls < m.failAt || m.calls > m.failAt && !m.dead {
		return nil, nil
	}
	if m.dead {
		if m.calls > m.failAt || !m.lost {
			return errKilled, nil
		}
		return nil, errKilled
	}
	if m.lost {
		return nil, m.fail
	}
	return m.fail, nil
}

func (m *memoryStore) Check(context.Context, string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, after := m.request()
	return errors.Join(before, after)
}

func (m *memoryStore) Put(_ context.Context, name, _ string, r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before, after := m.request()
	if before != nil {
		return before
	}
	m.objects[name] = data
	return after
}

func (m *memoryStore) PutFile(ctx context.Context, name, contentType string, file io.ReaderAt, size int64) error {
	return m.Put(ctx, name, contentType, io.NewSectionReader(file, 0, size))
}

func (m *memoryStore) PutForNow(ctx context.Context, name, contentType string, r io.Reader) error {
	return m.Put(ctx, name, contentType, r)
}

func (m *memoryStore) Size(_ context.Context, name string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before, after := m.request(); before != nil || after != nil {
		return 0, errors.Join(before, after)
	}
	data, ok := m.objects[name]
	if !ok {
		return 0, &objectstore.Error{Class: objectstore.NotFound, Op: "look", Detail: name}
	}
	return int64(len(data)), nil
}

func (m *memoryStore) Get(_ context.Context, name string) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before, after := m.request(); before != nil || after != nil {
		return nil, errors.Join(before, after)
	}
	data, ok := m.objects[name]
	if !ok {
		return nil, &objectstore.Error{Class: objectstore.NotFound, Op: "read", Detail: name}
	}
	if m.unreadable[name] {
		return nil, &objectstore.Error{Class: objectstore.Credentials, Op: "read", Detail: "InvalidObjectState (status 403)"}
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (m *memoryStore) Delete(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, after := m.request()
	if before != nil {
		return before
	}
	delete(m.objects, name)
	return after
}

func (m *memoryStore) List(_ context.Context, prefix string, yield func(objectstore.Object) error) error {
	m.mu.Lock()
	var found []objectstore.Object
	for name, data := range m.objects {
		if strings.HasPrefix(name, prefix) {
			found = append(found, objectstore.Object{Name: name, Size: int64(len(data)), Modified: m.modified})
		}
	}
	before, after := m.request()
	m.mu.Unlock()
	if before != nil || after != nil {
		return errors.Join(before, after)
	}
	for _, object := range found {
		if err := yield(object); err != nil {
			return err
		}
	}
	return nil
}

func (m *memoryStore) Close() error { return nil }

// paperServer answers as the active server does.
type paperServer struct {
	snapshot []byte
	// sent is how much of it is sent; 0 is all.
	sent         int
	capabilities map[string][]string
	cluster      string
	login        int
	revoked      bool
}

func (p *paperServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	write := func(value any) { _ = json.NewEncoder(w).Encode(value) }
	switch r.URL.Path {
	case "/v1/sys/health":
		write(map[string]any{"initialized": true, "sealed": false, "standby": false, "version": "2.6.2", "cluster_id": p.cluster})
	case "/v1/auth/jwt-operator/login":
		if p.login != 0 {
			w.WriteHeader(p.login)
			write(map[string]any{"errors": []string{"error validating token: invalid subject"}})
			return
		}
		write(map[string]any{"auth": map[string]any{"client_token": "s.tok", "lease_duration": 600}})
	case "/v1/sys/capabilities-self":
		write(map[string]any{"data": p.capabilities})
	case "/v1/sys/storage/raft/snapshot":
		if r.Header.Get("X-Vault-Token") != "s.tok" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		data := p.snapshot
		if p.sent > 0 {
			data = data[:p.sent]
		}
		_, _ = w.Write(data)
	case "/v1/auth/token/revoke-self":
		p.revoked = true
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

type fixture struct {
	server  *paperServer
	store   *memoryStore
	request jobstep.BackupRequest
	options Options
	now     time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{store: newStore(), now: time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC), server: &paperServer{
		snapshot:     snapshottest.Archive(t, snapshottest.Options{State: 50_000, Index: 42, Term: 2, KeyID: "static-1"}),
		capabilities: map[string][]string{snapshotPath: {"read"}, restorePath: {"deny"}}, cluster: clusterID,
	}}
	server := httptest.NewTLSServer(f.server)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("jwt"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.request = jobstep.BackupRequest{
		Operation: jobstep.Operation{UID: "op1", Fence: 3, Deadline: time.Now().Add(time.Hour)},
		Name:      "p/ns/bao/2026-03-01T03-00-00Z-0badcafe.snap", Kind: snapshot.Scheduled, StartedAt: f.now,
		Servers: []string{server.URL}, CABundle: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})),
		Mount: "jwt-operator", Role: "openbao-operator-backup",
		Cluster:  snapshot.Cluster{ID: clusterID, Namespace: "ns", Name: "bao", UID: "uid"},
		Contract: snapshot.Contract{Issuer: "https://issuer", Keys: []snapshot.Key{{ID: "k1"}}, Audience: "bailiwick.dev/openbao/x/bao", Digest: "d"}, SpoolLimit: 1 << 20,
	}
	f.options = Options{
		Open:      func(context.Context, jobstep.Target) (Store, error) { return f.store, nil },
		TokenFile: token, SpoolDir: dir, AllowLocal: true, Now: func() time.Time { return f.now }, Log: t.Logf,
	}
	return f
}

func (f *fixture) run(t *testing.T) (jobstep.BackupResult, error) {
	t.Helper()
	result, err := Run(t.Context(), f.request, f.options)
	spooled, globErr := filepath.Glob(filepath.Join(f.options.SpoolDir, "snapshot-*"))
	if globErr != nil || len(spooled) > 0 {
		t.Errorf("left in the spool: %v, %v", spooled, globErr)
	}
	return result, err
}

// whole fails if something is published that is not whole.
func (f *fixture) whole(t *testing.T) (published int) {
	t.Helper()
	for name, data := range f.store.objects {
		of, ok := snapshot.SnapshotOf(name)
		if !ok {
			continue
		}
		m, err := snapshot.ReadManifest(name, bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		a, err := snapshot.Verify(bytes.NewReader(f.store.objects[of]), io.Discard)
		if err != nil || m.Matches(a) != nil {
			t.Fatalf("%s is published and not whole: %v, %v", of, err, m.Matches(a))
		}
		published++
	}
	return published
}

func TestBackup(t *testing.T) {
	f := newFixture(t)
	result, err := f.run(t)
	if err != nil {
		t.Fatal(err)
	}
	if result.Name != f.request.Name || result.Index != 42 || result.Term != 2 || result.Size != int64(len(f.server.snapshot)) || result.SealKeyID != "static-1" || result.Version != "2.6.2" {
		t.Errorf("result %+v", result)
	}
	if !f.server.revoked {
		t.Error("the token was not revoked")
	}
	if f.whole(t) != 1 || len(f.store.objects) != 2 {
		t.Errorf("stored: %d objects", len(f.store.objects))
	}
	m, err := snapshot.ReadManifest(snapshot.ManifestOf(f.request.Name), bytes.NewReader(f.store.objects[snapshot.ManifestOf(f.request.Name)]))
	if err != nil {
		t.Fatal(err)
	}
	if m.Operation != "op1" || m.Fence != 3 || m.Cluster != f.request.Cluster || m.Contract.Issuer != "https://issuer" || m.Encryption != snapshot.NoEncryption || !m.TakenAt.Equal(f.now) {
		t.Errorf("manifest %+v", m)
	}

	again, err := f.run(t)
	if err != nil || !again.Found || again.Digest != result.Digest {
		t.Errorf("the same operation once more: %+v, %v", again, err)
	}
	f.request.Operation.UID = "op2"
	if _, err := f.run(t); reason(err) != jobstep.ReasonStoreFailed {
		t.Errorf("another operation of the same name: %v", err)
	}
}

func reason(err error) string {
	var f *Failure
	if !errors.As(err, &f) {
		return fmt.Sprint(err)
	}
	if f.Again {
		return f.Reason + ", again"
	}
	return f.Reason
}

func TestBackupRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(f *fixture)
		want   string
	}{
		"a snapshot that is cut":        {func(f *fixture) { f.server.sent = 20_000 }, jobstep.ReasonSnapshotDamaged + ", again"},
		"an answer that is no snapshot": {func(f *fixture) { f.server.snapshot = []byte(`{"errors":[]}`) }, jobstep.ReasonSnapshotDamaged + ", again"},
		"one without its sealed sums": {func(f *fixture) {
			f.server.snapshot = snapshottest.Archive(t, snapshottest.Options{State: 9, Index: 1, Term: 1, Files: snapshottest.Files()[:3]})
		}, jobstep.ReasonSnapshotDamaged + ", again"},
		"one larger than the spool":  {func(f *fixture) { f.request.SpoolLimit = 1000 }, jobstep.ReasonSpoolTooSmall},
		"no right":                   {func(f *fixture) { f.server.capabilities[snapshotPath] = []string{"deny"} }, jobstep.ReasonRightsDiffer},
		"too many rights":            {func(f *fixture) { f.server.capabilities[restorePath] = []string{"update"} }, jobstep.ReasonRightsDiffer},
		"root":                       {func(f *fixture) { f.server.capabilities[snapshotPath] = []string{"root"} }, jobstep.ReasonRightsDiffer},
		"another cluster":            {func(f *fixture) { f.server.cluster = "other" }, jobstep.ReasonServerFailed},
		"a login that is refused":    {func(f *fixture) { f.server.login = 400 }, jobstep.ReasonLoginRefused + ", again"},
		"a server that is away":      {func(f *fixture) { f.request.Servers = []string{"https://127.0.0.1:1"} }, jobstep.ReasonServerFailed + ", again"},
		"a deadline that has passed": {func(f *fixture) { f.now = f.request.Operation.Deadline }, jobstep.ReasonDeadlinePassed + ", again"},
		"no fence":                   {func(f *fixture) { f.request.Operation.Fence = 0 }, jobstep.ReasonRequestInvalid},
		"no name":                    {func(f *fixture) { f.request.Name = "x.snap" }, jobstep.ReasonRequestInvalid},
		"no bucket":                  {func(f *fixture) { f.store.failAt, f.store.fail = 1, &objectstore.Error{Class: objectstore.NoBucket} }, jobstep.ReasonBucketMissing},
		"no rights at the store":     {func(f *fixture) { f.store.failAt, f.store.fail = 6, &objectstore.Error{Class: objectstore.Credentials} }, jobstep.ReasonStoreCredentials},
		"a store that is away":       {func(f *fixture) { f.store.failAt, f.store.fail = 6, &objectstore.Error{Class: objectstore.Unreachable} }, jobstep.ReasonStoreUnreachable + ", again"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			test.change(f)
			if _, err := f.run(t); reason(err) != test.want {
				t.Errorf("got %q: %v, want %q", reason(err), err, test.want)
			} else if strings.Contains(err.Error(), "s.tok") || strings.Contains(err.Error(), "jwt\"") {
				t.Errorf("the error holds a token: %v", err)
			}
			if len(f.store.objects) != 0 {
				t.Errorf("stored: %d objects", len(f.store.objects))
			}
		})
	}
}

// Wherever a request to the store fails, or its answer is lost, nothing is published that
// is not whole, and the same operation ends well when it is run again.
func TestFailureAtEveryRequest(t *testing.T) {
	const requests = 9
	for at := 1; at <= requests; at++ {
		for _, lost := range []bool{false, true} {
			f := newFixture(t)
			f.store.failAt, f.store.lost, f.store.fail = at, lost, &objectstore.Error{Class: objectstore.Unreachable, Op: "x", Detail: "reset"}
			result, err := f.run(t)
			published := f.whole(t)
			if (err == nil) != (published == 1) {
				t.Errorf("request %d, lost %v: %d published, %+v, %v", at, lost, published, result, err)
			}
			if err != nil && len(f.store.objects) > 0 {
				t.Errorf("request %d, lost %v: %d objects are left", at, lost, len(f.store.objects))
			}
			f.store.failAt = 0
			if _, err := f.run(t); err != nil || f.whole(t) != 1 || len(f.store.objects) != 2 {
				t.Errorf("request %d, lost %v: once more: %v", at, lost, err)
			}
		}
	}
	f := newFixture(t)
	if _, err := f.run(t); err != nil || f.store.calls != requests {
		t.Errorf("a backup is %d requests, not %d: %v", f.store.calls, requests, err)
	}
}

// add stores a snapshot with a manifest.
func (f *fixture) add(t *testing.T, days int, change ...func(*snapshot.Manifest)) string {
	t.Helper()
	at := f.now.Add(-time.Duration(days) * 24 * time.Hour)
	name := snapshot.Name("p/ns/bao/", snapshot.Scheduled, at, fmt.Sprint(days))
	m := snapshot.Manifest{
		Format: snapshot.Format, Snapshot: snapshot.BaseName(name), Digest: strings.Repeat("0", 64), Size: 4, Index: 1, Term: 1,
		Kind: snapshot.Scheduled, TakenAt: at, Cluster: snapshot.Cluster{ID: clusterID, UID: "uid"},
	}
	for _, c := range change {
		c(&m)
	}
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	f.store.objects[name], f.store.objects[snapshot.ManifestOf(name)] = []byte("data"), data
	return name
}

// keep names a snapshot of add.
func keep(name string) jobstep.Kept { return jobstep.Kept{Name: name, Digest: strings.Repeat("0", 64)} }

func TestRetain(t *testing.T) {
	f := newFixture(t)
	var own []string
	for days := range 5 {
		own = append(own, f.add(t, days))
	}
	foreign := f.add(t, 90, func(m *snapshot.Manifest) { m.Cluster.ID = "other" })
	for _, name := range []string{"p/ns/bao/2020-01-01T00-00-00Z-00000000.snap", "p/ns/bao/notes.txt", "p/ns/bao/deeper/x.snap", "p/ns/bao2/x.snap"} {
		f.store.objects[name] = []byte("somebody's")
	}
	copied := f.add(t, 91, func(m *snapshot.Manifest) { m.Cluster.UID = "the original" })
	ahead := f.add(t, -365)
	f.store.objects["p/ns/bao/broken.snap.manifest.json"] = []byte("{")
	// A manifest that claims what is not its own.
	f.store.objects["p/ns/bao/evil.snap.manifest.json"] = f.store.objects[snapshot.ManifestOf(own[4])]
	before := len(f.store.objects)
	request := jobstep.RetainRequest{Operation: f.request.Operation, Folder: "p/ns/bao/", ClusterID: clusterID, ClusterUID: "uid", Keep: keep(own[0]), MaxCount: 2}
	result, err := Retain(t.Context(), request, f.options)
	if err != nil {
		t.Fatal(err)
	}
	if result.Kept != 3 || result.Deleted != 3 || result.Future != 1 || result.Foreign != 2 || result.Unreadable != 2 || result.Ignored != 2 || len(f.store.objects) != before-6 {
		t.Errorf("result %+v, %d of %d objects", result, len(f.store.objects), before)
	}
	for i, name := range own {
		_, there := f.store.objects[name]
		if there != (i < 2) {
			t.Errorf("%s: %v", name, there)
		}
	}
	for _, name := range []string{foreign, copied, ahead} {
		if f.store.objects[name] == nil || f.store.objects[snapshot.ManifestOf(name)] == nil {
			t.Errorf("%s was deleted", name)
		}
	}
	f.now = f.request.Operation.Deadline.Add(time.Second)
	request.MaxCount = 1
	if _, err := Retain(t.Context(), request, f.options); reason(err) != jobstep.ReasonDeadlinePassed+", again" {
		t.Errorf("after the deadline: %v", err)
	}
}

// What is younger than its lock is not deleted, since S3 would only hide it.
func TestRetainUnderALock(t *testing.T) {
	for name, test := range map[string]struct {
		lockFor  time.Duration
		modified int
		held     int
	}{
		"no lock":               {0, 0, 0},
		"some":                  {60 * time.Hour, 9, 2},
		"over":                  {time.Hour, 9, 0},
		"stored later, by name": {60 * time.Hour, 1, 4},
	} {
		f := newFixture(t)
		published := f.add(t, 0)
		for days := range 4 {
			f.add(t, days+1)
		}
		f.store.modified = f.now.Add(-time.Duration(test.modified) * 24 * time.Hour)
		before := len(f.store.objects)
		request := jobstep.RetainRequest{Operation: f.request.Operation, Folder: "p/ns/bao/", ClusterID: clusterID, ClusterUID: "uid", Keep: keep(published), MaxCount: 1}
		if test.lockFor > 0 {
			request.Target.LockMode, request.Target.LockFor = objectstore.Governance, test.lockFor
		}
		result, err := Retain(t.Context(), request, f.options)
		if err != nil || result.Held != test.held || result.Deleted != 4-test.held || len(f.store.objects) != before-2*result.Deleted {
			t.Errorf("%s: %+v, %v", name, result, err)
		}
	}
}

// A manifest that cannot be read ends nothing: it is left, and counted.
func TestRetainWithAnArchive(t *testing.T) {
	f := newFixture(t)
	published, archived := f.add(t, 0), f.add(t, 9)
	f.add(t, 5)
	f.store.unreadable = map[string]bool{snapshot.ManifestOf(archived): true}
	request := jobstep.RetainRequest{Operation: f.request.Operation, Folder: "p/ns/bao/", ClusterID: clusterID, ClusterUID: "uid", Keep: keep(published), MaxCount: 1}
	result, err := Retain(t.Context(), request, f.options)
	if err != nil || result.Unreadable != 1 || result.Deleted != 1 || f.store.objects[archived] == nil {
		t.Errorf("%+v, %v", result, err)
	}
}

// Whatever the clocks say, what was just published stays. Where it is not there as it was,
// nothing is deleted.
func TestRetainKeepsWhatWasPublished(t *testing.T) {
	for name, test := range map[string]struct {
		days   int
		change func(f *fixture, name string)
		want   string
	}{
		"a slow clock":         {400, func(*fixture, string) {}, ""},
		"a clock ahead":        {-400, func(*fixture, string) {}, ""},
		"it is gone":           {0, func(f *fixture, name string) { delete(f.store.objects, name) }, jobstep.ReasonStoreFailed + ", again"},
		"its manifest is gone": {0, func(f *fixture, name string) { delete(f.store.objects, snapshot.ManifestOf(name)) }, jobstep.ReasonStoreFailed + ", again"},
		"it is cut":            {0, func(f *fixture, name string) { f.store.objects[name] = []byte("d") }, jobstep.ReasonStoreFailed + ", again"},
		"another manifest": {0, func(f *fixture, name string) {
			manifest := snapshot.ManifestOf(name)
			f.store.objects[manifest] = bytes.ReplaceAll(f.store.objects[manifest], []byte(strings.Repeat("0", 64)), []byte(strings.Repeat("1", 64)))
		}, jobstep.ReasonStoreFailed + ", again"},
	} {
		f := newFixture(t)
		published := f.add(t, test.days)
		for days := range 3 {
			f.add(t, days+1)
		}
		test.change(f, published)
		before := len(f.store.objects)
		request := jobstep.RetainRequest{Operation: f.request.Operation, Folder: "p/ns/bao/", ClusterID: clusterID, ClusterUID: "uid", Keep: keep(published), MaxCount: 2}
		result, err := Retain(t.Context(), request, f.options)
		if err == nil && test.want == "" {
			if result.Kept != 2 || result.Deleted != 2 || f.store.objects[published] == nil {
				t.Errorf("%s: %+v", name, result)
			}
			continue
		}
		if reason(err) != test.want || len(f.store.objects) != before {
			t.Errorf("%s: %v, %d of %d objects", name, err, len(f.store.objects), before)
		}
	}
}

// Wherever it is killed, the newest stays, and the next run ends it.
func TestRetainFailsAnywhere(t *testing.T) {
	for at := 1; at < 20; at++ {
		for _, lost := range []bool{false, true} {
			f := newFixture(t)
			newest := f.add(t, 0)
			for days := range rand.IntN(4) + 1 {
				f.add(t, days+1)
			}
			f.store.failAt, f.store.lost, f.store.fail = at, lost, &objectstore.Error{Class: objectstore.Unreachable}
			request := jobstep.RetainRequest{Operation: f.request.Operation, Folder: "p/ns/bao/", ClusterID: clusterID, ClusterUID: "uid", Keep: keep(newest), MaxCount: 1}
			_, _ = Retain(t.Context(), request, f.options) // It may fail.
			f.store.failAt = 0
			result, err := Retain(t.Context(), request, f.options)
			names := slices.Sorted(func(yield func(string) bool) {
				for name := range f.store.objects {
					if !yield(name) {
						return
					}
				}
			})
			if err != nil || result.Kept != 1 || !slices.Equal(names, []string{newest, snapshot.ManifestOf(newest)}) {
				t.Errorf("request %d, lost %v: %+v, %v, %v", at, lost, result, names, err)
			}
		}
	}
}
