// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// project is the state of one project.
type project struct {
	name      string
	ca        *authority
	settings  ProjectSettings
	services  map[string]*Service
	vpcs      []*VPC
	endpoints []*Endpoint
	events    []Event // oldest first
}

// Event is one entry of a project's event log.
type Event struct {
	Actor       string `json:"actor"`
	EventDesc   string `json:"event_desc"`
	EventType   string `json:"event_type"`
	ID          string `json:"id"`
	ServiceName string `json:"service_name"`
	// Time is in ISO 8601 with microseconds, UTC.
	Time string `json:"time"`
}

var projectName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,63}$`)

func projectRoutes() []route {
	return []route{
		{operation: "ProjectGet", method: http.MethodGet, pattern: "/v1/project/{project}", handle: (*call).projectGet},
		{operation: "ProjectKmsGetCA", method: http.MethodGet, pattern: "/v1/project/{project}/kms/ca", handle: (*call).projectCA},
		{operation: "ProjectGetEventLogs", method: http.MethodGet, pattern: "/v1/project/{project}/events", handle: (*call).projectEvents},
	}
}

// AddProject creates an empty project.
func (s *Server) AddProject(name string) error {
	_, err := s.addProject(name)
	return err
}

func (s *Server) addProject(name string) (*project, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addProjectLocked(name)
}

func (s *Server) addProjectLocked(name string) (*project, error) {
	if !projectName.MatchString(name) {
		return nil, badRequest("Invalid 'project': %q", name)
	}
	if _, ok := s.projects[name]; ok {
		return nil, conflict("Project %s already exists", name)
	}
	ca, err := newAuthority(name)
	if err != nil {
		return nil, err
	}
	p := &project{name: name, ca: ca, settings: s.defaultSettings(), services: map[string]*Service{}}
	s.projects[name] = p
	s.wake()
	return p, nil
}

func (c *call) projectGet() (any, error) { return c.projectAnswer() }

func (c *call) projectCA() (any, error) {
	return map[string]string{"certificate": c.project.ca.certificate}, nil
}

func (c *call) projectEvents() (any, error) {
	events := slices.Clone(c.project.events)
	slices.Reverse(events)
	if raw := c.query.Get("limit"); raw != "" {
		limit, err := strconv.Atoi(raw)
		if err != nil || limit < 1 {
			return nil, badRequest("Invalid 'limit': %q", raw)
		}
		events = events[:min(limit, len(events))]
	}
	if events == nil {
		events = []Event{}
	}
	return map[string]any{"events": events}, nil
}

// log writes the project event log.
func (c *call) log(eventType, service, format string, args ...any) {
	c.project.events = append(c.project.events, Event{
		Actor:       c.actor,
		EventDesc:   fmt.Sprintf(format, args...),
		EventType:   eventType,
		ID:          c.server.newID("ev"),
		ServiceName: service,
		Time:        c.now.UTC().Format(timeFormat),
	})
}

// timeFormat is how the API writes timestamps.
const timeFormat = "2006-01-02T15:04:05.000000Z"

func timestamp(t time.Time) string { return t.UTC().Format(timeFormat) }
