// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

const (
	// revokeTimeout bounds the end of a login. What is not revoked in that time
	// ends with its lease.
	revokeTimeout = 5 * time.Second
	// unboundedLease stands for the lease of a token that says none.
	unboundedLease = time.Hour
)

// target is what a login is for. A login is of no use to any other.
type target struct {
	uid types.UID
	// where the server is, and how it is trusted.
	address, ca, serverName, namespace string
	// clusterID is which server it is.
	clusterID string
	// as whom, and with which kind of JWT.
	role, subject, audience string
}

// login is a session with a server, as the bootstrapper identity.
type login struct {
	target target
	server openbao.Interface
	// From renewAt on it should be replaced, and from endsAt on it is void.
	renewAt, endsAt time.Time
}

// newLogin reckons from when the login was asked for.
func newLogin(to target, server openbao.Interface, ttl time.Duration, asked time.Time) *login {
	if ttl <= 0 {
		ttl = unboundedLease
	}
	return &login{target: to, server: server, renewAt: asked.Add(ttl * 2 / 3), endsAt: asked.Add(ttl)}
}

// revoke ends the login on its server.
func (l *login) revoke(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	defer l.server.Close()
	switch err := l.server.RevokeSelf(ctx); openbao.ClassOf(err) {
	case "":
		klog.FromContext(ctx).V(2).Info("Ended the login", "role", l.target.role, "address", l.target.address)
	case openbao.Unauthenticated:
	default:
		klog.FromContext(ctx).Info("Could not end the login; it ends with its lease", "address", l.target.address, "err", err)
	}
}

// logins are the sessions that are kept, at most one per object. Whoever takes
// one out has to revoke it.
type logins struct {
	mu   sync.Mutex
	held map[cache.ObjectName]*login
}

func newLogins() *logins { return &logins{held: map[cache.ObjectName]*login{}} }

// get returns the login of an object, or nil.
func (l *logins) get(name cache.ObjectName) *login {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[name]
}

// put keeps a login and returns the one that it replaces, or nil.
func (l *logins) put(name cache.ObjectName, now *login) *login {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.held[name]
	l.held[name] = now
	return before
}

// take removes the login of an object and returns it, or nil.
func (l *logins) take(name cache.ObjectName) *login {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.held[name]
	delete(l.held, name)
	return held
}

// revokeAll ends all logins at once and waits until that is done.
func (l *logins) revokeAll(ctx context.Context) {
	l.mu.Lock()
	held := l.held
	l.held = map[cache.ObjectName]*login{}
	l.mu.Unlock()
	var wg sync.WaitGroup
	for _, one := range held {
		wg.Go(func() { one.revoke(ctx) })
	}
	wg.Wait()
}
