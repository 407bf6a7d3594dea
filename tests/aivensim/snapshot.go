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

// Settings returns a copy of what the project is besides its name.
func (p Project) Settings() (ProjectSettings, bool) {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	if state := p.server.projects[p.name]; state != nil {
		return deepCopy(state.settings), true
	}
	return ProjectSettings{}, false
}

// VPCs returns copies of the project's VPCs, oldest first.
func (p Project) VPCs() []VPC {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	state := p.server.projects[p.name]
	if state == nil {
		return nil
	}
	state.settleVPCs(time.Now())
	var out []VPC
	for _, v := range state.vpcs {
		out = append(out, *v)
	}
	return out
}

// Endpoints returns copies of the project's integration endpoints, oldest first.
func (p Project) Endpoints() []Endpoint {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	var out []Endpoint
	if state := p.server.projects[p.name]; state != nil {
		for _, e := range state.endpoints {
			out = append(out, deepCopy(*e))
		}
	}
	return out
}

// UpgradeSteps returns copies of all upgrade pipeline steps, oldest first.
func (s *Server) UpgradeSteps() []UpgradeStep {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []UpgradeStep
	for _, u := range s.steps {
		out = append(out, *u)
	}
	return out
}
