// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/aiven/go-client-codegen/handler/project"
	"k8s.io/klog/v2"
)

// eventPage is how many of a project's last events are read. More than that
// between two reads are left to the poll.
const eventPage = "100"

// logKey says whose event log is read, and with whose eyes.
type logKey struct {
	token   string
	project string
}

// eventLog follows GET /v1/project/{project}/events: it only makes drift
// repair sooner, the poll is what makes it certain. The Store's lock guards it.
type eventLog struct {
	key      logKey
	task     task
	users    int // entries of the project's services; what is its own profits too
	seen     map[string]struct{}
	failures int
	reading  bool
}

// followLog starts or shares the log of key. s.mu is held.
func (s *Store) followLog(key logKey) {
	if s.options.EventInterval < 0 {
		return
	}
	l := s.logs[key]
	if l == nil {
		l = &eventLog{key: key, task: task{index: -1}}
		l.task.run = func() {
			if !l.reading {
				l.reading = true
				s.enqueue(key.token, func(ctx context.Context) { s.readLog(ctx, l) })
			}
		}
		s.logs[key] = l
		// The entry that asks for the log is fetched right now; what happens from
		// here on is news.
		s.schedule(&l.task, time.Now())
	}
	l.users++
}

// unfollowLog ends following when nobody needs it. s.mu is held.
func (s *Store) unfollowLog(key logKey) {
	l := s.logs[key]
	if l == nil {
		return
	}
	if l.users--; l.users == 0 {
		s.tasks.remove(&l.task)
		delete(s.logs, key)
	}
}

// readLog reads the log once and has the services that are named in new
// entries read again.
func (s *Store) readLog(ctx context.Context, l *eventLog) {
	var events []project.EventOut
	_, err := s.fetchAs(ctx, l.key.token, nil, func(d Doer) (err error) {
		events, err = readEvents(ctx, d, l.key.project)
		return err
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	l.reading = false
	if s.logs[l.key] != l || ctx.Err() != nil {
		return
	}
	if err != nil {
		l.failures++
		s.schedule(&l.task, time.Now().Add(s.logDelay(l, err)))
		klog.FromContext(ctx).V(4).Info("Event log can't be read", "project", l.key.project, "token", l.key.token, "err", err)
		return
	}
	l.failures = 0
	named := l.news(events)
	for name := range named {
		for e := range s.services[serviceKey{l.key.project, name}] {
			if e.key.token == l.key.token {
				s.wantAgain(e)
			}
		}
	}
	s.schedule(&l.task, time.Now().Add(jittered(s.options.EventInterval)))
}

// logDelay is the wait after a failure. Without the right to read the log there
// is no hurry.
func (s *Store) logDelay(l *eventLog, err error) time.Duration {
	poll := s.options.PollInterval
	if !passing(err) {
		return jittered(poll)
	}
	return max(failureDelay(l.failures, poll), RetryAfter(err), s.options.EventInterval)
}

// news remembers the events and returns the services that those not seen
// before name, "" for what is the project's own. The first read only remembers.
func (l *eventLog) news(events []project.EventOut) map[string]struct{} {
	first := l.seen == nil
	named := map[string]struct{}{}
	now := make(map[string]struct{}, len(events))
	for _, event := range events {
		now[event.Id] = struct{}{}
		if _, known := l.seen[event.Id]; !known && !first {
			named[event.ServiceName] = struct{}{}
		}
	}
	l.seen = now
	return named
}

func readEvents(ctx context.Context, d Doer, name string) ([]project.EventOut, error) {
	path := fmt.Sprintf("/v1/project/%s/events", url.PathEscape(name))
	answer, err := d.Do(ctx, "ProjectGetEventLogs", http.MethodGet, path, nil, [2]string{"limit", eventPage})
	if err != nil {
		return nil, err
	}
	var out struct {
		Events []project.EventOut `json:"events"`
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return nil, err
	}
	return out.Events, nil
}
