// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"reflect"
	"slices"
	"sync"
)

// Resource says how to read a thing that the snapshots of services and topics
// do not hold.
type Resource[T any] struct {
	// Kind names what it is: "quota". Things of one Kind have one T.
	Kind string
	// Project and Service are what the thing belongs to. Service is "" for
	// things of a project; Project is the id of the organization for things of
	// one.
	Project, Service string
	// Name tells it from others of the Kind, "" if there is one.
	Name string
	// Fetch reads it with as many requests as it takes. It must depend on nothing
	// but the fields above: the first reader's is used for all. A NotFound error
	// means that the thing does not exist.
	Fetch func(ctx context.Context, d Doer) (*T, error)
	// Settled is false while the thing is on its way to another state: it is
	// read again after 1 s, then less often up to every 10 s. Nil: always
	// settled.
	Settled func(*T) bool
}

// Reading is a thing of its own as of one time.
type Reading[T any] struct {
	view
}

// Value returns the thing, nil if it does not exist. It is shared and must not
// be changed.
func (r *Reading[T]) Value() *T {
	r.look(partExists, "")
	return r.snap.(*resourceSnapshot[T]).value
}

// Read returns a thing as last seen, ErrPending, or why it can't be read. It
// never waits for the network. The thing is kept fresh and shared like a service:
// a write through a Client makes it stale if the paths of the write and of one of
// Fetch's requests are the same or one leads to the other.
func Read[T any](c *Client, r Resource[T]) (*Reading[T], error) {
	key := entryKey{
		token: c.source.Name(), project: r.Project, service: r.Service, name: r.Name,
		facet: r.Kind + " " + reflect.TypeFor[T]().String(),
	}
	v, err := c.store.read(c, key, &resourceFacet[T]{resource: r})
	if err != nil {
		return nil, err
	}
	return &Reading[T]{view: v}, nil
}

// resourceFacet reads one Resource. There is one per entry.
type resourceFacet[T any] struct {
	resource Resource[T]

	mu sync.Mutex
	// paths are all that Fetch has ever asked for: what it asks for depends on
	// what it finds.
	paths [][]string
}

func (f *resourceFacet[T]) fetch(ctx context.Context, d Doer, _ entryKey, _ snapshot) (snapshot, error) {
	s := &resourceSnapshot[T]{}
	value, err := f.resource.Fetch(ctx, pathRecorder{doer: d, record: f.record})
	switch {
	case ClassOf(err) == NotFound:
		return s, nil
	case err != nil:
		return nil, err
	}
	s.value = value
	s.moving = value != nil && f.resource.Settled != nil && !f.resource.Settled(value)
	return s, nil
}

func (f *resourceFacet[T]) record(path string) {
	segments := splitPath(path)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.ContainsFunc(f.paths, func(p []string) bool { return slices.Equal(p, segments) }) {
		f.paths = append(f.paths, segments)
	}
}

// concerns compares paths. What was not asked for yet can't be stale: paths are
// recorded before they are requested.
func (f *resourceFacet[T]) concerns(w *write, key entryKey, _ snapshot) bool {
	if w.project != key.project {
		return false
	}
	if w.path[0] == "organization" {
		// Rare, and the names of one thing in two paths differ.
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.paths, func(p []string) bool {
		n := min(len(p), len(w.path))
		return slices.Equal(p[:n], w.path[:n])
	})
}

// fold: what an answer means only the handler knows.
func (*resourceFacet[T]) fold(*write, []byte) change { return nil }

type resourceSnapshot[T any] struct {
	value  *T // nil: it does not exist
	moving bool
}

func (s *resourceSnapshot[T]) identity(part) any { return s.value }
func (s *resourceSnapshot[T]) exists() bool      { return s.value != nil }
func (s *resourceSnapshot[T]) settled() bool     { return !s.moving }
func (s *resourceSnapshot[T]) complete() bool    { return true }
func (s *resourceSnapshot[T]) adopt(earlier snapshot) {
	if s.value != nil {
		s.value = adopt(s.value, earlier.(*resourceSnapshot[T]).value)
	}
}

// pathRecorder tells which paths are requested.
type pathRecorder struct {
	doer   Doer
	record func(path string)
}

// Do implements Doer.
func (r pathRecorder) Do(ctx context.Context, operationID, method, path string, in any, query ...[2]string) ([]byte, error) {
	r.record(path)
	return r.doer.Do(ctx, operationID, method, path, in, query...)
}
