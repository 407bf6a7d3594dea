// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"
	"strings"

	"github.com/aiven/go-client-codegen/handler/clickhouse"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
)

// clickhouseAccess is who may do what in a ClickHouse service.
type clickhouseAccess struct {
	Users, Roles map[string]bool
	// Grants and RoleGrants are the rows of system.grants and system.role_grants.
	Grants     []clickhouseGrantRow
	RoleGrants map[clickhouseRoleAtom]bool // to: with the admin option
	// Privileges is the hierarchy of system.privileges, by upper-case name.
	Privileges map[string]clickhousePrivilege
}

// clickhouseGrantRow is a row of system.grants.
type clickhouseGrantRow struct {
	clickhouseAtom
	// Option lets the grantee pass the privilege on.
	Option bool
	// Partial takes the privilege, or with Option only the right to pass it on,
	// out of a wider grant.
	Partial bool
}

// clickhousePrivilege is a row of system.privileges.
type clickhousePrivilege struct {
	// Name is the spelling that ClickHouse uses.
	Name string
	// Level is the narrowest thing that the privilege itself can be given on;
	// empty for one that only stands for others.
	Level string
	// Parts are the privileges that it stands for.
	Parts []string
}

// clickhouseUsers reads the users of the service of obj.
func (r *remote) clickhouseUsers(obj v1alpha1.Object) (*aiven.Reading[[]clickhouse.UserOut], error) {
	project, service := obj.ServiceRef()
	return aiven.Read(r.Client, aiven.Resource[[]clickhouse.UserOut]{
		Kind: "clickhouse users", Project: project, Service: service,
		Fetch: func(ctx context.Context, d aiven.Doer) (*[]clickhouse.UserOut, error) {
			h := clickhouse.NewHandler(d)
			users, err := h.ServiceClickHouseUserList(ctx, project, service)
			return &users, err
		},
	})
}

// clickhouseDatabases reads the databases of the service of obj.
func (r *remote) clickhouseDatabases(obj v1alpha1.Object) (*aiven.Reading[[]clickhouse.DatabaseOut], error) {
	project, service := obj.ServiceRef()
	return aiven.Read(r.Client, aiven.Resource[[]clickhouse.DatabaseOut]{
		Kind: "clickhouse databases", Project: project, Service: service,
		Fetch: func(ctx context.Context, d aiven.Doer) (*[]clickhouse.DatabaseOut, error) {
			h := clickhouse.NewHandler(d)
			databases, err := h.ServiceClickHouseDatabaseList(ctx, project, service)
			return &databases, err
		},
		Settled: func(databases *[]clickhouse.DatabaseOut) bool {
			for _, db := range *databases {
				if !databaseSettled(db) {
					return false
				}
			}
			return true
		},
	})
}

// clickhouseAccess reads who may do what in the service of obj.
func (r *remote) clickhouseAccess(obj v1alpha1.Object) (*aiven.Reading[clickhouseAccess], error) {
	project, service := obj.ServiceRef()
	return aiven.Read(r.Client, aiven.Resource[clickhouseAccess]{
		Kind: "clickhouse access", Project: project, Service: service,
		Fetch: func(ctx context.Context, d aiven.Doer) (*clickhouseAccess, error) {
			return fetchClickhouseAccess(ctx, d, project, service)
		},
	})
}

const grantColumns = "user_name, role_name, access_type, database, table, column, is_partial_revoke, grant_option"

func fetchClickhouseAccess(ctx context.Context, d aiven.Doer, project, service string) (*clickhouseAccess, error) {
	h := clickhouse.NewHandler(d)
	a := &clickhouseAccess{
		Users: map[string]bool{}, Roles: map[string]bool{},
		RoleGrants: map[clickhouseRoleAtom]bool{}, Privileges: map[string]clickhousePrivilege{},
	}
	// The users come from here because the grants of a user end with it: a write
	// to this path makes the whole stale.
	users, err := h.ServiceClickHouseUserList(ctx, project, service)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		a.Users[u.Name] = true
	}
	for _, q := range []struct {
		columns, table, order string
		take                  func(row []any)
	}{
		{"name", "roles", "name", func(row []any) { a.Roles[sqlText(row[0])] = true }},
		{"privilege, aliases, level, parent_group", "privileges", "privilege", a.takePrivilege},
		{grantColumns, "grants", grantColumns, func(row []any) {
			a.Grants = append(a.Grants, clickhouseGrantRow{
				clickhouseAtom: clickhouseAtom{
					Grantee: clickhouseGrantee{User: sqlText(row[0]), Role: sqlText(row[1])}, Privilege: strings.ToUpper(sqlText(row[2])),
					Database: sqlText(row[3]), Table: sqlText(row[4]), Column: sqlText(row[5]),
				},
				Partial: sqlFlag(row[6]), Option: sqlFlag(row[7]),
			})
		}},
		{"user_name, role_name, granted_role_name, with_admin_option", "role_grants", "granted_role_name", func(row []any) {
			atom := clickhouseRoleAtom{clickhouseGrantee{User: sqlText(row[0]), Role: sqlText(row[1])}, sqlText(row[2])}
			a.RoleGrants[atom] = a.RoleGrants[atom] || sqlFlag(row[3])
		}},
	} {
		rows, err := clickhouseQuery(ctx, d, project, service, "SELECT "+q.columns+" FROM system."+q.table+" ORDER BY "+q.order)
		if err != nil {
			return nil, err
		}
		columns := strings.Count(q.columns, ",") + 1
		for _, row := range rows {
			if len(row) != columns {
				return nil, fmt.Errorf("system.%s answers with %d columns instead of %d", q.table, len(row), columns)
			}
			q.take(row)
		}
	}
	return a, nil
}

func (a *clickhouseAccess) takePrivilege(row []any) {
	name, parent := sqlText(row[0]), strings.ToUpper(sqlText(row[3]))
	p := a.Privileges[strings.ToUpper(name)]
	p.Name, p.Level = name, sqlText(row[2])
	a.Privileges[strings.ToUpper(name)] = p
	if aliases, ok := row[1].([]any); ok {
		for _, alias := range aliases {
			if key := strings.ToUpper(sqlText(alias)); key != strings.ToUpper(name) {
				other := a.Privileges[key]
				other.Name, other.Parts = key, append(other.Parts, strings.ToUpper(name))
				a.Privileges[key] = other
			}
		}
	}
	if parent != "" {
		group := a.Privileges[parent]
		group.Parts = append(group.Parts, strings.ToUpper(name))
		a.Privileges[parent] = group
	}
}
