// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"slices"
	"testing"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// grantOn gives privileges to the user u.
func grantOn(database, table string, privileges ...string) v1alpha1.ClickhousePrivilegeGrant {
	return v1alpha1.ClickhousePrivilegeGrant{
		Grantees: []v1alpha1.ClickhouseGrantee{{User: "u"}}, Privileges: privileges, Database: database, Table: table,
	}
}

func grants(list ...v1alpha1.ClickhousePrivilegeGrant) v1alpha1.ClickhouseGrants {
	return v1alpha1.ClickhouseGrants{PrivilegeGrants: list}
}

func withOption(g v1alpha1.ClickhousePrivilegeGrant) v1alpha1.ClickhousePrivilegeGrant {
	g.WithGrantOption = true
	return g
}

func grantRow(privilege, database, table string) clickhouseGrantRow {
	return clickhouseGrantRow{clickhouseAtom: clickhouseAtom{
		Grantee: clickhouseGrantee{User: "u"}, Privilege: privilege, Database: database, Table: table,
	}}
}

func TestClickhousePlan(t *testing.T) {
	option := func(r clickhouseGrantRow) clickhouseGrantRow { r.Option = true; return r }
	partial := func(r clickhouseGrantRow) clickhouseGrantRow { r.Partial = true; return r }
	role := func(admin bool) v1alpha1.ClickhouseGrants {
		return v1alpha1.ClickhouseGrants{RoleGrants: []v1alpha1.ClickhouseRoleGrant{{
			Grantees: []v1alpha1.ClickhouseGrantee{{User: "u"}}, Roles: []string{"r"}, WithAdminOption: admin,
		}}}
	}
	columns := grantOn("db", "t", "SELECT")
	columns.Columns = []string{"a", "b`"}
	tests := map[string]struct {
		rows          []clickhouseGrantRow
		roles         map[bool]bool // whether u holds r, and with the option
		spec, applied v1alpha1.ClickhouseGrants
		want          []string
	}{
		"nothing": {},
		"new":     {spec: grants(grantOn("db", "", "SELECT")), want: []string{"GRANT SELECT ON `db`.* TO `u`"}},
		"there":   {rows: []clickhouseGrantRow{grantRow("SELECT", "db", "")}, spec: grants(grantOn("db", "", "select"))},
		"columns": {spec: grants(columns), want: []string{"GRANT SELECT(`a`, `b\\``) ON `db`.`t` TO `u`"}},
		"part of a group is missing": {
			rows: []clickhouseGrantRow{grantRow("SELECT", "db", "")}, spec: grants(grantOn("db", "", "ALL")),
			want: []string{"GRANT ALL ON `db`.* TO `u`"},
		},
		"what cannot be given on so little is not missing": {
			rows: []clickhouseGrantRow{grantRow("SELECT", "db", ""), grantRow("INSERT", "db", "")},
			spec: grants(grantOn("db", "", "ALL PRIVILEGES")),
		},
		"covered by a wider grant of somebody else": {
			rows: []clickhouseGrantRow{grantRow("SELECT", "", "")}, spec: grants(grantOn("db", "t", "SELECT")),
		},
		"a wider grant of somebody else stays": {
			rows: []clickhouseGrantRow{grantRow("SELECT", "", "")}, applied: grants(grantOn("db", "t", "SELECT")),
		},
		"a hole in it is filled": {
			rows: []clickhouseGrantRow{grantRow("SELECT", "db", ""), partial(grantRow("SELECT", "db", "t"))},
			spec: grants(grantOn("db", "", "SELECT")), want: []string{"GRANT SELECT ON `db`.* TO `u`"},
		},
		"a hole that is elsewhere": {
			rows: []clickhouseGrantRow{grantRow("SELECT", "", ""), partial(grantRow("SELECT", "other", ""))},
			spec: grants(grantOn("db", "", "SELECT")),
		},
		"only what is gone, only what is new": {
			rows: []clickhouseGrantRow{grantRow("SELECT", "db", ""), grantRow("INSERT", "db", "")},
			spec: grants(grantOn("db", "", "SELECT"), grantOn("other", "", "INSERT")), applied: grants(grantOn("db", "", "ALL")),
			want: []string{"GRANT INSERT ON `other`.* TO `u`", "REVOKE INSERT ON `db`.* FROM `u`"},
		},
		"wider": {
			rows: []clickhouseGrantRow{grantRow("SELECT", "db", "t")}, spec: grants(grantOn("*", "", "SELECT")), applied: grants(grantOn("db", "t", "SELECT")),
			want: []string{"GRANT SELECT ON *.* TO `u`"},
		},
		"narrower": {
			rows: []clickhouseGrantRow{grantRow("SELECT", "db", "")}, spec: grants(grantOn("db", "t", "SELECT")), applied: grants(grantOn("db", "", "SELECT")),
			want: []string{"REVOKE SELECT ON `db`.* FROM `u`", "GRANT SELECT ON `db`.`t` TO `u`"},
		},
		"option comes": {
			rows: []clickhouseGrantRow{grantRow("SELECT", "db", "")}, spec: grants(withOption(grantOn("db", "", "SELECT"))), applied: grants(grantOn("db", "", "SELECT")),
			want: []string{"GRANT SELECT ON `db`.* TO `u` WITH GRANT OPTION"},
		},
		"option goes": {
			rows: []clickhouseGrantRow{option(grantRow("SELECT", "db", ""))}, spec: grants(grantOn("db", "", "SELECT")), applied: grants(withOption(grantOn("db", "", "SELECT"))),
			want: []string{"REVOKE GRANT OPTION FOR SELECT ON `db`.* FROM `u`"},
		},
		"role":               {spec: role(true), want: []string{"GRANT `r` TO `u` WITH ADMIN OPTION"}},
		"role there":         {roles: map[bool]bool{true: true}, spec: role(true), applied: role(true)},
		"role gone":          {roles: map[bool]bool{true: false}, applied: role(false), want: []string{"REVOKE `r` FROM `u`"}},
		"admin option goes":  {roles: map[bool]bool{true: true}, spec: role(false), applied: role(true), want: []string{"REVOKE ADMIN OPTION FOR `r` FROM `u`"}},
		"admin option comes": {roles: map[bool]bool{true: false}, spec: role(true), applied: role(false), want: []string{"GRANT `r` TO `u` WITH ADMIN OPTION"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := &clickhouseAccess{Grants: tt.rows, RoleGrants: map[clickhouseRoleAtom]bool{}, Privileges: map[string]clickhousePrivilege{}}
			for _, row := range [][]any{
				{"SELECT", []any{}, "COLUMN", "ALL"}, {"INSERT", []any{}, "COLUMN", "ALL"}, {"KILL QUERY", []any{}, "GLOBAL", "ALL"},
				{"ALL", []any{"ALL PRIVILEGES"}, nil, nil},
			} {
				a.takePrivilege(row)
			}
			if option, ok := tt.roles[true]; ok {
				a.RoleGrants[clickhouseRoleAtom{clickhouseGrantee{User: "u"}, "r"}] = option
			}
			plan := a.plan(tt.spec, tt.applied)
			got := slices.Concat(grantStatements(plan.missing), plan.statements, grantStatements(plan.lost))
			if !slices.Equal(got, tt.want) {
				t.Errorf("statements = %q, want %q", got, tt.want)
			}
			if plan.empty() != (len(tt.want) == 0) {
				t.Errorf("empty() = %t", plan.empty())
			}
		})
	}
}

func TestQuoteIdentifier(t *testing.T) {
	for name, want := range map[string]string{
		"plain": "`plain`", "a b": "`a b`", "a`b": "`a\\`b`", `a\`: "`a\\\\`", "x` ON *.* TO y -- ": "`x\\` ON *.* TO y -- `",
	} {
		if got := quoteIdentifier(name); got != want {
			t.Errorf("quoteIdentifier(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestCheckClickhouseGrants(t *testing.T) {
	both := grantOn("db", "", "SELECT")
	both.Grantees = []v1alpha1.ClickhouseGrantee{{User: "u", Role: "r"}}
	neither := grantOn("db", "", "SELECT")
	neither.Grantees = []v1alpha1.ClickhouseGrantee{{}}
	tests := map[string]struct {
		grant v1alpha1.ClickhousePrivilegeGrant
		ok    bool
	}{
		"plain":             {grantOn("db", "", "SELECT", "CREATE TABLE", "dictGet", "alter update"), true},
		"two grantees":      {both, false},
		"no grantee":        {neither, false},
		"a list":            {grantOn("db", "", "SELECT, INSERT"), false},
		"another statement": {grantOn("db", "", "SELECT; DROP ROLE r"), false},
		"a target":          {grantOn("db", "", "SELECT ON x"), false},
		"columns":           {grantOn("db", "", "SELECT(a)"), false},
		"empty":             {grantOn("db", "", ""), false},
		"a line break":      {grantOn("db", "", "SELECT\nINSERT"), false},
		"table everywhere":  {grantOn("*", "t", "SELECT"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := checkClickhouseGrants(grants(tt.grant)); (err == nil) != tt.ok {
				t.Errorf("error = %v, want none: %t", err, tt.ok)
			}
		})
	}
}

func TestAddressesEqual(t *testing.T) {
	for _, tt := range []struct {
		want, got []string
		equal     bool
	}{
		{nil, nil, true},
		{[]string{"a@X.com", "b@x.com", "a@x.com"}, []string{"b@x.com", "a@x.com"}, true},
		{[]string{"A@x.com"}, []string{"a@x.com"}, false},
		{nil, []string{"a@x.com"}, false},
	} {
		if got := addressesEqual(tt.want, tt.got); got != tt.equal {
			t.Errorf("addressesEqual(%q, %q) = %t", tt.want, tt.got, got)
		}
	}
}
