// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"maps"
	"slices"
	"time"
)

// Object names one remote object.
type Object struct {
	// Kind is project, vpc, integration-endpoint, integration, upgrade-step,
	// service, user, database, pool, topic, acl, native-acl,
	// schema-registry-acl, quota, subject, connector, opensearch-acl,
	// clickhouse-user, clickhouse-database, clickhouse-role, clickhouse-grant or
	// clickhouse-role-grant.
	Kind    string `json:"kind"`
	Project string `json:"project"`
	Service string `json:"service,omitempty"`
	// Name is the name within the service or project. It is the id of what has
	// no name, user/client-id of a quota and grantee/privilege on target of a
	// grant.
	Name string `json:"name,omitempty"`
}

// Objects lists everything that exists, sorted. Built-in users, databases, ACL
// entries and grants are left out: they come and go with their service. So is
// the OpenSearch ACL as long as it is disabled and empty. An integration is
// listed once, in its source, or in its destination when the source is an
// endpoint.
func (s *Server) Objects() []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var out []Object
	for _, name := range slices.Sorted(maps.Keys(s.projects)) {
		p := s.projects[name]
		p.settleVPCs(now)
		out = append(out, Object{Kind: "project", Project: name})
		for _, v := range p.vpcs {
			out = append(out, Object{Kind: "vpc", Project: name, Name: v.ID})
		}
		for _, e := range p.endpoints {
			out = append(out, Object{Kind: "integration-endpoint", Project: name, Name: e.ID})
		}
		for _, u := range s.steps {
			if u.SourceProject == name {
				out = append(out, Object{Kind: "upgrade-step", Project: name, Service: u.SourceService, Name: u.ID})
			}
		}
		for _, service := range slices.Sorted(maps.Keys(p.services)) {
			out = append(out, p.services[service].objects()...)
		}
	}
	return out
}

// objectList collects the objects of one service.
type objectList struct {
	service *Service
	objects []Object
}

// add appends the named objects, sorted.
func (l *objectList) add(kind string, names []string) {
	slices.Sort(names)
	for _, name := range names {
		l.objects = append(l.objects, Object{Kind: kind, Project: l.service.Project, Service: l.service.Name, Name: name})
	}
}

// namesOf names the items that are not left out, which get an empty name.
func namesOf[T any](items []T, name func(T) string) []string {
	var out []string
	for _, item := range items {
		if n := name(item); n != "" {
			out = append(out, n)
		}
	}
	return out
}

func (sv *Service) objects() []Object {
	l := &objectList{service: sv, objects: []Object{{Kind: "service", Project: sv.Project, Service: sv.Name}}}
	users := "user"
	if sv.Type == "clickhouse" {
		users = "clickhouse-user"
	}
	l.add(users, namesOf(sv.Users, func(u *User) string { return unless(u.Username == sv.kind.admin, u.Username) }))
	l.add("database", namesOf(sv.Databases, func(d *Database) string { return unless(d.Name == defaultDB, d.Name) }))
	l.add("pool", namesOf(sv.Pools, func(p *Pool) string { return p.Name }))
	l.add("topic", namesOf(sv.Topics, func(t *Topic) string { return t.Name }))
	l.add("acl", namesOf(sv.ACLs, func(a ACL) string { return unless(a.ID == "default", a.ID) }))
	l.add("native-acl", namesOf(sv.NativeACLs, func(a *NativeACL) string { return a.ID }))
	l.add("schema-registry-acl", namesOf(sv.RegistryACLs, func(a RegistryACL) string { return unless(a.builtIn(), a.ID) }))
	l.add("quota", namesOf(sv.Quotas, func(q *Quota) string { return q.User + "/" + q.ClientID }))
	if sv.Registry != nil {
		l.add("subject", namesOf(sv.Registry.Subjects, func(s *Subject) string { return unless(len(s.live()) == 0, s.Name) }))
	}
	l.add("connector", namesOf(sv.Connectors, func(k *Connector) string { return k.Name }))
	if a := sv.OpenSearchACL; a != nil && (a.Enabled || len(a.ACLs) > 0) {
		l.add("opensearch-acl", []string{sv.Name})
	}
	if sv.ClickHouse != nil {
		l.addClickHouse(sv.ClickHouse)
	}
	l.add("integration", namesOf(sv.Integrations, func(i *Integration) string {
		elsewhere := i.SourceService != "" && (i.SourceService != sv.Name || i.SourceProject != sv.Project)
		return unless(elsewhere, i.ID)
	}))
	return l.objects
}

func (l *objectList) addClickHouse(h *ClickHouse) {
	l.add("clickhouse-database", namesOf(h.Databases, func(d ClickHouseDatabase) string { return unless(d.Required, d.Name) }))
	l.add("clickhouse-role", namesOf(h.Roles, func(r ClickHouseRole) string { return r.Name }))
	l.add("clickhouse-grant", namesOf(h.Grants, func(g ClickHouseGrant) string { return unless(g.User == adminUser, g.String()) }))
	l.add("clickhouse-role-grant", namesOf(h.RoleGrants, func(g ClickHouseRoleGrant) string { return g.User + g.Role + "/" + g.Granted }))
}

func unless(leaveOut bool, name string) string {
	if leaveOut {
		return ""
	}
	return name
}
