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
// what has a manifest and no snapshot is not taken for a whole one.
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
	stored, ignored, err := list(ctx, store, r, o)
	if err != nil {
		return result, storeFailure(err)
	}
	expired := snapshot.Retention{MaxCount: r.MaxCount, MaxAge: r.MaxAge}.Expired(stored, r.ClusterID, o.Now())
	result.Ignored, result.Kept = ignored, len(stored)
	for _, s := range expired {
		if err := inTime(r.Operation, o); err != nil {
			return result, err
		}
		err := store.Delete(ctx, s.Name)
		if err == nil {
			err = store.Delete(ctx, snapshot.ManifestOf(s.Name))
		}
		switch {
		case err == nil:
			o.log("Deleted %s", s.Name)
			result.Deleted++
			result.Kept--
		case objectstore.ClassOf(err) == objectstore.Retained, objectstore.ClassOf(err) == objectstore.Credentials && r.Target.LockMode != "":
			// S3 says of an object under a lock that access is denied.
			o.log("%s is held by the store: %v", s.Name, err)
			result.Held++
		default:
			return result, storeFailure(err)
		}
	}
	return result, nil
}

// list returns the snapshots that have a manifest of the cluster, and how many other
// objects there are.
func list(ctx context.Context, store Store, r jobstep.RetainRequest, o Options) (stored []snapshot.Stored, ignored int, err error) {
	sizes := map[string]int64{}
	var manifests []string
	err = store.List(ctx, r.Folder, func(object objectstore.Object) error {
		if !snapshot.InFolder(r.Folder, object.Name) {
			return nil
		}
		if _, ok := snapshot.SnapshotOf(object.Name); ok {
			manifests = append(manifests, object.Name)
		} else {
			sizes[object.Name] = object.Size
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	for _, name := range manifests {
		m, err := readManifest(ctx, store, name)
		var request *objectstore.Error
		if errors.As(err, &request) && request.Class != objectstore.NotFound {
			return nil, 0, err
		}
		if err != nil || m.Cluster.ID != r.ClusterID {
			o.log("Left as it is: %s: %v", name, err)
			ignored++
			continue
		}
		of, _ := snapshot.SnapshotOf(name)
		size, found := sizes[of]
		delete(sizes, of)
		stored = append(stored, snapshot.Stored{Name: of, Manifest: m, Whole: found && size == m.Size})
	}
	return stored, ignored + len(sizes), nil
}
