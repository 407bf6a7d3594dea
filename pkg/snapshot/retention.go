// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"cmp"
	"slices"
	"time"
)

// Stored is a snapshot in the storage that has a manifest.
type Stored struct {
	// Name is that of the snapshot, with its folder.
	Name     string
	Manifest Manifest
	// Whole says that the snapshot is there, with the size that the manifest says.
	Whole bool
}

// Retention says which snapshots are kept. Zero limits nothing.
type Retention struct {
	MaxCount int
	MaxAge   time.Duration
}

// Expired returns those that are to be deleted, the oldest first. The newest that is whole
// is never among them, nor is one of another cluster. Those of upgrades and the others are
// counted apart, and of both the newest stays.
func (r Retention) Expired(stored []Stored, clusterID string, now time.Time) []Stored {
	if clusterID == "" {
		return nil
	}
	groups := map[bool][]Stored{}
	for _, s := range stored {
		if s.Manifest.Cluster.ID == clusterID {
			upgrade := s.Manifest.Kind == PreUpgrade
			groups[upgrade] = append(groups[upgrade], s)
		}
	}
	expired := append(r.expired(groups[false], now), r.expired(groups[true], now)...)
	slices.SortFunc(expired, func(a, b Stored) int { return -newestFirst(a, b) })
	return expired
}

// expired is Expired for those that are counted together.
func (r Retention) expired(group []Stored, now time.Time) []Stored {
	slices.SortFunc(group, newestFirst)
	var out []Stored
	kept := 0
	for _, s := range group {
		switch {
		case s.Whole && kept == 0:
			kept++
		case kept == 0:
			// Until there is a whole one, nothing is known to be newer and good.
		case r.MaxCount > 0 && kept >= r.MaxCount, r.MaxAge > 0 && now.Sub(s.Manifest.TakenAt) > r.MaxAge:
			out = append(out, s)
		default:
			if s.Whole {
				kept++
			}
		}
	}
	return out
}

// newestFirst orders by time, and by the index of the log where that is the same.
func newestFirst(a, b Stored) int {
	return cmp.Or(b.Manifest.TakenAt.Compare(a.Manifest.TakenAt), cmp.Compare(b.Manifest.Index, a.Manifest.Index), cmp.Compare(b.Name, a.Name))
}
