// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Server is a simulated Aiven API. All its methods may be called concurrently.
type Server struct {
	opts   Options
	router *router
	ledger *ledger
	faults *faultSet
	tokens *tokenBook

	mu       sync.Mutex
	timing   Timing
	projects map[string]*project
	// units holds the organization first and then its units.
	units         []*unit
	billingGroups []*billingGroup
	steps         []*UpgradeStep
	ids           uint64
	changed       chan struct{}

	// ctx ends with Close and bounds everything the server waits in.
	ctx         context.Context
	cancel      context.CancelFunc
	connections atomic.Uint64
	closeOnce   sync.Once
	closeErr    error
	wg          sync.WaitGroup
	httpServer  *http.Server
	listener    net.Listener
	postgres    *postgresFleet
}

// New builds a server. It starts nothing: call Start, or serve Handler and call
// Close at the end all the same.
func New(opts Options) (*Server, error) {
	tokens, err := newTokenBook(opts)
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts:     opts,
		ledger:   newLedger(),
		faults:   newFaultSet(opts.Seed),
		tokens:   tokens,
		timing:   opts.Timing,
		projects: map[string]*project{},
		units:    []*unit{newOrganization(time.Now())},
		changed:  make(chan struct{}),
	}
	s.billingGroups = []*billingGroup{{id: DefaultBillingGroupID, name: "default", account: s.units[0], created: s.units[0].created}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if opts.RealPostgres {
		if s.postgres, err = newPostgresFleet(s, opts.PostgresBinDir); err != nil {
			s.cancel()
			return nil, err
		}
	}
	s.router = newRouter(s.routes())
	for _, name := range opts.Projects {
		if _, err := s.addProject(name); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// routes is the one table of the simulated API.
func (s *Server) routes() []route {
	return slices.Concat(
		projectRoutes(),
		serviceRoutes(),
		serviceExtraRoutes(),
		userRoutes(),
		databaseRoutes(),
		poolRoutes(),
		topicRoutes(),
		kafkaACLRoutes(),
		kafkaNativeACLRoutes(),
		kafkaQuotaRoutes(),
		registryACLRoutes(),
		registryRoutes(),
		connectRoutes(),
		clickhouseRoutes(),
		opensearchACLRoutes(),
		integrationRoutes(),
		endpointRoutes(),
		vpcRoutes(),
		projectEditRoutes(),
		organizationRoutes(),
		organizationProjectRoutes(),
		upgradePipelineRoutes(),
	)
}

// Start listens and serves until Close. The returned URL has no path and is what
// AIVEN_WEB_URL takes.
func (s *Server) Start() (string, error) {
	addr := s.opts.Address
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := (&net.ListenConfig{}).Listen(s.ctx, "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listen for the Aiven API: %w", err)
	}
	s.listener = listener
	s.httpServer = &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 30 * time.Second,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, s.connections.Add(1))
		},
	}
	s.wg.Go(func() {
		// Serve ends with ErrServerClosed on Close and has nothing else to say.
		_ = s.httpServer.Serve(listener)
	})
	return s.URL(), nil
}

// URL is the address of a started server.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Handler is the API without a listener, for a server of the caller's own.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Changes tells whether a request is one that changes something at Aiven, as
// Request.Mutating does in the log. A server in front of Handler can tell by it.
func (s *Server) Changes(method, escapedPath string, body []byte) bool {
	rt, _, _ := s.router.match(method, escapedPath)
	return rt != nil && rt.mutates(body)
}

// Close ends everything the server started, hanging requests and PostgreSQL
// processes included, and waits for it.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		// Under the lock, so that no request starts anything afterwards.
		s.mu.Lock()
		s.cancel()
		s.mu.Unlock()
		if s.httpServer != nil {
			s.closeErr = s.httpServer.Close()
		}
		if s.postgres != nil {
			s.closeErr = errors.Join(s.closeErr, s.postgres.close())
		}
		s.wg.Wait()
	})
	return s.closeErr
}

// SetTiming changes the delays for what happens from now on.
func (s *Server) SetTiming(t Timing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timing = t
}

// enter counts a request in and returns its latency; false means that the
// server is closed.
func (s *Server) enter() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return 0, false
	}
	s.wg.Add(1)
	return s.timing.Latency, true
}

// newID returns an identifier that is unique in this server. The lock is held.
func (s *Server) newID(prefix string) string {
	s.ids++
	return fmt.Sprintf("%s%012x", prefix, s.ids)
}

// newUUID returns a unique identifier in the form of a UUID. The lock is held.
func (s *Server) newUUID() string {
	s.ids++
	return fmt.Sprintf("00000000-0000-4000-9000-%012x", s.ids)
}

// wake tells waiters that the state has changed. The lock is held.
func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// WaitUntil waits until cond holds. It is called again after every change of the
// state, those that come with time included, and may use all methods of s.
func (s *Server) WaitUntil(ctx context.Context, cond func() bool) error {
	for {
		s.mu.Lock()
		changed, next := s.changed, s.nextTransition(time.Now())
		s.mu.Unlock()
		if cond() {
			return nil
		}
		var timer <-chan time.Time
		if !next.IsZero() {
			timer = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case <-timer:
		}
	}
}

// nextTransition is the next moment at which a state changes by itself.
func (s *Server) nextTransition(now time.Time) time.Time {
	var next time.Time
	consider := func(t time.Time) {
		if t.After(now) && !t.Equal(never) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, p := range s.projects {
		for _, v := range p.vpcs {
			if v.State != vpcActive {
				consider(v.changesAt)
			}
		}
		for _, sv := range p.services {
			consider(sv.readyAt)
			for _, t := range sv.Topics {
				consider(t.visibleAt)
				consider(t.activeAt)
			}
		}
	}
	return next
}

// never is the deadline of a transition that only FinishService, FinishTopic or
// FinishVPC brings about.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func deadline(now time.Time, d time.Duration) time.Time {
	if d < 0 {
		return never
	}
	return now.Add(d)
}
