// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package backup carries out the steps of backups: it takes a snapshot and publishes it,
// and deletes those that have expired.
package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/encryption"
	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
	"github.com/bailiwick-operator/bailiwick/pkg/objectstore"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/snapshot"
)

// Store is what the steps need of an object store. objectstore.Store is one.
type Store interface {
	Check(ctx context.Context, prefix string) error
	Put(ctx context.Context, name, contentType string, r io.Reader) error
	PutFile(ctx context.Context, name, contentType string, file io.ReaderAt, size int64) error
	PutForNow(ctx context.Context, name, contentType string, r io.Reader) error
	Size(ctx context.Context, name string) (int64, error)
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	Delete(ctx context.Context, name string) error
	List(ctx context.Context, prefix string, yield func(objectstore.Object) error) error
	Close() error
}

// Options are what the steps find in their pod. All fields are required but for Log.
type Options struct {
	// Open opens a store.
	Open func(ctx context.Context, t jobstep.Target) (Store, error)
	// TokenFile has the token of the ServiceAccount, and SpoolDir room for a snapshot.
	TokenFile, SpoolDir string
	// AllowLocal permits servers on this machine.
	AllowLocal bool
	// Patience is for how long a step tries to reach the store, and the servers, at first.
	Patience time.Duration
	// Now is the clock.
	Now func() time.Time
	// Log is told what is being done.
	Log func(format string, args ...any)
}

// Failure says why a step failed.
type Failure struct {
	// Reason is one of jobstep's.
	Reason string
	// Again says that it may succeed later without anybody's doing.
	Again bool
	Err   error
}

// Error implements error.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

func fail(reason string, again bool, format string, args ...any) error {
	return &Failure{Reason: reason, Again: again, Err: fmt.Errorf(format, args...)}
}

// storeFailure is a Failure of the object store.
func storeFailure(err error) error {
	var known *Failure
	if err == nil || errors.As(err, &known) {
		return err
	}
	class := objectstore.ClassOf(err)
	reason := jobstep.ReasonStoreFailed
	switch class {
	case objectstore.Credentials:
		reason = jobstep.ReasonStoreCredentials
	case objectstore.NoBucket:
		reason = jobstep.ReasonBucketMissing
	case objectstore.Unreachable:
		reason = jobstep.ReasonStoreUnreachable
	case objectstore.Untrusted:
		reason = jobstep.ReasonStoreUntrusted
	}
	return &Failure{Reason: reason, Again: class.MayPass(), Err: err}
}

const (
	typeSnapshot = "application/gzip"
	typeManifest = "application/json"
	// revokeTimeout bounds the end of a login.
	revokeTimeout = 10 * time.Second
	// requestTimeout bounds a request to a server but for the snapshot itself.
	requestTimeout = 15 * time.Second
)

// Run takes a snapshot, verifies it to its end, and publishes it: first a mark that says
// who stores it, then the snapshot, and once that is in the store as a whole, the manifest
// that makes it count. Where it is killed in between, Retain of a later operation knows by
// the mark what may be deleted.
func Run(ctx context.Context, r jobstep.BackupRequest, o Options) (jobstep.BackupResult, error) {
	if err := check(r); err != nil {
		return jobstep.BackupResult{}, fail(jobstep.ReasonRequestInvalid, false, "the request is wrong: %w", err)
	}
	recipients, err := encryption.Parse(r.Encryption, o.Now())
	if err != nil {
		return jobstep.BackupResult{}, fail(jobstep.ReasonRequestInvalid, false, "the snapshot cannot be encrypted: %w", err)
	}
	ctx, cancel := context.WithDeadline(ctx, r.Operation.Deadline)
	defer cancel()
	store, err := o.Open(ctx, r.Target)
	if err != nil {
		return jobstep.BackupResult{}, storeFailure(err)
	}
	defer func() { _ = store.Close() }() // everything was answered by then
	// What is wrong with the store is found before the servers have work with it.
	if err := o.reach(ctx, storeAway, func() error { return store.Check(ctx, folderOf(r.Name)) }); err != nil {
		return jobstep.BackupResult{}, storeFailure(err)
	}
	if done, err := published(ctx, store, r); err != nil || done != nil {
		if err != nil {
			return jobstep.BackupResult{}, storeFailure(err)
		}
		unmark(ctx, store, r.Name, o)
		return *done, nil
	}
	spool, err := os.CreateTemp(o.SpoolDir, "snapshot-*")
	if err != nil {
		return jobstep.BackupResult{}, fail(jobstep.ReasonSpoolTooSmall, false, "there is no room for the snapshot: %w", err)
	}
	defer func() {
		// The folder ends with the pod.
		_ = spool.Close()
		_ = os.Remove(spool.Name())
	}()
	m, err := take(ctx, r, o, recipients, spool)
	if err != nil {
		return jobstep.BackupResult{}, err
	}
	if err := publish(ctx, store, r, o, recipients, spool, m); err != nil {
		return jobstep.BackupResult{}, err
	}
	return resultOf(r, m), nil
}

func check(r jobstep.BackupRequest) error {
	switch {
	case r.Operation.UID == "" || r.Operation.Fence <= 0 || r.Operation.Deadline.IsZero():
		return errors.New("it names no operation")
	case !strings.HasSuffix(r.Name, ".snap") || folderOf(r.Name) == "" || strings.Contains(r.Name, ".."):
		return errors.New("it names no snapshot")
	case len(r.Servers) == 0 || r.Cluster.ID == "":
		return errors.New("it names no servers of a cluster")
	case r.SpoolLimit <= 0:
		return errors.New("it has no limit for the snapshot")
	}
	return nil
}

// folderOf returns the folder of a name, with the slash at its end.
func folderOf(name string) string { return name[:strings.LastIndexByte(name, '/')+1] }

func resultOf(r jobstep.BackupRequest, m snapshot.Manifest) jobstep.BackupResult {
	return jobstep.BackupResult{
		Name: r.Name, Bucket: r.Target.Bucket, Digest: m.Digest, Size: m.Size, Index: m.Index, Term: m.Term, Version: m.Version, SealKeyID: m.SealKeyID, TakenAt: m.TakenAt,
	}
}

// published returns what an earlier run of the same operation has published, nil if none
// has. Its pod may have ended before anybody read what it reported.
func published(ctx context.Context, store Store, r jobstep.BackupRequest) (*jobstep.BackupResult, error) {
	m, err := readManifest(ctx, store, snapshot.ManifestOf(r.Name))
	if objectstore.ClassOf(err) == objectstore.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if m.Operation != r.Operation.UID || m.Cluster.ID != r.Cluster.ID {
		return nil, fail(jobstep.ReasonStoreFailed, false, "the manifest %s is there already, of another operation", snapshot.ManifestOf(r.Name))
	}
	size, err := store.Size(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	if want := m.Stored().Size; size != want {
		return nil, fail(jobstep.ReasonStoreFailed, false, "the snapshot %s has %d bytes, and its manifest says %d", r.Name, size, want)
	}
	result := resultOf(r, m)
	result.Found = true
	return &result, nil
}

func readManifest(ctx context.Context, store Store, name string) (snapshot.Manifest, error) {
	body, err := store.Get(ctx, name)
	if err != nil {
		return snapshot.Manifest{}, err
	}
	defer func() { _ = body.Close() }() // it is read
	return snapshot.ReadManifest(name, body)
}

func storeAway(err error) bool { return objectstore.ClassOf(err) == objectstore.Unreachable }

func serversAway(err error) bool {
	var failure *Failure
	return errors.As(err, &failure) && failure.Reason == jobstep.ReasonServerFailed && failure.Again
}

// take logs in, and spools a snapshot that is verified. What is spooled is what will be
// stored: where there are recipients, it is encrypted on its way to the disk.
func take(ctx context.Context, r jobstep.BackupRequest, o Options, recipients encryption.Recipients, spool io.Writer) (snapshot.Manifest, error) {
	var client *openbao.Client
	var health openbao.Health
	err := o.reach(ctx, serversAway, func() (err error) {
		client, health, err = logIn(ctx, r, o)
		return err
	})
	if err != nil {
		return snapshot.Manifest{}, err
	}
	defer func() {
		// It is short-lived, and says nothing where it can't be revoked.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
		defer cancel()
		if err := client.RevokeSelf(end); err != nil {
			o.log("The token could not be revoked, and ends by itself: %v", err)
		}
		client.Close()
	}()
	if err := checkRights(ctx, client); err != nil {
		return snapshot.Manifest{}, err
	}
	takenAt := o.Now().UTC().Truncate(time.Second)
	o.log("Taking a snapshot of the cluster %s", health.ClusterID)
	body, err := client.Snapshot(ctx)
	if err != nil {
		return snapshot.Manifest{}, fail(jobstep.ReasonServerFailed, serverMayPass(err), "%w", err)
	}
	defer func() { _ = body.Close() }() // it is read to its end, or given up
	archive, object, err := verify(body, recipients, &limitedWriter{to: spool, left: r.SpoolLimit})
	switch {
	case err == nil:
	case errors.Is(err, errSpoolFull):
		return snapshot.Manifest{}, fail(jobstep.ReasonSpoolTooSmall, false, "the snapshot is larger than %d bytes, which is the limit (spec.backup.spool.size)", r.SpoolLimit)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return snapshot.Manifest{}, fail(jobstep.ReasonSpoolTooSmall, true, "there is too little room on the node: %w", err)
	case errors.Is(err, snapshot.ErrDamaged):
		// A server that fails in between ends it early.
		return snapshot.Manifest{}, fail(jobstep.ReasonSnapshotDamaged, true, "%w", err)
	default:
		return snapshot.Manifest{}, fail(jobstep.ReasonServerFailed, true, "the server did not send it to its end: %w", err)
	}
	m := snapshot.Manifest{
		Format: snapshot.Format, Snapshot: snapshot.BaseName(r.Name), Digest: archive.Digest, Size: archive.Size, Index: archive.Index, Term: archive.Term,
		Kind: r.Kind, TakenAt: takenAt, Cluster: r.Cluster, Version: health.Version, SealKeyID: archive.SealKeyID, Encryption: snapshot.NoEncryption,
		Contract: r.Contract, Operation: r.Operation.UID, Fence: r.Operation.Fence,
	}
	if !recipients.None() {
		m.Encryption, m.Recipients, m.Object = recipients.Method(), recipients.Fingerprints(), &object
	}
	return m, nil
}

// verify reads the archive to its end, and writes it to spool, encrypted where there are
// recipients. It returns what was written, too.
func verify(r io.Reader, recipients encryption.Recipients, spool io.Writer) (snapshot.Archive, snapshot.Object, error) {
	if recipients.None() {
		a, err := snapshot.Verify(r, spool)
		return a, snapshot.Object{}, err
	}
	written := newMeter()
	w, err := recipients.Encrypt(io.MultiWriter(spool, written))
	if err != nil {
		return snapshot.Archive{}, snapshot.Object{}, err
	}
	a, err := snapshot.Verify(r, w)
	if err == nil {
		err = w.Close()
	}
	return a, written.object(), err
}

// logIn logs in at the active server, which any of the servers leads to.
func logIn(ctx context.Context, r jobstep.BackupRequest, o Options) (*openbao.Client, openbao.Health, error) {
	raw, err := os.ReadFile(o.TokenFile)
	if err != nil {
		return nil, openbao.Health{}, fail(jobstep.ReasonLoginRefused, true, "read the token of the ServiceAccount: %w", err)
	}
	token := openbao.NewToken(strings.TrimSpace(string(raw)))
	var errs []error
	for _, address := range r.Servers {
		client, err := openbao.New(openbao.Options{
			Address: address, CABundle: []byte(r.CABundle), AllowLocal: o.AllowLocal, Timeout: requestTimeout,
		})
		if err != nil {
			return nil, openbao.Health{}, fail(jobstep.ReasonRequestInvalid, false, "%w", err)
		}
		health, err := client.Health(ctx)
		if err == nil && health.ClusterID != r.Cluster.ID && health.ClusterID != "" {
			client.Close()
			return nil, health, fail(jobstep.ReasonServerFailed, false, "the server at %s is part of the cluster %s, and this is the backup of %s", address, health.ClusterID, r.Cluster.ID)
		}
		if err == nil {
			var login openbao.Login
			if login, err = client.LoginJWT(ctx, r.Mount, r.Role, token); err == nil {
				if client, err = client.WithToken(login.Token); err != nil {
					return nil, health, fail(jobstep.ReasonRequestInvalid, false, "%w", err)
				}
				return client, health, nil
			}
		}
		client.Close()
		if openbao.IsLoginRefused(err) {
			return nil, health, fail(jobstep.ReasonLoginRefused, true, "%w", err)
		}
		errs = append(errs, fmt.Errorf("%s: %w", address, err))
	}
	return nil, openbao.Health{}, fail(jobstep.ReasonServerFailed, true, "no server lets it in: %w", errors.Join(errs...))
}

// Paths of the backup identity's policy, and of what it must not have.
const (
	snapshotPath = "sys/storage/raft/snapshot"
	restorePath  = "sys/storage/raft/snapshot-force"
)

// checkRights fails unless the login may take a snapshot, and do nothing else with them.
func checkRights(ctx context.Context, client *openbao.Client) error {
	may, err := client.CapabilitiesSelf(ctx, snapshotPath, restorePath)
	if err != nil {
		return fail(jobstep.ReasonServerFailed, serverMayPass(err), "%w", err)
	}
	for path, want := range map[string]string{snapshotPath: "read", restorePath: "deny"} {
		if !slices.Equal(may[path], []string{want}) {
			return fail(jobstep.ReasonRightsDiffer, false, "the login may %s on %s, and should %s", strings.Join(may[path], ", "), path, want)
		}
	}
	return nil
}

func serverMayPass(err error) bool {
	switch openbao.ClassOf(err) {
	case openbao.PermissionDenied, openbao.Invalid, openbao.NotFound:
		return false
	}
	return true
}

// publish stores the snapshot, and then its manifest.
func publish(ctx context.Context, store Store, r jobstep.BackupRequest, o Options, recipients encryption.Recipients, spool io.ReaderAt, m snapshot.Manifest) error {
	encoded, err := m.Encode()
	if err != nil {
		return fail(jobstep.ReasonRequestInvalid, false, "encode the manifest: %w", err)
	}
	if err := inTime(r.Operation, o); err != nil {
		return err
	}
	if err := mark(ctx, store, r, m); err != nil {
		return storeFailure(err)
	}
	o.log("Storing %s: %d bytes, index %d", r.Name, m.Size, m.Index)
	err = storeData(ctx, store, r.Name, recipients, spool, m.Stored())
	if err == nil {
		err = checkSize(ctx, store, r.Name, m.Stored().Size)
	}
	if err == nil {
		err = inTime(r.Operation, o)
	}
	if err != nil {
		// The answer to what was stored may have been lost.
		return errors.Join(storeFailure(err), withdraw(ctx, store, r.Name))
	}
	name := snapshot.ManifestOf(r.Name)
	if err := store.Put(ctx, name, typeManifest, bytes.NewReader(encoded)); err != nil {
		if err := settle(ctx, store, r, err); err != nil {
			return err
		}
	}
	unmark(ctx, store, r.Name, o)
	return nil
}

// mark says in the store which operation is about to store the snapshot. It fails where
// something of that name is there that the operation did not store.
func mark(ctx context.Context, store Store, r jobstep.BackupRequest, m snapshot.Manifest) error {
	name := snapshot.PendingOf(r.Name)
	earlier, err := readPending(ctx, store, name)
	switch {
	case err == nil && (earlier.Operation != r.Operation.UID || earlier.Cluster.ID != r.Cluster.ID):
		return fail(jobstep.ReasonStoreFailed, false, "the mark %s is there already, of another operation", name)
	case objectstore.ClassOf(err) == objectstore.NotFound:
		_, err := store.Size(ctx, r.Name)
		if err == nil {
			return fail(jobstep.ReasonStoreFailed, false, "there is an object %s already, and nothing says whose it is", r.Name)
		}
		if objectstore.ClassOf(err) != objectstore.NotFound {
			return err
		}
	case err != nil:
		return err
	}
	p := snapshot.Pending{
		Format: snapshot.Format, Snapshot: m.Snapshot, Cluster: r.Cluster, Operation: r.Operation.UID, Fence: r.Operation.Fence, Deadline: r.Operation.Deadline,
		Size: m.Stored().Size,
	}
	encoded, err := p.Encode()
	if err != nil {
		return err
	}
	if err := store.PutForNow(ctx, name, typeManifest, bytes.NewReader(encoded)); err != nil {
		return errors.Join(storeFailure(err), withdraw(ctx, store, r.Name))
	}
	return nil
}

// unmark deletes the mark of a snapshot that is published. Where that fails, Retain does it.
func unmark(ctx context.Context, store Store, name string, o Options) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	if err := store.Delete(ctx, snapshot.PendingOf(name)); err != nil {
		o.log("The mark %s stays for now, and means nothing: %v", snapshot.PendingOf(name), err)
	}
}

func readPending(ctx context.Context, store Store, name string) (snapshot.Pending, error) {
	body, err := store.Get(ctx, name)
	if err != nil {
		return snapshot.Pending{}, err
	}
	defer func() { _ = body.Close() }() // it is read
	return snapshot.ReadPending(name, body)
}

// storeData stores what is in the spool, which must still be what was verified: the whole is
// read once more beside the upload.
func storeData(ctx context.Context, store Store, name string, recipients encryption.Recipients, spool io.ReaderAt, want snapshot.Object) error {
	contentType := typeSnapshot
	if !recipients.None() {
		contentType = recipients.ContentType()
	}
	read := make(chan error, 1)
	go func() {
		again := newMeter()
		_, err := io.Copy(again, io.NewSectionReader(spool, 0, want.Size))
		if err == nil && again.object() != want {
			err = errors.New("its digest is another")
		}
		read <- err
	}()
	err := store.PutFile(ctx, name, contentType, spool, want.Size)
	if readErr := <-read; readErr != nil {
		return fail(jobstep.ReasonSnapshotDamaged, true, "the node lost or changed a part of what was verified: %w", readErr)
	}
	return err
}

// meter measures what is written to it.
type meter struct {
	sum hash.Hash
	n   int64
}

func newMeter() *meter { return &meter{sum: sha256.New()} }

// Write implements io.Writer.
func (m *meter) Write(p []byte) (int, error) {
	m.n += int64(len(p))
	return m.sum.Write(p)
}

func (m *meter) object() snapshot.Object {
	return snapshot.Object{Digest: hex.EncodeToString(m.sum.Sum(nil)), Size: m.n}
}

func checkSize(ctx context.Context, store Store, name string, want int64) error {
	size, err := store.Size(ctx, name)
	if err == nil && size != want {
		err = fail(jobstep.ReasonStoreFailed, true, "the store has %d bytes of a snapshot with %d", size, want)
	}
	return err
}

// settle finds out what became of a manifest whose writing failed. The answer may have been
// lost.
func settle(ctx context.Context, store Store, r jobstep.BackupRequest, putErr error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	m, err := readManifest(ctx, store, snapshot.ManifestOf(r.Name))
	switch {
	case err == nil && m.Operation == r.Operation.UID:
		return nil
	case objectstore.ClassOf(err) == objectstore.NotFound:
		return errors.Join(storeFailure(putErr), withdraw(ctx, store, r.Name))
	}
	// With the manifest there, it counts; without, nobody takes it for a backup.
	return storeFailure(putErr)
}

// withdraw deletes a snapshot that will have no manifest, and then its mark: with the
// mark, a later operation can do the same.
func withdraw(ctx context.Context, store Store, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	err := store.Delete(ctx, name)
	if err == nil {
		err = store.Delete(ctx, snapshot.PendingOf(name))
	}
	if err != nil {
		return fmt.Errorf("the snapshot %s stays for now, and does not count: %w", name, err)
	}
	return nil
}

// inTime fails once the time of the operation is over: another one may be under way.
func inTime(op jobstep.Operation, o Options) error {
	if !o.Now().Before(op.Deadline) {
		return fail(jobstep.ReasonDeadlinePassed, true, "the time of the operation was over at %s", op.Deadline.UTC().Format(time.RFC3339))
	}
	return nil
}

func (o Options) log(format string, args ...any) {
	if o.Log != nil {
		o.Log(format, args...)
	}
}

var errSpoolFull = errors.New("the spool is full")

// limitedWriter fails instead of writing more than it may.
type limitedWriter struct {
	to   io.Writer
	left int64
}

// Write implements io.Writer.
func (l *limitedWriter) Write(p []byte) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, errSpoolFull
	}
	return l.to.Write(p)
}

// OpenStore opens the store of a target with the credentials in a folder.
func OpenStore(ctx context.Context, folder, cloudToken string, t jobstep.Target) (Store, error) {
	secrets, err := objectstore.ReadSecrets(folder)
	if err != nil {
		return nil, err
	}
	return objectstore.Open(ctx, objectstore.Target{
		Provider: t.Provider, Endpoint: t.Endpoint, Bucket: t.Bucket, Region: t.Region, UsePathStyle: t.UsePathStyle, RoleARN: t.RoleARN,
		WebIdentityTokenFile: filepath.Clean(cloudToken), InsecureSkipVerify: t.InsecureSkipVerify, StorageAccount: t.StorageAccount,
		StorageClass: t.StorageClass, EncryptionAlgorithm: t.EncryptionAlgorithm, EncryptionKey: t.EncryptionKey,
		LockMode: t.LockMode, LockFor: t.LockFor, PartSize: t.PartSize, Concurrency: t.Concurrency, CredentialsSecret: t.CredentialsSecret,
	}, secrets)
}
