// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"cmp"
	"maps"
	"slices"
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
// Privileges of any other level are given on everything at once.
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

// clickhousePlan is what brings the grants of a service to a spec.
type clickhousePlan struct {
	// missing is what the spec names and nobody has; it is granted first, so that
	// nobody is without a privilege that stays.
	missing v1alpha1.ClickhouseGrants
	// statements take back what the spec does not name any more, and only that.
	statements []string
	// lost is what those statements take along: ClickHouse drops a narrower grant
	// for a wider one, so it has to be given anew after the wider one has gone.
	lost v1alpha1.ClickhouseGrants
}

func (p *clickhousePlan) empty() bool {
	return len(p.statements) == 0 && isEmpty(p.missing)
}

func isEmpty(g v1alpha1.ClickhouseGrants) bool {
	return len(g.PrivilegeGrants) == 0 && len(g.RoleGrants) == 0
}

// plan compares what is granted with what a spec names and what was applied for
// it before.
func (a *clickhouseAccess) plan(spec, applied v1alpha1.ClickhouseGrants) clickhousePlan {
	wanted, wantedRoles := a.all(spec)
	old, oldRoles := a.all(applied)
	gone, optionGone := []clickhouseAtom{}, []clickhouseAtom{}
	for atom, option := range old {
		exists, live := a.row(atom)
		if !exists {
			continue // it is no more, or part of a wider one that is not ours
		}
		keep, keepOption := false, false
		for w, wOption := range wanted {
			if w.covers(atom) {
				keep, keepOption = true, keepOption || wOption
			}
		}
		switch {
		case !keep:
			gone = append(gone, atom)
		case option && live && !keepOption:
			optionGone = append(optionGone, atom)
		}
	}
	out := clickhousePlan{
		missing: a.without(spec, func(atom clickhouseAtom, option bool) bool { return a.has(atom, option) },
			func(atom clickhouseRoleAtom, option bool) bool {
				live, ok := a.RoleGrants[atom]
				return ok && (live || !option)
			}),
		lost: a.without(spec, func(atom clickhouseAtom, _ bool) bool {
			return !slices.ContainsFunc(gone, func(g clickhouseAtom) bool { return g.covers(atom) })
		}, func(clickhouseRoleAtom, bool) bool { return true }),
	}
	out.statements = append(a.revokes("REVOKE ", gone), a.revokes("REVOKE GRANT OPTION FOR ", optionGone)...)
	for _, atom := range slices.SortedFunc(maps.Keys(oldRoles), compareRoleAtoms) {
		live, exists := a.RoleGrants[atom]
		option, keep := wantedRoles[atom]
		from := quoteIdentifier(atom.Role) + " FROM " + quoteIdentifier(atom.Grantee.name())
		switch {
		case !exists:
		case !keep:
			out.statements = append(out.statements, "REVOKE "+from)
		case oldRoles[atom] && live && !option:
			out.statements = append(out.statements, "REVOKE ADMIN OPTION FOR "+from)
		}
	}
	return out
}

// without returns the part of grants of which something is not there: one entry
// for each grantee.
func (a *clickhouseAccess) without(grants v1alpha1.ClickhouseGrants, has func(clickhouseAtom, bool) bool, hasRole func(clickhouseRoleAtom, bool) bool) (out v1alpha1.ClickhouseGrants) {
	for _, g := range grants.PrivilegeGrants {
		for _, grantee := range g.Grantees {
			privileges := slices.DeleteFunc(slices.Clone(g.Privileges), func(privilege string) bool {
				return !slices.ContainsFunc(a.atoms(g, grantee, privilege), func(atom clickhouseAtom) bool { return !has(atom, g.WithGrantOption) })
			})
			if len(privileges) > 0 {
				part := g
				part.Grantees, part.Privileges = []v1alpha1.ClickhouseGrantee{grantee}, privileges
				out.PrivilegeGrants = append(out.PrivilegeGrants, part)
			}
		}
	}
	for _, g := range grants.RoleGrants {
		for _, grantee := range g.Grantees {
			roles := slices.DeleteFunc(slices.Clone(g.Roles), func(role string) bool {
				return hasRole(clickhouseRoleAtom{clickhouseGrantee(grantee), role}, g.WithAdminOption)
			})
			if len(roles) > 0 {
				out.RoleGrants = append(out.RoleGrants, v1alpha1.ClickhouseRoleGrant{
					Grantees: []v1alpha1.ClickhouseGrantee{grantee}, Roles: roles, WithAdminOption: g.WithAdminOption,
				})
			}
		}
	}
	return out
}

func compareRoleAtoms(x, y clickhouseRoleAtom) int {
	return cmp.Or(cmp.Compare(x.Grantee.User, y.Grantee.User), cmp.Compare(x.Grantee.Role, y.Grantee.Role), cmp.Compare(x.Role, y.Role))
}
