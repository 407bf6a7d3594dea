// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"reflect"
	"slices"
	"strings"
)

// set holds things by name, in the order of the names. It never changes; what
// is equal in two snapshots is the same pointer in both (see adopt), so that
// comparing parts is comparing pointers. A nil set is empty.
type set[T any] struct {
	names []string
	items []*T
}

// newSet returns the set of items; of two with one name the last wins.
func newSet[T any](items []*T, name func(*T) string) *set[T] {
	sorted := slices.Clone(items)
	slices.SortStableFunc(sorted, func(a, b *T) int { return strings.Compare(name(a), name(b)) })
	s := &set[T]{names: make([]string, 0, len(sorted)), items: make([]*T, 0, len(sorted))}
	for _, item := range sorted {
		n := name(item)
		if last := len(s.names) - 1; last >= 0 && s.names[last] == n {
			s.items[last] = item
			continue
		}
		s.names = append(s.names, n)
		s.items = append(s.items, item)
	}
	return s
}

// pointers returns pointers to the elements of list.
func pointers[T any](list []T) []*T {
	p := make([]*T, len(list))
	for i := range list {
		p[i] = &list[i]
	}
	return p
}

func (s *set[T]) get(name string) *T {
	if s == nil {
		return nil
	}
	if i, ok := slices.BinarySearch(s.names, name); ok {
		return s.items[i]
	}
	return nil
}

// all returns the items. The caller must not change the slice.
func (s *set[T]) all() []*T {
	if s == nil {
		return nil
	}
	return s.items
}

// prefixed returns the items whose names begin with prefix.
func (s *set[T]) prefixed(prefix string) []*T {
	if s == nil {
		return nil
	}
	from, _ := slices.BinarySearch(s.names, prefix)
	to := from
	for to < len(s.names) && strings.HasPrefix(s.names[to], prefix) {
		to++
	}
	return s.items[from:to]
}

// with returns a set that holds item under that name as well.
func (s *set[T]) with(name string, item *T) *set[T] {
	if s == nil {
		return &set[T]{names: []string{name}, items: []*T{item}}
	}
	i, found := slices.BinarySearch(s.names, name)
	if found {
		next := &set[T]{names: s.names, items: slices.Clone(s.items)}
		next.items[i] = item
		return next
	}
	return &set[T]{
		names: slices.Insert(slices.Clone(s.names), i, name),
		items: slices.Insert(slices.Clone(s.items), i, item),
	}
}

// without returns a set that lacks that name.
func (s *set[T]) without(name string) *set[T] {
	if s.get(name) == nil {
		return s
	}
	i, _ := slices.BinarySearch(s.names, name)
	return &set[T]{
		names: slices.Delete(slices.Clone(s.names), i, i+1),
		items: slices.Delete(slices.Clone(s.items), i, i+1),
	}
}

// adopt replaces the items that equal old's by old's own, and returns old if
// nothing differs. s must not be shared yet.
func (s *set[T]) adopt(old *set[T]) *set[T] {
	if old == nil || s == nil {
		return s
	}
	same := len(s.names) == len(old.names)
	for i, name := range s.names {
		if was := old.get(name); was != nil && reflect.DeepEqual(was, s.items[i]) {
			s.items[i] = was
		} else {
			same = false
		}
	}
	if same {
		return old
	}
	return s
}

// adopt returns old if it holds the same as now. It is set.adopt for values
// that are only ever read as a whole.
func adopt[T any](now, old *T) *T {
	if old != nil && reflect.DeepEqual(now, old) {
		return old
	}
	return now
}
