// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
	"github.com/bailiwick-operator/bailiwick/pkg/objectstore"
	"github.com/bailiwick-operator/bailiwick/pkg/snapshot"
)

// Retain deletes the snapshots of a cluster that have expired, each before its manifest:
// what has a manifest and no snapshot is not taken for a whole one. It also deletes what
// operations have left that were killed before their manifest, each before its mark.
func Retain(ctx context.Context, r jobstep.RetainRequest, o Options) (jobstep.RetainResult, error) {
	var result jobstep.RetainResult
	if r.Operation.UID == "" || r.Operation.Deadline.IsZero() || !strings.HasSuffix(r.Folder, "/") || !clusterOf(r).Same(clusterOf(r)) ||
		!snapshot.InFolder(r.Folder, r.Keep.Name) || r.Keep.Digest == "" {
		return result, fail(jobstep.ReasonRequestInvalid, false, "the request is wrong: it names no operation, folder, cluster or snapshot to keep")
	}
	ctx, cancel := context.WithDeadline(ctx, r.Operation.Deadline)
	defer cancel()
	store, err := o.Open(ctx, r.Target)
	if err != nil {
		return result, storeFailure(err)
	}
	defer func() { _ = store.Close() }() // everything was answered by then
	if err := o.reach(ctx, storeAway, func() error { return store.Check(ctx, r.Folder) }); err != nil {
		return result, storeFailure(err)
	}
	found, err := list(ctx, store, r, o)
	if err != nil {
		return result, storeFailure(err)
	}
	result.Foreign, result.Unreadable, result.Ignored, result.Kept = found.foreign, found.unreadable, found.ignored, len(found.stored)
	if !slices.ContainsFunc(found.stored, func(s snapshot.Stored) bool { return s.Published && s.Whole }) {
		// Then nothing is known to be good that the others could go for.
		return result, fail(jobstep.ReasonStoreFailed, true, "the snapshot %s, which was published, is not in the store as it was verified: nothing is deleted", r.Keep.Name)
	}
	verdict := snapshot.Retention{MaxCount: r.MaxCount, MaxAge: r.MaxAge}.Decide(found.stored, o.Now())
	result.Future = verdict.Future
	for _, s := range verdict.Expired {
		if locked(r, s.Since(), o) {
			o.log("%s is under its lock", s.Name)
			result.Held++
			continue
		}
		held, err := remove(ctx, store, r, o, s.Name, snapshot.ManifestOf(s.Name))
		switch {
		case err != nil:
			return result, err
		case held:
			result.Held++
		default:
			result.Deleted++
			result.Kept--
		}
	}
	for _, name := range found.published {
		if err := inTime(r.Operation, o); err != nil {
			return result, err
		}
		unmark(ctx, store, name, o)
	}
	for _, name := range found.unfinished {
		// It was not there when it was looked for first.
		if _, err := readManifest(ctx, store, snapshot.ManifestOf(name)); objectstore.ClassOf(err) != objectstore.NotFound {
			o.log("Left as it is: %s has a manifest", name)
			result.Ignored++
			continue
		}
		if locked(r, found.since[name], o) {
			o.log("%s is under its lock", name)
			result.Held++
			continue
		}
		held, err := remove(ctx, store, r, o, name, snapshot.PendingOf(name))
		switch {
		case err != nil:
			return result, err
		case held:
			result.Held++
		default:
			result.Unfinished++
		}
	}
	return result, nil
}

// locked reports whether what was stored at a time can be under a lock still. S3 does not
// refuse to delete it: it hides it, and the version stays and is paid for.
func locked(r jobstep.RetainRequest, since time.Time, o Options) bool {
	return r.Target.LockMode != "" && o.Now().Before(since.Add(r.Target.LockFor))
}

// remove deletes a snapshot, and then what says whose it is. held says that the store does
// not let it go yet.
func remove(ctx context.Context, store Store, r jobstep.RetainRequest, o Options, name, whose string) (held bool, err error) {
	if err := inTime(r.Operation, o); err != nil {
		return false, err
	}
	if err = store.Delete(ctx, name); err == nil {
		err = store.Delete(ctx, whose)
	}
	switch {
	case err == nil:
		o.log("Deleted %s", name)
		return false, nil
	case objectstore.ClassOf(err) == objectstore.Retained, objectstore.ClassOf(err) == objectstore.Credentials && r.Target.LockMode != "":
		// S3 says of an object under a lock that access is denied.
		o.log("%s is held by the store: %v", name, err)
		return true, nil
	}
	return false, storeFailure(err)
}

// contents is what is in the folder of a cluster.
type contents struct {
	// stored have a manifest of the cluster.
	stored []snapshot.Stored
	// published have a manifest as well as the mark of the same operation, and unfinished a
	// mark only, of an operation that is over.
	published, unfinished []string
	// since is when the store got the unfinished ones.
	since map[string]time.Time
	// foreign counts manifests of other clusters, unreadable those that could not be read,
	// and ignored all other objects but marks.
	foreign, unreadable, ignored int
}

// longestName is how long the name of an object in a folder may be that can be of a backup.
// Ours have half of that.
const longestName = 128

func clusterOf(r jobstep.RetainRequest) snapshot.Cluster {
	return snapshot.Cluster{ID: r.ClusterID, UID: r.ClusterUID}
}

// list reads what is in the folder of the cluster. There can be very many objects, and
// anybody's: of each no more is kept than is needed.
func list(ctx context.Context, store Store, r jobstep.RetainRequest, o Options) (contents, error) {
	found := contents{since: map[string]time.Time{}}
	type data struct {
		size     int64
		modified time.Time
	}
	sizes := map[string]data{}
	var manifests, marks []string
	err := store.List(ctx, r.Folder, func(object objectstore.Object) error {
		if !snapshot.InFolder(r.Folder, object.Name) {
			return nil
		}
		of, manifest := snapshot.SnapshotOf(object.Name)
		_, mark := snapshot.SnapshotOfPending(object.Name)
		switch {
		case len(object.Name)-len(r.Folder) > longestName:
			found.ignored++
		case manifest:
			manifests = append(manifests, of)
		case mark:
			marks = append(marks, object.Name)
		case snapshot.IsSnapshot(object.Name):
			sizes[object.Name] = data{object.Size, object.Modified}
		default:
			found.ignored++
		}
		return nil
	})
	if err != nil {
		return found, err
	}
	// The operation of each snapshot with a manifest.
	operations := map[string][sha256.Size]byte{}
	for _, of := range manifests {
		name := snapshot.ManifestOf(of)
		m, err := readManifest(ctx, store, name)
		if failed(err) {
			return found, err
		}
		operations[of] = sha256.Sum256([]byte(m.Operation))
		size, there := sizes[of]
		delete(sizes, of)
		switch {
		case err != nil:
			o.log("Left as it is: %s: %v", name, err)
			found.unreadable++
		case !m.Cluster.Same(clusterOf(r)):
			o.log("Left as it is: %s is of another OpenBaoCluster", name)
			found.foreign++
		default:
			s := snapshot.StoredOf(of, m)
			s.Whole, s.Published = there && size.size == m.Stored().Size, of == r.Keep.Name && m.Digest == r.Keep.Digest
			s.Modified = size.modified
			found.stored = append(found.stored, s)
		}
	}
	for _, name := range marks {
		p, err := readPending(ctx, store, name)
		if failed(err) {
			return found, err
		}
		of, _ := snapshot.SnapshotOfPending(name)
		size, there := sizes[of]
		operation, published := operations[of]
		switch {
		case err != nil || !p.Cluster.Same(clusterOf(r)):
			o.log("Left as it is: %s: %v", name, err)
			found.ignored++
		case published && operation == sha256.Sum256([]byte(p.Operation)):
			found.published = append(found.published, of)
		case published, there && size.size != p.Size:
			// Whoever stored that, it was not the operation.
			o.log("Left as it is: %s, which is not what its mark is about", of)
			found.ignored++
		case p.Over(clusterOf(r), r.Operation.UID, r.Operation.Fence, o.Now()):
			found.unfinished, found.since[of] = append(found.unfinished, of), size.modified
			delete(sizes, of)
		}
	}
	found.ignored += len(sizes)
	return found, nil
}

// failed reports whether the store could not be asked, and not only one object could not be
// read: it may be in an archive, or somebody else's.
func failed(err error) bool {
	var request *objectstore.Error
	if !errors.As(err, &request) {
		return false
	}
	switch request.Class {
	case objectstore.NotFound, objectstore.Credentials, objectstore.Invalid, objectstore.Retained:
		return false
	}
	return true
}
