// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
)

// facet is one kind of thing that the Store holds snapshots of.
type facet interface {
	// fetch reads the thing. Its absence, where that is a state objects live
	// with, is a snapshot and not an error. What is certain in known, nil if
	// nothing is, need not be read again.
	fetch(ctx context.Context, d Doer, key entryKey, known snapshot) (snapshot, error)
	// concerns reports whether w can have changed the thing of that key, of which
	// now is the snapshot, nil if there is none.
	concerns(w *write, key entryKey, now snapshot) bool
	// fold returns how to bring a snapshot up to date with a successful write
	// from its answer, nil if that leaves the whole in doubt. What it makes may
	// be incomplete.
	fold(w *write, answer []byte) change
}

// change brings a snapshot up to date with a write. It returns the new one, the
// same if nothing changes, and the parts in which they can differ; partAny among
// them stands for all.
type change func(now snapshot) (next snapshot, parts []part)

// snapshot is the state of a thing at one time. It never changes once it is in
// the Store.
type snapshot interface {
	// identity returns a comparable value that is equal in two snapshots if the
	// part is.
	identity(p part) any
	// exists is false if Aiven knows nothing of the kind.
	exists() bool
	// settled is false while the thing is on its way to another state.
	settled() bool
	// complete is false while a part is known to be out of date: a fetch follows.
	complete() bool
	// adopt makes parts that equal those of an earlier snapshot identical to
	// them. It is called once, before the snapshot is shared.
	adopt(earlier snapshot)
}

// part names what a reader has read.
type part struct {
	kind string
	name string
}

const partAny = "any"

// entryKey says what an entry is about, and with whose eyes it is seen.
type entryKey struct {
	token   string // name of the Source
	facet   string
	project string
	service string // "" for what belongs to the project
	name    string // "" for what there is one of
}

// serviceKey names a service, whoever reads it.
type serviceKey struct {
	project string
	service string
}

// Doer is what the typed handlers need.
type Doer interface {
	Do(ctx context.Context, operationID, method, path string, in any, query ...[2]string) ([]byte, error)
}

// The facets. Their names are part of entry keys.
const (
	serviceFacetName = "service"
	topicsFacetName  = "topics"
	caFacetName      = "ca"
)

func newFacets() map[string]facet {
	return map[string]facet{
		serviceFacetName: serviceFacet{},
		topicsFacetName:  topicsFacet{},
		caFacetName:      caFacet{},
	}
}
