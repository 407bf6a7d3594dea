// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/klog/v2"
)

// StoreOptions configure a Store.
type StoreOptions struct {
	// Transport sends the Store's requests and those of its Clients.
	Transport *Transport
	// PollInterval is how often each snapshot is refreshed at least; 10 min.
	PollInterval time.Duration
	// EventInterval is how often the event log of each project is read, once for
	// all tokens; 15 s, negative for never.
	EventInterval time.Duration
	// FetchConcurrency bounds the fetches of one token at a time, whatever names
	// it, which leaves the rest of its concurrency to writes; 8.
	FetchConcurrency int
}

// Store holds the snapshots. It is safe for concurrent use.
type Store struct {
	options StoreOptions
	facets  map[string]facet

	// wake tells the loop of Run that the first task has changed.
	wake    chan struct{}
	workers sync.WaitGroup

	mu          sync.Mutex
	sequence    uint64 // orders fetches, writes and Clients; never goes back
	entries     map[entryKey]*entry
	services    map[serviceKey]map[*entry]struct{} // the same by service, "" for the project's own
	logs        map[string]*eventLog               // by project
	subscribers map[any]*subscriber
	lanes       map[digest]*lane // by token value
	tasks       taskQueue
	// making are the lists of topics of which some are in the making.
	making map[*entry]struct{}
}

// NewStore returns a Store that holds nothing and fetches nothing before Run.
func NewStore(options StoreOptions) (*Store, error) {
	if options.Transport == nil {
		return nil, errors.New("the store needs a transport")
	}
	setDefault(&options.PollInterval, 10*time.Minute)
	setDefault(&options.EventInterval, 15*time.Second)
	setDefault(&options.FetchConcurrency, 8)
	if options.PollInterval < 0 || options.FetchConcurrency < 0 {
		return nil, errors.New("the poll interval and the concurrency of fetches must not be negative")
	}
	return &Store{
		options:     options,
		facets:      newFacets(),
		wake:        make(chan struct{}, 1),
		entries:     map[entryKey]*entry{},
		services:    map[serviceKey]map[*entry]struct{}{},
		logs:        map[string]*eventLog{},
		subscribers: map[any]*subscriber{},
		lanes:       map[digest]*lane{},
		making:      map[*entry]struct{}{},
	}, nil
}

// Run fetches what is wanted, polls, and reads the event logs. It returns when
// ctx is done and the fetches under way have ended. Call it once.
func (s *Store) Run(ctx context.Context) {
	logger := klog.FromContext(ctx)
	logger.Info("Starting the Aiven store", "pollInterval", s.options.PollInterval, "eventInterval", s.options.EventInterval)
	defer logger.Info("Stopped the Aiven store")
	defer s.workers.Wait()
	for ctx.Err() == nil {
		next := s.runDue(ctx)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// runDue runs the tasks that are due and returns the time to the next one.
func (s *Store) runDue(ctx context.Context) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		t := s.tasks.popDue(time.Now())
		if t == nil {
			break
		}
		t.run()
	}
	for token, l := range s.lanes {
		s.startJobs(ctx, token, l)
	}
	if len(s.tasks) == 0 {
		return s.options.PollInterval
	}
	return time.Until(s.tasks[0].due)
}

// schedule moves t to that time. s.mu is held.
func (s *Store) schedule(t *task, due time.Time) {
	if s.tasks.set(t, due) {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// hasten moves t forward to that time if it is later. s.mu is held.
func (s *Store) hasten(t *task, due time.Time) {
	if t.index < 0 || due.Before(t.due) {
		s.schedule(t, due)
	}
}

// next returns the next sequence number. s.mu is held.
func (s *Store) next() uint64 {
	s.sequence++
	return s.sequence
}

// Refresh reads that service again with every token that reads it, in the
// background. Many calls cost one read.
func (s *Store) Refresh(project, service string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := range s.services[serviceKey{project, service}] {
		s.wantAgain(e)
	}
}

// background is the doer of the Store's own fetches: it waits for its token's
// limits as long as it takes.
type background struct {
	transport  *Transport
	source     Source
	credential Credential
}

// Do implements Doer.
func (b background) Do(ctx context.Context, operationID, method, path string, in any, query ...[2]string) ([]byte, error) {
	return b.transport.send(ctx, request{
		operation: operationID, method: method, path: path, query: query, in: in,
		source: b.source, credential: b.credential, maxWait: -1,
	})
}

// fetchAs calls fetch with the source's present credential, so that a renewed
// token is used and a refused one not, or with probe.
func (s *Store) fetchAs(ctx context.Context, source Source, probe *Credential, fetch func(Doer) error) (Credential, error) {
	if probe == nil {
		credential, err := source.Current()
		if err != nil {
			return Credential{}, &credentialError{err: err}
		}
		probe = &credential
	}
	return *probe, fetch(background{transport: s.options.Transport, source: source, credential: *probe})
}

// credentialError is why there was no token to fetch with.
type credentialError struct {
	err error
}

func (e *credentialError) Error() string { return e.err.Error() }
func (e *credentialError) Unwrap() error { return e.err }
