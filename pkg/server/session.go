// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// Session is a login that outlives a sync.
type Session struct {
	// Target is what it is for.
	Target Target
	// Client has the token of the login.
	Client openbao.Interface
	// From RenewAt on it should be replaced, and from EndsAt on it is void.
	RenewAt, EndsAt time.Time
}

// newSession reckons from when the login was asked for.
func newSession(to Target, client openbao.Interface, ttl time.Duration, asked time.Time) *Session {
	if ttl <= 0 {
		ttl = unboundedLease
	}
	return &Session{Target: to, Client: client, RenewAt: asked.Add(ttl * 2 / 3), EndsAt: asked.Add(ttl)}
}

// Revoke ends the session on its server.
func (s *Session) Revoke(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), RevokeTimeout)
	defer cancel()
	defer s.Client.Close()
	address := s.Target.route.Address
	switch err := s.Client.RevokeSelf(ctx); openbao.ClassOf(err) {
	case "":
		klog.FromContext(ctx).V(2).Info("Ended the login", "role", s.Target.Identity.Role, "address", address)
	case openbao.Unauthenticated:
	default:
		klog.FromContext(ctx).Info("Could not end the login; it ends with its lease", "address", address, "err", err)
	}
}

// Sessions are the sessions that are kept, at most one per object. Whoever takes one
// out has to revoke it. It is safe for concurrent use.
type Sessions struct {
	mu   sync.Mutex
	held map[cache.ObjectName]*Session
}

// NewSessions returns Sessions that hold none.
func NewSessions() *Sessions { return &Sessions{held: map[cache.ObjectName]*Session{}} }

// Get returns the session of an object, or nil.
func (s *Sessions) Get(name cache.ObjectName) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[name]
}

// Put keeps a session and returns the one that it replaces, or nil.
func (s *Sessions) Put(name cache.ObjectName, now *Session) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.held[name]
	s.held[name] = now
	return before
}

// Take removes the session of an object and returns it, or nil.
func (s *Sessions) Take(name cache.ObjectName) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.held[name]
	delete(s.held, name)
	return held
}

// End revokes the session of an object, if there is one.
func (s *Sessions) End(ctx context.Context, name cache.ObjectName) {
	if held := s.Take(name); held != nil {
		held.Revoke(ctx)
	}
}

// EndAll ends all sessions at the same time and waits until that is done.
func (s *Sessions) EndAll(ctx context.Context) {
	s.mu.Lock()
	held := s.held
	s.held = map[cache.ObjectName]*Session{}
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, one := range held {
		wg.Go(func() { one.Revoke(ctx) })
	}
	wg.Wait()
}
