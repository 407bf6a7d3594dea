// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"cmp"
	"strings"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// clickhouseGrantee is a user or a role.
type clickhouseGrantee struct{ User, Role string }

func (g clickhouseGrantee) name() string { return cmp.Or(g.User, g.Role) }

// clickhouseAtom is one privilege without parts on one thing, which is how
// ClickHouse keeps grants. An empty database, table or column means all of them.
type clickhouseAtom struct {
	Grantee                            clickhouseGrantee
	Privilege, Database, Table, Column string
}

// clickhouseRoleAtom is one role of one grantee.
type clickhouseRoleAtom struct {
	Grantee clickhouseGrantee
	Role    string
}

// covers reports whether a is about the privilege of o and reaches as far.
func (a clickhouseAtom) covers(o clickhouseAtom) bool {
	return a.Grantee == o.Grantee && a.Privilege == o.Privilege &&
		(a.Database == "" || a.Database == o.Database &&
			(a.Table == "" || a.Table == o.Table && (a.Column == "" || a.Column == o.Column)))
}

// depth tells how narrow the thing is.
func (a clickhouseAtom) depth() int {
	switch {
	case a.Database == "":
		return 0
	case a.Table == "":
		return 1
	case a.Column == "":
		return 2
	}
	return 3
}

// levelDepths are the levels of system.privileges that can be narrowed down.
// Privileges of any other level are given on everything.
var levelDepths = map[string]int{"DATABASE": 1, "TABLE": 2, "VIEW": 2, "DICTIONARY": 2, "COLUMN": 3}

// leaves returns the privileges without parts that a name stands for and that
// can be given at a depth; the name itself if ClickHouse knows none.
func (a *clickhouseAccess) leaves(name string, depth int) []string {
	found, seen := []string{}, map[string]bool{}
	var walk func(key string)
	walk = func(key string) {
		if seen[key] {
			return
		}
		seen[key] = true
		p := a.Privileges[key]
		if p.Level != "" && levelDepths[p.Level] >= depth {
			found = append(found, key)
		}
		for _, part := range p.Parts {
			walk(part)
		}
	}
	key := strings.ToUpper(strings.Join(strings.Fields(name), " "))
	if walk(key); len(found) == 0 {
		return []string{key}
	}
	return found
}

// everything is the word of a spec for all databases or tables.
const everything = "*"

func scope(name string) string {
	if name == everything {
		return ""
	}
	return name
}

// atoms takes one privilege of a grant to one grantee apart.
func (a *clickhouseAccess) atoms(g v1alpha1.ClickhousePrivilegeGrant, grantee v1alpha1.ClickhouseGrantee, privilege string) []clickhouseAtom {
	atom := clickhouseAtom{Grantee: clickhouseGrantee(grantee), Database: scope(g.Database), Table: scope(g.Table)}
	columns := g.Columns
	if len(columns) == 0 {
		columns = []string{""}
	}
	var out []clickhouseAtom
	for _, atom.Column = range columns {
		for _, atom.Privilege = range a.leaves(privilege, atom.depth()) {
			out = append(out, atom)
		}
	}
	return out
}

// all takes grants apart; the values tell whether they can be passed on.
func (a *clickhouseAccess) all(grants v1alpha1.ClickhouseGrants) (map[clickhouseAtom]bool, map[clickhouseRoleAtom]bool) {
	privileges, roles := map[clickhouseAtom]bool{}, map[clickhouseRoleAtom]bool{}
	for _, g := range grants.PrivilegeGrants {
		for _, grantee := range g.Grantees {
			for _, privilege := range g.Privileges {
				for _, atom := range a.atoms(g, grantee, privilege) {
					privileges[atom] = privileges[atom] || g.WithGrantOption
				}
			}
		}
	}
	for _, g := range grants.RoleGrants {
		for _, grantee := range g.Grantees {
			for _, role := range g.Roles {
				atom := clickhouseRoleAtom{clickhouseGrantee(grantee), role}
				roles[atom] = roles[atom] || g.WithAdminOption
			}
		}
	}
	return privileges, roles
}

// has reports whether a privilege is held in full, with option also the right to
// pass it on. Of the rows that cover it the narrowest counts.
func (a *clickhouseAccess) has(atom clickhouseAtom, option bool) bool {
	held, depth := false, -1
	for _, row := range a.Grants {
		if row.Option && row.Partial && !option || !row.Partial && option && !row.Option {
			continue
		}
		switch {
		case row.covers(atom):
			if row.depth() >= depth {
				held, depth = !row.Partial, row.depth()
			}
		case row.Partial && atom.covers(row.clickhouseAtom):
			return false
		}
	}
	return held
}

// row returns whether a grant on exactly that thing is there, and can be passed on.
func (a *clickhouseAccess) row(atom clickhouseAtom) (exists, option bool) {
	for _, row := range a.Grants {
		if row.clickhouseAtom == atom && !row.Partial {
			exists, option = true, option || row.Option
		}
	}
	return exists, option
}
