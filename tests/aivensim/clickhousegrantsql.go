// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import "strings"

// parseChange reads what follows GRANT or REVOKE, with the grammar of
// https://clickhouse.com/docs/sql-reference/statements/grant. It is a grant of
// roles when there is no ON.
func (x *clickhouseSession) parseChange(verb, preposition string) (*clickhouseChange, error) {
	out := &clickhouseChange{}
	if verb == "REVOKE" {
		out.option = x.accept("GRANT", "OPTION", "FOR") || x.accept("ADMIN", "OPTION", "FOR")
	}
	privileges := false
	for _, t := range x.tokens[x.at:] {
		privileges = privileges || t.is("ON")
	}
	var err error
	if privileges {
		out.privileges, err = x.parsePrivileges()
	} else {
		out.roles, err = x.identifiers()
	}
	if err != nil {
		return nil, err
	}
	if err := x.expect(preposition); err != nil {
		return nil, err
	}
	names, err := x.identifiers()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		switch {
		case x.call.service.user(name) != nil:
			out.grantees = append(out.grantees, ClickHouseGrant{User: name})
		case x.hasRole(name):
			out.grantees = append(out.grantees, ClickHouseGrant{Role: name})
		default:
			return nil, unknownRole(name)
		}
	}
	if verb == "GRANT" {
		option := "ADMIN"
		if privileges {
			option = "GRANT"
		}
		out.option = x.accept("WITH", option, "OPTION")
	}
	return out, x.end()
}

// parsePrivileges reads one or more lists of privileges, each with its target.
func (x *clickhouseSession) parsePrivileges() ([]clickhousePrivilege, error) {
	var out []clickhousePrivilege
	for {
		var list []clickhousePrivilege
		for {
			p, err := x.parsePrivilege()
			if err != nil {
				return nil, err
			}
			list = append(list, p)
			if !x.accept(",") {
				break
			}
		}
		if err := x.expect("ON"); err != nil {
			return nil, err
		}
		on, err := x.parseTarget()
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			if len(p.columns) > 0 && on.Table == "" {
				return nil, syntaxError("columns need a table")
			}
			p.on = on
			out = append(out, p)
		}
		if !x.accept(",") {
			return out, nil
		}
	}
}

// parsePrivilege reads the words of a privilege and its columns.
func (x *clickhouseSession) parsePrivilege() (clickhousePrivilege, error) {
	var words []string
	for x.peek().kind == sqlWord && !x.peek().is("ON") {
		word := x.peek().text
		if word != "dictGet" {
			word = strings.ToUpper(word)
		}
		words = append(words, word)
		x.at++
	}
	p := clickhousePrivilege{name: strings.Join(words, " ")}
	if p.name == "" {
		return p, syntaxError("failed at '%s', expected a privilege", x.peek().text)
	}
	if !x.accept("(") {
		return p, nil
	}
	var err error
	if p.columns, err = x.identifiers(); err != nil {
		return p, err
	}
	return p, x.expect(")")
}

// parseTarget reads *.*, db.*, db.table, * and table, the last two in the
// current database.
func (x *clickhouseSession) parseTarget() (ClickHouseGrant, error) {
	if x.accept("*", ".", "*") {
		return ClickHouseGrant{}, nil
	}
	if x.accept("*") {
		return ClickHouseGrant{Database: x.database}, nil
	}
	name, err := x.identifier()
	if err != nil {
		return ClickHouseGrant{}, err
	}
	if !x.accept(".") {
		return ClickHouseGrant{Database: x.database, Table: name}, nil
	}
	if x.accept("*") {
		return ClickHouseGrant{Database: name}, nil
	}
	table, err := x.identifier()
	return ClickHouseGrant{Database: name, Table: table}, err
}
