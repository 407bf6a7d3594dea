// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"maps"
	"slices"
	"time"
)

// Project is a way to look at one project's state.
type Project struct {
	server *Server
	name   string
}

// Project returns the project of a name, which need not exist.
func (s *Server) Project(name string) Project { return Project{server: s, name: name} }

// Service returns a copy of a service's state; changing it has no effect.
func (p Project) Service(name string) (Service, bool) {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	state := p.server.projects[p.name]
	if state == nil || state.services[name] == nil {
		return Service{}, false
	}
	return state.services[name].snapshot(time.Now()), true
}

// Services returns copies of all services, by name.
func (p Project) Services() []Service {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	state := p.server.projects[p.name]
	if state == nil {
		return nil
	}
	var out []Service
	for _, name := range slices.Sorted(maps.Keys(state.services)) {
		out = append(out, state.services[name].snapshot(time.Now()))
	}
	return out
}

// Events returns the event log, oldest first.
func (p Project) Events() []Event {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	if state := p.server.projects[p.name]; state != nil {
		return slices.Clone(state.events)
	}
	return nil
}

// CA returns the certificate of the project's authority in PEM, empty when the
// project does not exist.
func (p Project) CA() string {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	if state := p.server.projects[p.name]; state != nil {
		return state.ca.certificate
	}
	return ""
}

// snapshot copies the exported state. The lock is held.
func (sv *Service) snapshot(now time.Time) Service {
	sv.settle(now)
	for _, t := range sv.Topics {
		t.settle(now)
	}
	return deepCopy(*sv)
}

// User returns a user of a service's copy.
func (sv *Service) User(name string) (User, bool) {
	if u := sv.user(name); u != nil {
		return *u, true
	}
	return User{}, false
}

// Topic returns a topic of a service's copy.
func (sv *Service) Topic(name string) (Topic, bool) {
	for _, t := range sv.Topics {
		if t.Name == name {
			return *t, true
		}
	}
	return Topic{}, false
}

// Object names one remote object.
type Object struct {
	// Kind is project, service, user, database, pool, topic or acl.
	Kind    string `json:"kind"`
	Project string `json:"project"`
	Service string `json:"service,omitempty"`
	// Name is the name within the service, the id of an acl.
	Name string `json:"name,omitempty"`
}

// Objects lists everything that exists, sorted. Built-in users, databases and
// ACL entries are left out: they come and go with their service.
func (s *Server) Objects() []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Object
	for _, project := range slices.Sorted(maps.Keys(s.projects)) {
		out = append(out, Object{Kind: "project", Project: project})
		services := s.projects[project].services
		for _, name := range slices.Sorted(maps.Keys(services)) {
			out = append(out, services[name].objects()...)
		}
	}
	return out
}

func (sv *Service) objects() []Object {
	out := []Object{{Kind: "service", Project: sv.Project, Service: sv.Name}}
	add := func(kind string, names []string) {
		slices.Sort(names)
		for _, name := range names {
			out = append(out, Object{Kind: kind, Project: sv.Project, Service: sv.Name, Name: name})
		}
	}
	var users, databases, pools, topics, acls []string
	for _, u := range sv.Users {
		if u.Username != sv.kind.admin {
			users = append(users, u.Username)
		}
	}
	for _, d := range sv.Databases {
		if d.Name != defaultDB {
			databases = append(databases, d.Name)
		}
	}
	for _, p := range sv.Pools {
		pools = append(pools, p.Name)
	}
	for _, t := range sv.Topics {
		topics = append(topics, t.Name)
	}
	for _, a := range sv.ACLs {
		if a.ID != "default" {
			acls = append(acls, a.ID)
		}
	}
	add("user", users)
	add("database", databases)
	add("pool", pools)
	add("topic", topics)
	add("acl", acls)
	return out
}
