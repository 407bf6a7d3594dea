// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/aiven/go-client-codegen/handler/project"
	"k8s.io/klog/v2"
)

// eventPage is how many of a project's last events are read. More than that
// between two reads are left to the poll.
const eventPage = "100"

// eventLog follows GET /v1/project/{project}/events: it only makes drift
// repair sooner, the poll is what makes it certain. The Store's lock guards it.
//
// It is read once for all, in turn with the tokens of those who follow it. All
// that one of them learns from what another's token has read is that a service is
// worth reading again, which it then does with its own: nothing of an event
// reaches an object. Only those take part whose token has shown something of the
// project already, as readers and as those who profit.
type eventLog struct {
	project   string
	task      task
	followers map[string]*follower // by the name of the Source
	reader    *follower            // whose token read it last
	seen      map[string]struct{}  // nil before the first read
}

// follower is a Source with which services of the project are read. It ends with
// the last of them.
type follower struct {
	entries map[*entry]struct{}
	sees    bool          // its token has shown something of the project
	reading bool          // the log is being read with it
	wait    time.Duration // the last, while it can't be
	after   time.Time     // it is not read with it before
}

// followLog has the log of e's project followed for its Source. What is the
// project's own profits, too. s.mu is held.
func (s *Store) followLog(e *entry) {
	if s.options.EventInterval < 0 || e.key.service == "" {
		return
	}
	l := s.logs[e.key.project]
	if l == nil {
		l = &eventLog{project: e.key.project, task: task{index: -1}, followers: map[string]*follower{}}
		l.task.run = func() { s.startLog(l) }
		s.logs[l.project] = l
	}
	f := l.followers[e.key.token]
	if f == nil {
		f = &follower{entries: map[*entry]struct{}{}}
		l.followers[e.key.token] = f
	}
	f.entries[e] = struct{}{}
}

// unfollowLog ends following when nobody needs it. s.mu is held.
func (s *Store) unfollowLog(e *entry) {
	l := s.logs[e.key.project]
	if l == nil || l.followers[e.key.token] == nil {
		return
	}
	f := l.followers[e.key.token]
	if delete(f.entries, e); len(f.entries) == 0 {
		delete(l.followers, e.key.token)
	}
	if len(l.followers) == 0 {
		s.tasks.remove(&l.task)
		delete(s.logs, l.project)
	}
}

// seen notes that e was read: if there is such a thing, its token sees the
// project. s.mu is held.
func (s *Store) seen(e *entry) {
	l := s.logs[e.key.project]
	if l == nil {
		return
	}
	if f := l.followers[e.key.token]; f != nil && !f.sees && e.snap.exists() {
		f.sees = true
		// What e shows is from just now; what happens from here on is news.
		s.hasten(&l.task, later(time.Now(), f.after))
	}
}

// unseen notes that the service of e may not be read any more. s.mu is held.
func (s *Store) unseen(e *entry, err error) {
	l := s.logs[e.key.project]
	if l == nil || e.key.facet != serviceFacetName || ClassOf(err) != Forbidden {
		return
	}
	if f := l.followers[e.key.token]; f != nil {
		f.sees = false
	}
}

// next returns who reads the log now, nil if nobody may.
func (l *eventLog) next() *follower {
	may := func(f *follower) bool {
		return f != nil && len(f.entries) > 0 && f.sees && !f.reading && !time.Now().Before(f.after)
	}
	if may(l.reader) {
		return l.reader
	}
	for _, name := range slices.Sorted(maps.Keys(l.followers)) {
		if f := l.followers[name]; may(f) {
			return f
		}
	}
	return nil
}

// startLog has the log read. s.mu is held.
func (s *Store) startLog(l *eventLog) {
	f := l.next()
	if f == nil {
		s.resumeLog(l)
		return
	}
	f.reading, l.reader = true, f
	// A token that hangs must not keep the news from others.
	s.schedule(&l.task, time.Now().Add(2*s.options.EventInterval))
	for e := range f.entries { // any one of them
		source := e.source
		s.enqueue(e.lane, job{
			run:      func(ctx context.Context) { s.readLog(ctx, l, f, source) },
			panicked: func(err error) { s.tookLog(l, f, nil, err) },
		})
		return
	}
}

// resumeLog has the log read when somebody may read it again. s.mu is held.
func (s *Store) resumeLog(l *eventLog) {
	var first time.Time
	for _, f := range l.followers {
		if f.sees && !f.reading && (first.IsZero() || f.after.Before(first)) {
			first = f.after
		}
	}
	if !first.IsZero() {
		s.schedule(&l.task, later(first, time.Now()))
	}
}

// readLog reads the log once and has the services that are named in new
// entries read again.
func (s *Store) readLog(ctx context.Context, l *eventLog, f *follower, source Source) {
	var events []project.EventOut
	_, err := s.fetchAs(ctx, source, nil, func(d Doer) (err error) {
		events, err = readEvents(ctx, d, l.project)
		return err
	})
	if ctx.Err() != nil {
		return
	}
	s.tookLog(l, f, events, err)
	if err != nil {
		klog.FromContext(ctx).V(4).Info("Event log can't be read", "project", l.project, "token", source.Name(), "err", err)
	}
}

// tookLog takes in what f has read, or why it could not.
func (s *Store) tookLog(l *eventLog, f *follower, events []project.EventOut, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.reading = false
	if s.logs[l.project] != l {
		return
	}
	now := time.Now()
	s.schedule(&l.task, now.Add(jittered(s.options.EventInterval)))
	if err != nil {
		// Another one reads it the next time, if there is one who may.
		f.wait = s.failing().Next(f.wait)
		f.after = now.Add(max(f.wait, RetryAfter(err), s.options.EventInterval))
		switch {
		case aboutToken(err):
			f.wait, f.after = 0, now.Add(s.options.EventInterval) // nothing is sent until the token may be used
		case !passing(err):
			f.after = now.Add(jittered(s.options.PollInterval)) // without the right there is no hurry
		}
		return
	}
	f.wait = 0
	for name := range l.news(events) {
		for e := range s.services[serviceKey{l.project, name}] {
			if of := l.followers[e.key.token]; of != nil && of.sees {
				s.wantAgain(e)
			}
		}
	}
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
