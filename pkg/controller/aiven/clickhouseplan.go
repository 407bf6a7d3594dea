// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"cmp"
	"maps"
	"slices"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// clickhousePlan is what brings the grants of a service to a spec.
type clickhousePlan struct {
	// missing is what the spec names and nobody has; it is granted first, so that
	// nobody is without a privilege that stays.
	missing v1alpha1.ClickhouseGrants
	// statements take back what the spec does not name any more, and only that.
	statements []string
	// lost is what those statements take along: ClickHouse drops a narrower grant
	// for a wider one, so it has to be given again after the wider one has gone.
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
