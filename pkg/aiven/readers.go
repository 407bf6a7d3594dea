// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"maps"
	"slices"
)

// readers are the watches of one entry by the parts that they have read, so
// that a write is compared with what its own readers saw and not with what all
// objects of the service did. The Store's lock guards it.
type readers map[part]map[*watch]struct{}

// add notes that w has read p.
func (r readers) add(p part, w *watch) {
	of := r[p]
	if of == nil {
		of = map[*watch]struct{}{}
		r[p] = of
	}
	of[w] = struct{}{}
}

// remove forgets all that w has read.
func (r readers) remove(w *watch) {
	for p := range w.seen {
		of := r[p]
		delete(of, w)
		if len(of) == 0 {
			delete(r, p)
		}
	}
}

// differing returns whom to notify of a snapshot that differs from the one
// before in no other parts than those.
func (r readers) differing(snap snapshot, parts []part) (notify []func()) {
	if slices.Contains(parts, part{kind: partAny}) {
		parts = slices.Collect(maps.Keys(r))
	}
	var told map[*watch]struct{}
	for _, p := range parts {
		of := r[p]
		if len(of) == 0 {
			continue
		}
		now := snap.identity(p)
		for w := range of {
			if w.seen[p] == now {
				continue
			}
			if _, twice := told[w]; twice {
				continue
			}
			if told == nil {
				told = map[*watch]struct{}{}
			}
			told[w] = struct{}{}
			notify = append(notify, w.subscriber.notify)
		}
	}
	return notify
}
