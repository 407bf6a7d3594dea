// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"sync"

	"k8s.io/client-go/tools/cache"
)

// Lanes bounds how many syncs run in parallel for one credential or server, over
// all loops that share it. A key that finds its lane full is parked without
// holding a worker, and goes on in the order of arrival. One lane that hangs
// therefore never delays another.
type Lanes struct {
	limit int

	mu    sync.Mutex
	lanes map[string]*lane
	// held says which lane a parked or granted key belongs to, so that a key
	// whose lane changes meanwhile leaves nothing behind.
	held map[laneKey]string
}

type laneKey struct {
	loop string
	name cache.ObjectName
}

type lane struct {
	running int
	parked  []parked
	granted map[laneKey]struct{}
}

type parked struct {
	key  laneKey
	wake func()
}

// NewLanes returns lanes that each let limit syncs run in parallel.
func NewLanes(limit int) *Lanes {
	return &Lanes{limit: max(limit, 1), lanes: map[string]*lane{}, held: map[laneKey]string{}}
}

// enter reports whether key may run in the named lane now. If not, wake is
// called once when it may, and the place is kept for it.
func (l *Lanes) enter(name string, key laneKey, wake func()) bool {
	l.mu.Lock()
	var wakes []func()
	ok := l.enterLocked(name, key, wake, &wakes)
	l.mu.Unlock()
	for _, w := range wakes {
		w()
	}
	return ok
}

func (l *Lanes) enterLocked(name string, key laneKey, wake func(), wakes *[]func()) bool {
	ln := l.lanes[name]
	if ln == nil {
		ln = &lane{granted: map[laneKey]struct{}{}}
		l.lanes[name] = ln
	}
	if at, ok := l.held[key]; ok {
		if at == name {
			if _, ok := ln.granted[key]; !ok {
				return false // parked already
			}
			delete(ln.granted, key)
			delete(l.held, key)
			return true
		}
		l.withdraw(at, key, wakes)
	}
	if ln.running < l.limit {
		ln.running++
		return true
	}
	ln.parked = append(ln.parked, parked{key, wake})
	l.held[key] = name
	return false
}

// withdraw takes a parked or granted key out of a lane that is no longer its.
func (l *Lanes) withdraw(name string, key laneKey, wakes *[]func()) {
	delete(l.held, key)
	ln := l.lanes[name]
	if _, ok := ln.granted[key]; ok {
		delete(ln.granted, key)
		l.handOn(name, ln, wakes)
		return
	}
	for i, p := range ln.parked {
		if p.key == key {
			ln.parked = append(ln.parked[:i:i], ln.parked[i+1:]...)
			return
		}
	}
}

// leave gives back the place that enter granted.
func (l *Lanes) leave(name string) {
	var wakes []func()
	l.mu.Lock()
	l.handOn(name, l.lanes[name], &wakes)
	l.mu.Unlock()
	for _, w := range wakes {
		w()
	}
}

// handOn passes a place to the key that has waited longest, or frees it.
func (l *Lanes) handOn(name string, ln *lane, wakes *[]func()) {
	if len(ln.parked) == 0 {
		ln.running--
		if ln.running == 0 && len(ln.granted) == 0 {
			delete(l.lanes, name)
		}
		return
	}
	next := ln.parked[0]
	ln.parked = ln.parked[1:]
	ln.granted[next.key] = struct{}{}
	*wakes = append(*wakes, next.wake)
}
