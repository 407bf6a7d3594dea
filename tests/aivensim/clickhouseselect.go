// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// selectRows answers SELECT columns FROM system.table [WHERE condition]
// [ORDER BY columns] [LIMIT n], after the word SELECT.
func (x *clickhouseSession) selectRows() (any, error) {
	distinct := x.accept("DISTINCT")
	var columns []string
	all := x.accept("*")
	var err error
	if !all {
		if columns, err = x.identifiers(); err != nil {
			return nil, err
		}
	}
	if err := x.expect("FROM"); err != nil {
		return nil, err
	}
	meta, rows, err := x.selectSource()
	if err != nil {
		return nil, err
	}
	if all {
		for _, m := range meta {
			columns = append(columns, m.Name)
		}
	}
	if x.accept("WHERE") {
		keep, err := x.parseOr(meta)
		if err != nil {
			return nil, err
		}
		rows = slices.DeleteFunc(rows, func(row []any) bool { return !keep(row) })
	}
	if rows, err = x.arrange(meta, rows); err != nil {
		return nil, err
	}
	out := emptyTable()
	indices := []int{}
	for _, name := range columns {
		i, err := columnIndex(meta, name)
		if err != nil {
			return nil, err
		}
		indices = append(indices, i)
		out.Meta = append(out.Meta, meta[i])
	}
	seen := map[string]bool{}
	for _, row := range rows {
		picked := []any{}
		for _, i := range indices {
			picked = append(picked, row[i])
		}
		if key := fmt.Sprint(picked...); distinct && seen[key] {
			continue
		} else {
			seen[key] = true
		}
		out.Data = append(out.Data, picked)
	}
	return out, nil
}

func columnIndex(meta []clickhouseMeta, name string) (int, error) {
	i := slices.IndexFunc(meta, func(m clickhouseMeta) bool { return m.Name == name })
	if i < 0 {
		return 0, clickhouseError(47, "UNKNOWN_IDENTIFIER", "Unknown expression identifier `%s`", name)
	}
	return i, nil
}

// arrange reads and applies ORDER BY and LIMIT and refuses anything after them.
func (x *clickhouseSession) arrange(meta []clickhouseMeta, rows [][]any) ([][]any, error) {
	if x.accept("ORDER", "BY") {
		names, err := x.identifiers()
		if err != nil {
			return nil, err
		}
		var indices []int
		for _, name := range names {
			i, err := columnIndex(meta, name)
			if err != nil {
				return nil, err
			}
			indices = append(indices, i)
		}
		slices.SortStableFunc(rows, func(a, b []any) int {
			for _, i := range indices {
				if c := strings.Compare(sqlText(a[i]), sqlText(b[i])); c != 0 {
					return c
				}
			}
			return 0
		})
	}
	if x.accept("LIMIT") {
		n, err := strconv.Atoi(x.peek().text)
		if err != nil {
			return nil, syntaxError("failed at '%s', expected a number", x.peek().text)
		}
		x.at++
		rows = rows[:min(n, len(rows))]
	}
	return rows, x.end()
}

// sqlText is a value as it compares; NULL is empty.
func sqlText(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// selectSource reads the name of a table and returns its columns and rows.
func (x *clickhouseSession) selectSource() ([]clickhouseMeta, [][]any, error) {
	database, table := x.database, ""
	name, err := x.identifier()
	if err != nil {
		return nil, nil, err
	}
	if table = name; x.accept(".") {
		database = name
		if table, err = x.identifier(); err != nil {
			return nil, nil, err
		}
	}
	if database != "system" {
		return nil, nil, clickhouseError(60, "UNKNOWN_TABLE", "Table %s.%s does not exist", database, table)
	}
	meta := func(pairs ...string) []clickhouseMeta {
		var out []clickhouseMeta
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, clickhouseMeta{Name: pairs[i], Type: pairs[i+1]})
		}
		return out
	}
	const text, null, flag = "String", "Nullable(String)", "UInt8"
	var rows [][]any
	switch table {
	case "users":
		for _, u := range x.call.service.Users {
			rows = append(rows, []any{u.Username, u.UUID, "replicated"})
		}
		return meta("name", text, "id", "UUID", "storage", text), rows, nil
	case "roles":
		for _, r := range x.Roles {
			rows = append(rows, []any{r.Name, r.UUID, "replicated"})
		}
		return meta("name", text, "id", "UUID", "storage", text), rows, nil
	case "databases":
		for _, d := range x.Databases {
			rows = append(rows, []any{d.Name, d.Engine})
		}
		return meta("name", text, "engine", text), rows, nil
	case "privileges":
		for _, p := range systemPrivileges() {
			rows = append(rows, []any{p.name, p.aliases, nullable(p.level), nullable(p.group)})
		}
		return meta("privilege", text, "aliases", "Array(String)", "level", null, "parent_group", null), rows, nil
	case "grants":
		for _, g := range x.Grants {
			rows = append(rows, []any{nullable(g.User), nullable(g.Role), g.Access, nullable(g.Database), nullable(g.Table),
				nullable(g.Column), bit(g.Partial), bit(g.GrantOption)})
		}
		return meta("user_name", null, "role_name", null, "access_type", text, "database", null, "table", null,
			"column", null, "is_partial_revoke", flag, "grant_option", flag), rows, nil
	case "role_grants":
		for _, g := range x.RoleGrants {
			rows = append(rows, []any{nullable(g.User), nullable(g.Role), g.Granted, x.roleUUID(g.Granted), 1, bit(g.AdminOption)})
		}
		return meta("user_name", null, "role_name", null, "granted_role_name", text, "granted_role_id", "UUID",
			"granted_role_is_default", flag, "with_admin_option", flag), rows, nil
	}
	return nil, nil, clickhouseError(60, "UNKNOWN_TABLE", "Table system.%s does not exist", table)
}

func bit(v bool) int {
	if v {
		return 1
	}
	return 0
}

type rowFilter func(row []any) bool

// parseOr reads a condition; AND binds tighter than OR.
func (x *clickhouseSession) parseOr(meta []clickhouseMeta) (rowFilter, error) {
	left, err := x.parseAnd(meta)
	for err == nil && x.accept("OR") {
		first := left
		var second rowFilter
		second, err = x.parseAnd(meta)
		left = func(row []any) bool { return first(row) || second(row) }
	}
	return left, err
}

func (x *clickhouseSession) parseAnd(meta []clickhouseMeta) (rowFilter, error) {
	left, err := x.parseComparison(meta)
	for err == nil && x.accept("AND") {
		first := left
		var second rowFilter
		second, err = x.parseComparison(meta)
		left = func(row []any) bool { return first(row) && second(row) }
	}
	return left, err
}

// parseComparison reads column = value, != value, IN (values), IS [NOT] NULL and
// conditions in parentheses. NULL equals nothing and differs from nothing.
func (x *clickhouseSession) parseComparison(meta []clickhouseMeta) (rowFilter, error) {
	if x.accept("(") {
		inner, err := x.parseOr(meta)
		if err != nil {
			return nil, err
		}
		return inner, x.expect(")")
	}
	name, err := x.identifier()
	if err != nil {
		return nil, err
	}
	i, err := columnIndex(meta, name)
	if err != nil {
		return nil, err
	}
	if x.accept("IS") {
		not := x.accept("NOT")
		return func(row []any) bool { return (row[i] == nil) != not }, x.expect("NULL")
	}
	var values []string
	negate := false
	switch {
	case x.accept("="):
		values, err = x.literals(false)
	case x.accept("!="):
		negate = true
		values, err = x.literals(false)
	case x.accept("IN", "("):
		if values, err = x.literals(true); err == nil {
			err = x.expect(")")
		}
	default:
		err = syntaxError("failed at '%s', expected a comparison", x.peek().text)
	}
	return func(row []any) bool { return row[i] != nil && slices.Contains(values, sqlText(row[i])) != negate }, err
}

// literals reads one literal, or a comma-separated list of them.
func (x *clickhouseSession) literals(list bool) ([]string, error) {
	var out []string
	for {
		t := x.peek()
		if t.kind != sqlString && t.kind != sqlNumber {
			return nil, syntaxError("failed at '%s', expected a literal", t.text)
		}
		x.at++
		out = append(out, t.text)
		if !list || !x.accept(",") {
			return out, nil
		}
	}
}
