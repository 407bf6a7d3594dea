// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Pending says that an operation is about to store a snapshot. It is written before the
// snapshot, and deleted once the manifest is there: an operation that is killed in between
// leaves it behind, and with it whose the snapshot without a manifest is.
type Pending struct {
	Format int `json:"format"`
	// Snapshot is the name of the snapshot in the same folder.
	Snapshot string  `json:"snapshot"`
	Cluster  Cluster `json:"cluster"`
	// Operation is the operation that stores it, Fence the number of its lock, and Deadline
	// when it stops at the latest.
	Operation string    `json:"operation"`
	Fence     int32     `json:"fence"`
	Deadline  time.Time `json:"deadline"`
	// Size is that of what will be stored.
	Size int64 `json:"size"`
}

// Encode returns the bytes of it.
func (p Pending) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(p, "", "  ")
	return append(data, '\n'), err
}

// ReadPending reads the one of that name, and checks that it can be one.
func ReadPending(name string, r io.Reader) (Pending, error) {
	var p Pending
	if err := decode(name, r, &p); err != nil {
		return Pending{}, err
	}
	snapshot, ok := SnapshotOfPending(name)
	if p.Format != Format || p.Cluster.ID == "" || p.Operation == "" || p.Fence <= 0 || p.Deadline.IsZero() || p.Size <= 0 || !ok || baseName(snapshot) != p.Snapshot {
		return Pending{}, fmt.Errorf("the object %s does not say which operation stores %q", name, p.Snapshot)
	}
	return p, nil
}

// Over reports whether the operation can store nothing any more, as another operation of the
// cluster sees it that has the lock with the number fence. A lock that was made again counts
// from the beginning: then what is left stays until its numbers are higher again.
func (p Pending) Over(cluster Cluster, operation string, fence int32, now time.Time) bool {
	return p.Cluster.Same(cluster) && p.Operation != operation && p.Fence < fence && now.After(p.Deadline)
}
