// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"errors"
	"strings"

	"github.com/bailiwick-operator/bailiwick/pkg/jobs/jobstep"
	"github.com/bailiwick-operator/bailiwick/pkg/objectstore"
	"github.com/bailiwick-operator/bailiwick/pkg/snapshot"
)

// Retain deletes the snapshots of a cluster that have expired, each before its manifest:
// what has a manifest and no snapshot is not taken for a whole one. It also deletes what
// operations have left that were killed before their manifest, each before its mark.
func Retain(ctx context.Context, r jobstep.RetainRequest, o Options) (jobstep.RetainResult, error) {
	var result jobstep.RetainResult
	if r.Operation.UID == "" || r.Operation.Deadline.IsZero() || !strings.HasSuffix(r.Folder, "/") || r.ClusterID == "" {
		return result, fail(jobstep.ReasonRequestInvalid, false, "the request is wrong: it names no operation, folder or cluster")
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
	expired := snapshot.Retention{MaxCount: r.MaxCount, MaxAge: r.MaxAge}.Expired(found.stored, r.ClusterID, o.Now())
	result.Ignored, result.Kept = found.ignored, len(found.stored)
	for _, s := range expired {
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
	// ignored counts all other objects but marks.
	ignored int
}

// list reads what is in the folder of the cluster.
func list(ctx context.Context, store Store, r jobstep.RetainRequest, o Options) (contents, error) {
	var found contents
	sizes := map[string]int64{}
	var manifests, marks []string
	err := store.List(ctx, r.Folder, func(object objectstore.Object) error {
		if !snapshot.InFolder(r.Folder, object.Name) {
			return nil
		}
		if _, ok := snapshot.SnapshotOf(object.Name); ok {
			manifests = append(manifests, object.Name)
		} else if _, ok := snapshot.SnapshotOfPending(object.Name); ok {
			marks = append(marks, object.Name)
		} else {
			sizes[object.Name] = object.Size
		}
		return nil
	})
	if err != nil {
		return found, err
	}
	operations := map[string]string{}
	for _, name := range manifests {
		m, err := readManifest(ctx, store, name)
		if failed(err) {
			return found, err
		}
		of, _ := snapshot.SnapshotOf(name)
		operations[of] = m.Operation
		if err != nil || m.Cluster.ID != r.ClusterID {
			o.log("Left as it is: %s: %v", name, err)
			found.ignored++
			continue
		}
		size, there := sizes[of]
		delete(sizes, of)
		found.stored = append(found.stored, snapshot.Stored{Name: of, Manifest: m, Whole: there && size == m.Stored().Size})
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
		case err != nil || p.Cluster.ID != r.ClusterID:
			o.log("Left as it is: %s: %v", name, err)
			found.ignored++
		case published && operation == p.Operation:
			found.published = append(found.published, of)
		case published, there && size != p.Size:
			// Whoever stored that, it was not the operation.
			o.log("Left as it is: %s, which is not what its mark is about", of)
			found.ignored++
		case p.Over(r.ClusterID, r.Operation.UID, r.Operation.Fence, o.Now()):
			found.unfinished = append(found.unfinished, of)
			delete(sizes, of)
		}
	}
	found.ignored += len(sizes)
	return found, nil
}

// failed reports whether a request failed, and not only what was read is wrong.
func failed(err error) bool {
	var request *objectstore.Error
	return errors.As(err, &request) && request.Class != objectstore.NotFound
}
