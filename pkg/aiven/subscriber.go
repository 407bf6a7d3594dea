// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

// Subscriber is an object that reads from the Store.
type Subscriber struct {
	// ID identifies it, for Forget and across Clients; any comparable value.
	ID any
	// Notify says that reading again can give another answer. It is called
	// without locks held, must not block, and may be called more than once.
	Notify func()
}

// maxIdleSyncs is for how many of its syncs an object stays subscribed to a
// snapshot that it does not read any more.
const maxIdleSyncs = 4

// subscriber is what the Store knows of one.
type subscriber struct {
	notify  func()
	client  uint64 // sequence number of the last Client that read
	syncs   int    // Clients that have read so far
	watches map[*entry]*watch
}

// watch is one subscriber's interest in one entry.
type watch struct {
	subscriber *subscriber
	sync       int          // the sync that read the entry last
	seen       map[part]any // what that sync has read, by identity; entry.readers has the same by part
	waiting    bool         // wants to know of the next answer, whatever it is
	told       bool         // has read the present error, or was notified of it
}

// watchEntry returns the watch of the Client's subscriber on e. The first read
// of a new Client forgets what earlier ones have read. s.mu is held.
func (s *Store) watchEntry(c *Client, e *entry) *watch {
	sub := s.subscribers[c.subscriber.ID]
	if sub == nil {
		sub = &subscriber{watches: map[*entry]*watch{}}
		s.subscribers[c.subscriber.ID] = sub
	}
	sub.notify = c.subscriber.Notify
	if c.born > sub.client {
		sub.client = c.born
		sub.syncs++
		for other, w := range sub.watches {
			// With another token it sees another Aiven; and what it has not read
			// for some syncs it does not depend on.
			if other == e {
				continue
			}
			if other.key.token != c.source.Name() || sub.syncs-w.sync > maxIdleSyncs {
				s.unwatch(sub, other)
			}
		}
	}
	w := sub.watches[e]
	if w == nil {
		w = &watch{subscriber: sub}
		sub.watches[e] = w
		e.watches[w] = struct{}{}
	}
	if w.sync != sub.syncs {
		w.sync = sub.syncs
		e.readers.remove(w)
		w.seen = nil
		w.waiting = false
	}
	return w
}

// unwatch ends the subscriber's interest in e, and e itself if nobody else has
// any. s.mu is held.
func (s *Store) unwatch(sub *subscriber, e *entry) {
	w := sub.watches[e]
	e.readers.remove(w)
	delete(e.watches, w)
	delete(sub.watches, e)
	if len(e.watches) == 0 {
		s.drop(e)
	}
}

// Forget ends the subscriptions of that ID and drops what nobody else reads.
func (s *Store) Forget(id any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subscribers[id]
	if sub == nil {
		return
	}
	for e := range sub.watches {
		s.unwatch(sub, e)
	}
	delete(s.subscribers, id)
}

// look records what a view's reader has read. If the entry has moved on
// since the view was made and the part with it, the reader is notified, since
// no later snapshot would differ from what it has not seen.
func (s *Store) look(v *view, p part) {
	if s.see(v, p) {
		v.watch.subscriber.notify()
	}
}

// see is look, but for the notice, and reports whether that is due.
func (s *Store) see(v *view, p part) (outdated bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, e := v.watch, v.entry
	if w.subscriber.watches[e] != w {
		return false // forgotten meanwhile
	}
	if w.seen == nil {
		w.seen = map[part]any{}
	}
	w.seen[p] = v.snap.identity(p)
	e.readers.add(p, w)
	return e.usable() && e.snap.snapshot != v.snap && w.differs(e.snap.snapshot)
}

// differs reports whether snap shows anything else than the reader saw.
func (w *watch) differs(snap snapshot) bool {
	for p, identity := range w.seen {
		if snap.identity(p) != identity {
			return true
		}
	}
	return false
}
