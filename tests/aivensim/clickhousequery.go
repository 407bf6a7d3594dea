// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"slices"
	"strings"

	codegen "github.com/aiven/go-client-codegen/handler/clickhouse"
)

// clickhouseTable is the answer to a query.
type clickhouseTable struct {
	Data    [][]any          `json:"data"`
	Meta    []clickhouseMeta `json:"meta"`
	Summary struct{}         `json:"summary"`
}

type clickhouseMeta struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

func emptyTable() clickhouseTable {
	return clickhouseTable{Data: [][]any{}, Meta: []clickhouseMeta{}}
}

// clickhouseReads tells whether a query request changes nothing.
func clickhouseReads(body []byte) bool {
	var in codegen.ServiceClickHouseQueryIn
	if decode(body, &in) != nil {
		return false
	}
	verb, _, _ := strings.Cut(strings.TrimSpace(in.Query), " ")
	return strings.EqualFold(verb, "SELECT") || strings.EqualFold(verb, "SHOW")
}

// clickhouseQuery runs the statements on roles and grants and reads a few tables
// of the system database.
func (c *call) clickhouseQuery() (any, error) {
	var in codegen.ServiceClickHouseQueryIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	h, err := c.clickhouse()
	if err != nil {
		return nil, err
	}
	for field, value := range map[string]string{"database": in.Database, "query": in.Query} {
		if err := required(field, value); err != nil {
			return nil, err
		}
	}
	if !h.hasDatabase(in.Database) {
		return nil, clickhouseError(81, "UNKNOWN_DATABASE", "Database %s does not exist", in.Database)
	}
	tokens, err := lexSQL(in.Query)
	if err != nil {
		return nil, err
	}
	x := &clickhouseSession{ClickHouse: h, call: c, database: in.Database, sqlReader: sqlReader{tokens: tokens}}
	switch {
	case x.accept("SELECT"):
		return x.selectRows()
	case x.accept("SHOW", "CREATE", "ROLE"):
		return x.showRole()
	case x.accept("CREATE", "ROLE"):
		err = x.createRole()
	case x.accept("DROP", "ROLE"):
		err = x.dropRole()
	case x.accept("GRANT"):
		err = x.change("GRANT", "TO")
	case x.accept("REVOKE"):
		err = x.change("REVOKE", "FROM")
	default:
		return nil, syntaxError("failed at '%s': the simulator runs no such statement", x.peek().text)
	}
	if err != nil {
		return nil, err
	}
	c.log("service_clickhouse_query", c.service.Name, "Ran %s", in.Query)
	return emptyTable(), nil
}

// clickhouseSession is one statement on its way.
type clickhouseSession struct {
	*ClickHouse
	sqlReader
	call *call
	// database is the current one.
	database string
}

func unknownRole(name string) error {
	return clickhouseError(511, "UNKNOWN_ROLE", "There is no role `%s` in user directories", name)
}

func (x *clickhouseSession) showRole() (any, error) {
	name, err := x.identifier()
	if err != nil {
		return nil, err
	}
	if err := x.end(); err != nil {
		return nil, err
	}
	if !x.hasRole(name) {
		return nil, unknownRole(name)
	}
	out := emptyTable()
	out.Meta = []clickhouseMeta{{Name: "CREATE ROLE " + name, Type: "String"}}
	out.Data = [][]any{{"CREATE ROLE " + quoteSQL(name)}}
	return out, nil
}

// quoteSQL writes a name as ClickHouse shows it: in backticks when needed.
func quoteSQL(name string) string {
	for i := range len(name) {
		if !isWordByte(name[i]) || i == 0 && name[i] <= '9' {
			return "`" + strings.ReplaceAll(strings.ReplaceAll(name, `\`, `\\`), "`", "\\`") + "`"
		}
	}
	return name
}

func (x *clickhouseSession) createRole() error {
	tolerant := x.accept("IF", "NOT", "EXISTS")
	names, err := x.identifiers()
	if err != nil {
		return err
	}
	if err := x.end(); err != nil {
		return err
	}
	for _, name := range names {
		if x.hasRole(name) {
			if tolerant {
				continue
			}
			return clickhouseError(493, "ACCESS_ENTITY_ALREADY_EXISTS", "role `%s`: cannot insert because role `%s` already exists in replicated", name, name)
		}
		x.Roles = append(x.Roles, ClickHouseRole{Name: name, UUID: newUUID()})
	}
	return nil
}

func (x *clickhouseSession) dropRole() error {
	tolerant := x.accept("IF", "EXISTS")
	names, err := x.identifiers()
	if err != nil {
		return err
	}
	if err := x.end(); err != nil {
		return err
	}
	for _, name := range names {
		if !x.hasRole(name) {
			if tolerant {
				continue
			}
			return unknownRole(name)
		}
		x.Roles = slices.DeleteFunc(x.Roles, func(r ClickHouseRole) bool { return r.Name == name })
		x.forget("", name)
	}
	return nil
}

// clickhouseChange is a parsed GRANT or REVOKE.
type clickhouseChange struct {
	privileges []clickhousePrivilege
	roles      []string
	grantees   []ClickHouseGrant // with User or Role set
	// option is WITH GRANT OPTION and WITH ADMIN OPTION of a GRANT, and GRANT
	// OPTION FOR and ADMIN OPTION FOR of a REVOKE.
	option bool
}

type clickhousePrivilege struct {
	name    string
	columns []string
	on      ClickHouseGrant // with Database and Table set
}

// change parses and applies a GRANT or a REVOKE. Nothing is applied when any
// part of the statement is refused.
func (x *clickhouseSession) change(verb, preposition string) error {
	change, err := x.parseChange(verb, preposition)
	if err != nil {
		return err
	}
	var rows []ClickHouseGrant
	for _, p := range change.privileges {
		expanded, err := p.rows()
		if err != nil {
			return err
		}
		rows = append(rows, expanded...)
	}
	for _, role := range change.roles {
		if !x.hasRole(role) {
			return unknownRole(role)
		}
	}
	for _, grantee := range change.grantees {
		for _, row := range rows {
			row.User, row.Role = grantee.User, grantee.Role
			switch {
			case verb == "GRANT":
				row.GrantOption = change.option
				x.grant(row)
			case change.option:
				x.revokeOption(row)
			default:
				x.revoke(row)
			}
		}
		for _, role := range change.roles {
			g := ClickHouseRoleGrant{User: grantee.User, Role: grantee.Role, Granted: role}
			if verb == "GRANT" {
				g.AdminOption = change.option
				x.grantRole(g)
			} else {
				x.revokeRole(g, change.option)
			}
		}
	}
	return nil
}

// rows are the rows of system.grants that a privilege stands for. Leaves that
// cannot be given on something so narrow are left out of a group.
func (p clickhousePrivilege) rows() ([]ClickHouseGrant, error) {
	leaves := expandPrivilege(p.name)
	if leaves == nil {
		return nil, syntaxError("failed at '%s', expected a privilege", p.name)
	}
	level := levelGlobal
	switch {
	case len(p.columns) > 0:
		level = levelColumn
	case p.on.Table != "":
		level = levelTable
	case p.on.Database != "":
		level = levelDatabase
	}
	var out []ClickHouseGrant
	for _, leaf := range leaves {
		if leaf.level < level {
			continue
		}
		row := ClickHouseGrant{Access: leaf.name, Database: p.on.Database, Table: p.on.Table}
		if len(p.columns) == 0 {
			out = append(out, row)
		}
		for _, column := range p.columns {
			row.Column = column
			out = append(out, row)
		}
	}
	if len(out) == 0 {
		return nil, clickhouseError(509, "INVALID_GRANT", "%s cannot be granted on the %s level", p.name,
			[]string{"global", "database", "table", "column"}[level])
	}
	return out, nil
}
