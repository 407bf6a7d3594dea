// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"sync/atomic"
	"time"
)

// Client is one object's access to Aiven during one sync. Make a new one for
// each: its reads replace what the subscriber depended on before. It
// implements the doer of the typed handlers.
type Client struct {
	store      *Store
	source     Source
	credential Credential
	lane       digest // of the credential
	subscriber Subscriber
	born       uint64
	probed     atomic.Bool
}

// Client returns an access with the credential, which came from source.
func (s *Store) Client(source Source, credential Credential, subscriber Subscriber) *Client {
	c := &Client{store: s, source: source, credential: credential, subscriber: subscriber}
	c.lane = s.options.Transport.limits.digest(credential.Token)
	s.mu.Lock()
	defer s.mu.Unlock()
	c.born = s.next()
	return c
}

// Service returns the service as last seen, ErrPending, or why it can't be
// read. It never waits for the network.
func (c *Client) Service(project, name string) (*ServiceView, error) {
	v, err := c.read(serviceFacetName, project, name)
	if err != nil {
		return nil, err
	}
	return &ServiceView{view: v, s: v.snap.(*serviceSnapshot)}, nil
}

// Topics returns the topics of the service as last seen, ErrPending, or why
// they can't be read. It never waits for the network.
func (c *Client) Topics(project, service string) (*TopicsView, error) {
	v, err := c.read(topicsFacetName, project, service)
	if err != nil {
		return nil, err
	}
	return &TopicsView{view: v, s: v.snap.(*topicsSnapshot)}, nil
}

// CA returns the certificate of the project's CA in PEM, ErrPending, or why it
// can't be read. It never waits for the network.
func (c *Client) CA(project string) (string, error) {
	v, err := c.read(caFacetName, project, "")
	if err != nil {
		return "", err
	}
	v.look(caFacetName, "")
	return string(v.snap.(caSnapshot)), nil
}

func (c *Client) read(facet, project, service string) (view, error) {
	key := entryKey{token: c.source.Name(), facet: facet, project: project, service: service}
	return c.store.read(c, key, c.store.facets[facet])
}

// takeProbe reports once that the token is a probe that was not used yet.
func (c *Client) takeProbe() bool {
	return c.credential.Probe && c.probed.CompareAndSwap(false, true)
}

// Do sends one request and returns the body of its answer. The error is an
// *Error, or that of ctx if it ended before anything was sent.
//
// Once Do has returned from a write, no read of what it was about is answered
// from a fetch that began before: the effect is either folded into the
// snapshots of this token, or they are fetched again first. Reads during the
// write may still show the time before it.
func (c *Client) Do(ctx context.Context, operationID, method, path string, in any, query ...[2]string) ([]byte, error) {
	sent := false
	c.probed.Store(true)
	answer, err := c.store.options.Transport.send(ctx, request{
		operation: operationID, method: method, path: path, query: query, in: in,
		source: c.source, credential: c.credential,
		maxWait:    c.store.options.Transport.options.MaxWait,
		beforeSend: func() { sent = true },
	})
	if sent && mutates(operationID, method) {
		if w, ok := parseWrite(operationID, method, path, in); ok {
			c.store.written(c.source.Name(), &w, answer, err)
		}
	}
	return answer, err
}

// written takes in that a write has ended, with whatever result.
func (s *Store) written(token string, w *write, answer []byte, err error) {
	notifyAll(s.takeIn(token, w, answer, err))
}

// takeIn makes what a write concerns up to date or stale, and returns whom to
// notify.
func (s *Store) takeIn(token string, w *write, answer []byte, err error) (notify []func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.next()
	for _, e := range s.candidates(w) {
		if !e.facet.concerns(w, e.key, e.concerned()) {
			continue
		}
		var apply change
		if err == nil && e.key.token == token {
			apply = e.facet.fold(w, answer)
		}
		if apply == nil {
			e.dirty = end
			s.want(e)
			continue
		}
		notify = append(notify, s.foldIn(e, fold{end: end, apply: apply})...)
		if w.about() == "" {
			// A service takes its time to become what it was told to be.
			e.settle = 0
			s.hasten(&e.task, later(time.Now().Add(settling().First), e.retryAfter()))
		}
	}
	return notify
}

// candidates returns the entries that w may concern. s.mu is held.
func (s *Store) candidates(w *write) (found []*entry) {
	for _, name := range w.services {
		for e := range s.services[serviceKey{w.project, name}] {
			found = append(found, e)
		}
	}
	if w.integration == "" && w.aboutProject() {
		for e := range s.services[serviceKey{w.project, ""}] {
			found = append(found, e)
		}
	}
	if w.integration != "" {
		for key, e := range s.entries {
			if key.project == w.project {
				found = append(found, e)
			}
		}
	}
	return found
}

// concerned returns the snapshot that tells whether a write concerns e, nil if
// one is on its way.
func (e *entry) concerned() snapshot {
	if e.running != nil || !e.usable() {
		return nil
	}
	return e.snap.snapshot
}

// foldIn applies a write to the snapshot of e, keeps it for a fetch that is
// under way, and returns whom to notify. s.mu is held.
func (s *Store) foldIn(e *entry, f fold) (notify []func()) {
	if e.running != nil {
		e.running.folds = append(e.running.folds, f)
	}
	if e.snap == nil {
		return nil
	}
	now, parts := f.apply(e.snap.snapshot)
	e.snap.snapshot = now
	if !now.complete() {
		s.want(e)
	}
	if !e.usable() {
		return nil
	}
	return e.readers.differing(now, parts)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
