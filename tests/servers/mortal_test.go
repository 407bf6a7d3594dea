// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/bailiwick-operator/bailiwick/pkg/app"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// mortal is one process of Bailiwick that ends without warning right after a change was
// carried out, at the API server or at an OpenBao server. The answer is lost, and nothing
// more of it reaches either of the two.
type mortal struct {
	// isLast decides whether it ends with a change; it is called with one change after
	// the other.
	isLast func(change string) bool
	kill   context.CancelFunc

	mu      sync.Mutex
	changes []string
	// roots are the root tokens that it was given.
	roots []openbao.Token
	dead  bool
	// died is closed when it has ended.
	died chan struct{}
}

var errDead = errors.New("this process has ended")

// startMortal runs the servers process, to be ended by isLast.
func (w *world) startMortal(isLast func(change string) bool) *mortal {
	w.Helper()
	m := &mortal{isLast: isLast, died: make(chan struct{})}
	// Nothing is sent before the process is known here.
	m.mu.Lock()
	defer m.mu.Unlock()
	w.startWith(serving, func(o *app.Options) {
		o.RESTConfig.Wrap(m.toAPIServer)
		o.OpenBao.Connect = func(opts openbao.Options) (openbao.Interface, error) {
			client, err := openbao.New(opts)
			if err != nil {
				return nil, err
			}
			return &mortalClient{Interface: client, m: m}, nil
		}
	})
	m.kill = w.processes[serving].cancel
	return m
}

// bury waits until a process that has ended has also stopped to use this one.
func (w *world) bury() {
	p := w.processes[serving]
	delete(w.processes, serving)
	<-p.done
}

func (m *mortal) isDead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// carriedOut counts a change, and returns false if its answer never arrives.
func (m *mortal) carriedOut(change string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return false
	}
	m.changes = append(m.changes, change)
	if !m.isLast(change) {
		return true
	}
	m.dead = true
	m.kill()
	close(m.died)
	return false
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (m *mortal) toAPIServer(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if m.isDead() {
			return nil, errDead
		}
		response, err := next.RoundTrip(r)
		if err != nil || !changesObjects(r) || response.StatusCode >= 300 {
			return response, err
		}
		if !m.carriedOut(r.Method + " " + r.URL.Path) {
			_ = response.Body.Close()
			return nil, errDead
		}
		return response, nil
	})
}

// changesObjects tells whether a request changes what outlives the process, and is more
// than a note about it.
func changesObjects(r *http.Request) bool {
	for _, note := range []string{"/events", "/leases", "/token", "reviews"} {
		if strings.Contains(r.URL.Path, note) {
			return false
		}
	}
	return r.Method != http.MethodGet
}

// mortalClient is the way to one server.
type mortalClient struct {
	openbao.Interface
	m *mortal
	// root says that it has a root token.
	root bool
}

// change sends a request that changes something.
func (c *mortalClient) change(what string, send func() error) error {
	if c.m.isDead() {
		return errDead
	}
	if err := send(); err != nil {
		return err
	}
	if !c.m.carriedOut(what) {
		return errDead
	}
	return nil
}

func (c *mortalClient) As(token openbao.Token) (openbao.Interface, error) {
	client, err := c.Interface.As(token)
	if err != nil {
		return nil, err
	}
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	return &mortalClient{Interface: client, m: c.m, root: slices.Contains(c.m.roots, token)}, nil
}

func (c *mortalClient) LoginJWT(ctx context.Context, mount, role string, jwt openbao.Token) (openbao.Login, error) {
	if c.m.isDead() {
		return openbao.Login{}, errDead
	}
	return c.Interface.LoginJWT(ctx, mount, role, jwt)
}

func (c *mortalClient) Init(ctx context.Context, request openbao.InitRequest) (answer openbao.Initialized, err error) {
	err = c.change("init", func() (err error) {
		if answer, err = c.Interface.Init(ctx, request); err != nil {
			return err
		}
		c.m.mu.Lock()
		defer c.m.mu.Unlock()
		c.m.roots = append(c.m.roots, answer.RootToken)
		return nil
	})
	if err != nil {
		return openbao.Initialized{}, err
	}
	return answer, nil
}

func (c *mortalClient) EnableAuth(ctx context.Context, path string, mount openbao.Mount) error {
	return c.change("mount "+path, func() error { return c.Interface.EnableAuth(ctx, path, mount) })
}

func (c *mortalClient) WriteConfig(ctx context.Context, mount string, data map[string]any) error {
	return c.change("config "+mount, func() error { return c.Interface.WriteConfig(ctx, mount, data) })
}

func (c *mortalClient) WriteRole(ctx context.Context, mount, name string, data map[string]any) error {
	return c.change("role "+name, func() error { return c.Interface.WriteRole(ctx, mount, name, data) })
}

func (c *mortalClient) WritePolicy(ctx context.Context, name, text string, read *openbao.Policy) error {
	return c.change("policy "+name, func() error { return c.Interface.WritePolicy(ctx, name, text, read) })
}

func (c *mortalClient) WriteAutopilot(ctx context.Context, data map[string]any) error {
	return c.change("autopilot", func() error { return c.Interface.WriteAutopilot(ctx, data) })
}

// RevokeSelf is a change if it ends a root token. A login is left to its lease otherwise:
// each process has its own, and ends it before it has changed anything.
func (c *mortalClient) RevokeSelf(ctx context.Context) error {
	if !c.root {
		if c.m.isDead() {
			return errDead
		}
		return c.Interface.RevokeSelf(ctx)
	}
	return c.change("revoke", func() error { return c.Interface.RevokeSelf(ctx) })
}

func (c *mortalClient) RemovePeer(ctx context.Context, id string) error {
	return c.change("remove peer "+id, func() error { return c.Interface.RemovePeer(ctx, id) })
}

func (c *mortalClient) StepDown(ctx context.Context) error {
	return c.change("step down", func() error { return c.Interface.StepDown(ctx) })
}
