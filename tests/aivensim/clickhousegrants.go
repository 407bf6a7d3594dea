// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"cmp"
	"slices"
)

// ClickHouseGrant is a row of system.grants. Exactly one of User and Role is
// set; an empty Database, Table or Column means all of them.
type ClickHouseGrant struct {
	User        string
	Role        string
	Access      string
	Database    string
	Table       string
	Column      string
	GrantOption bool
	// Partial takes back a part of a wider grant.
	Partial bool
}

// ClickHouseRoleGrant is a row of system.role_grants. Exactly one of User and
// Role is set.
type ClickHouseRoleGrant struct {
	User        string
	Role        string
	Granted     string
	AdminOption bool
}

// related tells whether two rows are about the same privilege of one grantee.
func (g ClickHouseGrant) related(o ClickHouseGrant) bool {
	return g.User == o.User && g.Role == o.Role && g.Access == o.Access
}

// covers tells whether g reaches at least as far as o.
func (g ClickHouseGrant) covers(o ClickHouseGrant) bool {
	switch {
	case g.Database == "":
		return true
	case g.Database != o.Database:
		return false
	case g.Table == "":
		return true
	case g.Table != o.Table:
		return false
	default:
		return g.Column == "" || g.Column == o.Column
	}
}

// grant adds a privilege. As in ClickHouse, a wider row takes in the narrower
// ones, and one that is there already with the same option makes it a no-op.
func (h *ClickHouse) grant(g ClickHouseGrant) {
	h.Grants = slices.DeleteFunc(h.Grants, func(o ClickHouseGrant) bool {
		return o.Partial && o.related(g) && g.covers(o)
	})
	withheld := slices.ContainsFunc(h.Grants, func(o ClickHouseGrant) bool { return o.Partial && o.related(g) && o.covers(g) })
	given := slices.ContainsFunc(h.Grants, func(o ClickHouseGrant) bool {
		return !o.Partial && o.related(g) && o.covers(g) && (o.GrantOption || !g.GrantOption)
	})
	if given && !withheld {
		return
	}
	h.Grants = slices.DeleteFunc(h.Grants, func(o ClickHouseGrant) bool {
		return !o.Partial && o.related(g) && g.covers(o) && (g.GrantOption || !o.GrantOption)
	})
	h.Grants = append(h.Grants, g)
}

// revoke takes a privilege back, also out of a wider grant.
func (h *ClickHouse) revoke(g ClickHouseGrant) {
	h.Grants = slices.DeleteFunc(h.Grants, func(o ClickHouseGrant) bool { return o.related(g) && g.covers(o) })
	wider, withheld := false, false
	for _, o := range h.Grants {
		if o.related(g) && o.covers(g) {
			wider, withheld = wider || !o.Partial, withheld || o.Partial
		}
	}
	if wider && !withheld {
		g.Partial, g.GrantOption = true, false
		h.Grants = append(h.Grants, g)
	}
}

// revokeOption takes back the right to pass the privilege on.
func (h *ClickHouse) revokeOption(g ClickHouseGrant) {
	for i := range h.Grants {
		if h.Grants[i].related(g) && g.covers(h.Grants[i]) {
			h.Grants[i].GrantOption = false
		}
	}
}

func (h *ClickHouse) grantRole(g ClickHouseRoleGrant) {
	for i, o := range h.RoleGrants {
		if o.User == g.User && o.Role == g.Role && o.Granted == g.Granted {
			h.RoleGrants[i].AdminOption = o.AdminOption || g.AdminOption
			return
		}
	}
	h.RoleGrants = append(h.RoleGrants, g)
}

// revokeRole takes a role back, or with optionOnly only its admin option.
func (h *ClickHouse) revokeRole(g ClickHouseRoleGrant, optionOnly bool) {
	for i, o := range h.RoleGrants {
		if o.User != g.User || o.Role != g.Role || o.Granted != g.Granted {
			continue
		}
		if optionOnly {
			h.RoleGrants[i].AdminOption = false
		} else {
			h.RoleGrants = slices.Delete(h.RoleGrants, i, i+1)
		}
		return
	}
}

// forget drops what a deleted user or role was given and, of a role, to whom it
// was given.
func (h *ClickHouse) forget(user, role string) {
	h.Grants = slices.DeleteFunc(h.Grants, func(g ClickHouseGrant) bool { return g.User == user && g.Role == role })
	h.RoleGrants = slices.DeleteFunc(h.RoleGrants, func(g ClickHouseRoleGrant) bool {
		return g.User == user && g.Role == role || role != "" && g.Granted == role
	})
}

func (h *ClickHouse) hasRole(name string) bool { return h.roleUUID(name) != "" }

func (h *ClickHouse) roleUUID(name string) string {
	for _, r := range h.Roles {
		if r.Name == name {
			return r.UUID
		}
	}
	return ""
}

// String names the grant: grantee/privilege(column) on database.table, with a
// minus before the privilege when it is a partial revoke.
func (g ClickHouseGrant) String() string {
	access := g.Access
	if g.Partial {
		access = "-" + access
	}
	if g.Column != "" {
		access += "(" + g.Column + ")"
	}
	return g.User + g.Role + "/" + access + " on " + cmp.Or(g.Database, "*") + "." + cmp.Or(g.Table, "*")
}
