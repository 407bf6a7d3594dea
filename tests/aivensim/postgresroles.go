// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// roleSet is what a cluster must hold: the roles by name and the databases.
type roleSet struct {
	roles     map[string]role
	databases []string
}

type role struct {
	password    string
	admin       bool
	replication bool
}

// wantedRoles is the simulated state of a service for its cluster, and the
// database of the pool. It fails while the service does not run.
func (s *Server) wantedRoles(project, service, pool string) (roleSet, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.projects[project]
	if p == nil || p.services[service] == nil {
		return roleSet{}, "", errors.New("the service has been deleted")
	}
	sv := p.services[service]
	sv.settle(time.Now())
	if sv.State != StateRunning && sv.State != StateRebalancing {
		return roleSet{}, "", errors.New("the database system is starting up")
	}
	want := roleSet{roles: map[string]role{}}
	for _, u := range sv.Users {
		r := role{password: u.Password, admin: u.Username == adminUser}
		if a := u.AccessControl; a != nil && a.PGAllowReplication != nil {
			r.replication = *a.PGAllowReplication
		}
		want.roles[u.Username] = r
	}
	for _, d := range sv.Databases {
		want.databases = append(want.databases, d.Name)
	}
	database := ""
	for _, o := range sv.Pools {
		if o.Name == pool {
			database = o.Database
		}
	}
	return want, database, nil
}

// script is the psql script that turns one set into another. The locale of a
// database is what the simulator shows, not what the cluster uses: locales are
// rarely installed on test machines.
func (have roleSet) script(want roleSet) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(want.roles)) {
		r := want.roles[name]
		if old, ok := have.roles[name]; ok && old == r {
			continue
		}
		fmt.Fprintf(&b, "SELECT %s WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %s) \\gexec\n",
			literal("CREATE ROLE "+identifier(name)), literal(name))
		fmt.Fprintf(&b, "ALTER ROLE %s LOGIN %s %s PASSWORD %s;\n", identifier(name),
			option(r.admin, "CREATEDB CREATEROLE", "NOCREATEDB NOCREATEROLE"),
			option(r.replication, "REPLICATION", "NOREPLICATION"), literal(r.password))
	}
	for _, name := range want.databases {
		if !slices.Contains(have.databases, name) {
			fmt.Fprintf(&b, "SELECT %s WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = %s) \\gexec\n",
				literal("CREATE DATABASE "+identifier(name)+" OWNER "+identifier(adminUser)), literal(name))
		}
	}
	for _, name := range have.databases {
		if !slices.Contains(want.databases, name) {
			fmt.Fprintf(&b, "DROP DATABASE IF EXISTS %s WITH (FORCE);\n", identifier(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have.roles)) {
		if _, ok := want.roles[name]; ok {
			continue
		}
		// A role that owns objects cannot be dropped; that it cannot log in is
		// what matters.
		fmt.Fprintf(&b, "ALTER ROLE %s NOLOGIN PASSWORD NULL;\n", identifier(name))
		fmt.Fprintf(&b, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s;\n", literal(name))
		fmt.Fprintf(&b, "\\set ON_ERROR_STOP off\nDROP ROLE %s;\n\\set ON_ERROR_STOP on\n", identifier(name))
	}
	return b.String()
}

func option(on bool, yes, no string) string {
	if on {
		return yes
	}
	return no
}

func identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func literal(text string) string { return `'` + strings.ReplaceAll(text, `'`, `''`) + `'` }
