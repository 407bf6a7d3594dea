// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"cmp"
	"slices"
	"time"
)

// Stored is a snapshot of a cluster in the storage that has a manifest. It has only what
// retention needs, since there can be very many.
type Stored struct {
	// Name is that of the snapshot, with its folder.
	Name string
	// Upgrade says that it was taken before an upgrade.
	Upgrade bool
	TakenAt time.Time
	Index   uint64
	// Modified is when the storage got it, by the storage's own clock. Zero is unknown.
	Modified time.Time
	// Whole says that the snapshot is there, with the size that the manifest says.
	Whole bool
	// Published says that it is the one that was just verified and published.
	Published bool
}

// StoredOf returns what retention needs of a manifest.
func StoredOf(name string, m Manifest) Stored {
	return Stored{Name: name, Upgrade: m.Kind == PreUpgrade, TakenAt: m.TakenAt, Index: m.Index}
}

// Retention says which snapshots are kept. Zero limits nothing.
type Retention struct {
	MaxCount int
	MaxAge   time.Duration
}

// ClockSkew is how far the clocks of nodes may be apart before a time counts as one in the
// future.
const ClockSkew = 10 * time.Minute

// Verdict is what becomes of the snapshots of a cluster. The others are kept.
type Verdict struct {
	// Expired are to be deleted, the oldest first.
	Expired []Stored
	// Future is how many say that they were taken later than now. They are neither counted
	// nor deleted.
	Future int
}

// Decide judges the snapshots of one cluster. The one that was just published is never
// deleted and is counted first, whatever the manifests say: their times come from the clocks
// of nodes, or from whoever may write to the storage. Those of upgrades and the others are
// counted apart, and of both the newest that is whole stays.
//
// Time is the order, and not the index of the log: after a restore to empty volumes the log
// goes on from the restored snapshot, below the index of newer ones.
func (r Retention) Decide(stored []Stored, now time.Time) Verdict {
	var v Verdict
	groups := map[bool][]Stored{}
	for _, s := range stored {
		if !s.Published && s.TakenAt.After(now.Add(ClockSkew)) {
			v.Future++
			continue
		}
		groups[s.Upgrade] = append(groups[s.Upgrade], s)
	}
	v.Expired = append(r.expired(groups[false], now), r.expired(groups[true], now)...)
	slices.SortFunc(v.Expired, func(a, b Stored) int { return -newestFirst(a, b) })
	return v
}

// expired returns the expired ones of those that are counted together.
func (r Retention) expired(group []Stored, now time.Time) []Stored {
	slices.SortFunc(group, newestFirst)
	var out []Stored
	kept := 0
	for _, s := range group {
		switch {
		case s.Published, s.Whole && kept == 0:
			kept++
		case kept == 0:
			// Until there is a whole one, nothing is known to be newer and good.
		case r.MaxCount > 0 && kept >= r.MaxCount, r.MaxAge > 0 && now.Sub(s.Since()) > r.MaxAge:
			out = append(out, s)
		default:
			if s.Whole {
				kept++
			}
		}
	}
	return out
}

// Since is when it was taken, or when the storage got it where that is later: the clock of a
// node may be slow.
func (s Stored) Since() time.Time {
	if s.Modified.After(s.TakenAt) {
		return s.Modified
	}
	return s.TakenAt
}

// newestFirst orders by time, and by the index of the log where that is the same. What was
// just published is first.
func newestFirst(a, b Stored) int {
	if a.Published != b.Published {
		if a.Published {
			return -1
		}
		return 1
	}
	return cmp.Or(b.TakenAt.Compare(a.TakenAt), cmp.Compare(b.Index, a.Index), cmp.Compare(b.Name, a.Name))
}
