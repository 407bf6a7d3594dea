// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// privilegePattern is what a privilege can look like. It is the only thing of a
// spec that stands in a statement without quotes.
var privilegePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*( +[A-Za-z0-9_]+)*$`)

// checkClickhouseGrants refuses what can't be said in SQL.
func checkClickhouseGrants(grants v1alpha1.ClickhouseGrants) error {
	invalid := func(format string, args ...any) error {
		return reconcile.Invalid(reasonInvalidSpec, fmt.Sprintf(format, args...))
	}
	grantees := func(field string, list []v1alpha1.ClickhouseGrantee) error {
		for _, g := range list {
			if (g.User == "") == (g.Role == "") {
				return invalid("Each of spec.%s[].grantees needs either a user or a role.", field)
			}
		}
		return nil
	}
	for _, g := range grants.PrivilegeGrants {
		if err := grantees("privilegeGrants", g.Grantees); err != nil {
			return err
		}
		if scope(g.Database) == "" && scope(g.Table) != "" {
			return invalid("A table of spec.privilegeGrants[] needs a database.")
		}
		for _, privilege := range g.Privileges {
			for _, word := range strings.Fields(strings.ToUpper(privilege)) {
				if word == "ON" || word == "TO" || word == "FROM" || word == "WITH" {
					return invalid("%q in spec.privilegeGrants[].privileges is not a privilege.", privilege)
				}
			}
			if !privilegePattern.MatchString(privilege) {
				return invalid("%q in spec.privilegeGrants[].privileges is not a privilege.", privilege)
			}
		}
	}
	for _, g := range grants.RoleGrants {
		if err := grantees("roleGrants", g.Grantees); err != nil {
			return err
		}
	}
	return nil
}

// grantStatements says grants in SQL: one statement for each grant and grantee.
func grantStatements(grants v1alpha1.ClickhouseGrants) (out []string) {
	for _, g := range grants.PrivilegeGrants {
		privileges := slices.Clone(g.Privileges)
		for i := range privileges {
			if len(g.Columns) > 0 {
				privileges[i] += "(" + quoteIdentifiers(g.Columns) + ")"
			}
		}
		if len(privileges) == 0 {
			continue
		}
		for _, grantee := range g.Grantees {
			statement := "GRANT " + strings.Join(privileges, ", ") + " ON " + target(scope(g.Database), scope(g.Table)) +
				" TO " + quoteIdentifier(clickhouseGrantee(grantee).name())
			if g.WithGrantOption {
				statement += " WITH GRANT OPTION"
			}
			out = append(out, statement)
		}
	}
	for _, g := range grants.RoleGrants {
		for _, grantee := range g.Grantees {
			statement := "GRANT " + quoteIdentifiers(g.Roles) + " TO " + quoteIdentifier(clickhouseGrantee(grantee).name())
			if g.WithAdminOption {
				statement += " WITH ADMIN OPTION"
			}
			out = append(out, statement)
		}
	}
	return out
}

// target says what privileges are on.
func target(database, table string) string {
	switch {
	case database == "":
		return "*.*"
	case table == "":
		return quoteIdentifier(database) + ".*"
	}
	return quoteIdentifier(database) + "." + quoteIdentifier(table)
}

// revokes says the end of privileges in SQL: one statement for each grantee and
// thing.
func (a *clickhouseAccess) revokes(verb string, atoms []clickhouseAtom) (out []string) {
	type group struct {
		grantee         clickhouseGrantee
		database, table string
	}
	groups := map[group]map[string]bool{}
	for _, atom := range atoms {
		g := group{atom.Grantee, atom.Database, atom.Table}
		if groups[g] == nil {
			groups[g] = map[string]bool{}
		}
		privilege := cmp.Or(a.Privileges[atom.Privilege].Name, atom.Privilege)
		if atom.Column != "" {
			privilege += "(" + quoteIdentifier(atom.Column) + ")"
		}
		groups[g][privilege] = true
	}
	for g, privileges := range groups {
		out = append(out, verb+strings.Join(slices.Sorted(maps.Keys(privileges)), ", ")+
			" ON "+target(g.database, g.table)+" FROM "+quoteIdentifier(g.grantee.name()))
	}
	slices.Sort(out)
	return out
}
