// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import "slices"

// accessLevel is the narrowest thing that a privilege can be given on.
type accessLevel int

const (
	levelGlobal accessLevel = iota
	levelDatabase
	levelTable
	levelColumn
)

// access is one privilege that has no parts.
type access struct {
	name  string
	level accessLevel
}

// privilegeGroup is a privilege made of others.
type privilegeGroup struct {
	name  string
	leafs []access
	parts []string
}

// privilegeGroups is an excerpt of ClickHouse's hierarchy of privileges
// (https://clickhouse.com/docs/sql-reference/statements/grant#privileges).
// system.grants shows a group that was granted as its leaves.
func privilegeGroups() []privilegeGroup {
	list := func(level accessLevel, names ...string) []access {
		var out []access
		for _, name := range names {
			out = append(out, access{name: name, level: level})
		}
		return out
	}
	return []privilegeGroup{
		{name: "ALL", parts: []string{"SHOW", "ALTER", "CREATE", "DROP", "ACCESS MANAGEMENT", "SYSTEM", "SOURCES"}, leafs: slices.Concat(
			list(levelColumn, "SELECT", "INSERT"),
			list(levelTable, "UNDROP TABLE", "TRUNCATE", "OPTIMIZE", "BACKUP", "dictGet"),
			list(levelGlobal, "KILL QUERY", "CLUSTER"))},
		{name: "SHOW", leafs: slices.Concat(
			list(levelDatabase, "SHOW DATABASES"), list(levelTable, "SHOW TABLES", "SHOW DICTIONARIES"), list(levelColumn, "SHOW COLUMNS"))},
		{name: "ALTER", parts: []string{"ALTER TABLE", "ALTER DATABASE", "ALTER VIEW"}},
		{name: "ALTER TABLE", parts: []string{"ALTER COLUMN", "ALTER INDEX", "ALTER CONSTRAINT"}, leafs: slices.Concat(
			list(levelColumn, "ALTER UPDATE", "ALTER DELETE"),
			list(levelTable, "ALTER MODIFY COMMENT", "ALTER TTL", "ALTER MATERIALIZE TTL", "ALTER SETTINGS",
				"ALTER MOVE PARTITION", "ALTER FETCH PARTITION", "ALTER FREEZE PARTITION"))},
		{name: "ALTER COLUMN", leafs: list(levelColumn, "ALTER ADD COLUMN", "ALTER DROP COLUMN", "ALTER MODIFY COLUMN",
			"ALTER COMMENT COLUMN", "ALTER CLEAR COLUMN", "ALTER RENAME COLUMN", "ALTER MATERIALIZE COLUMN")},
		{name: "ALTER INDEX", leafs: list(levelTable, "ALTER ORDER BY", "ALTER SAMPLE BY", "ALTER ADD INDEX",
			"ALTER DROP INDEX", "ALTER MATERIALIZE INDEX", "ALTER CLEAR INDEX")},
		{name: "ALTER CONSTRAINT", leafs: list(levelTable, "ALTER ADD CONSTRAINT", "ALTER DROP CONSTRAINT")},
		{name: "ALTER DATABASE", leafs: list(levelDatabase, "ALTER DATABASE SETTINGS")},
		{name: "ALTER VIEW", leafs: list(levelTable, "ALTER VIEW MODIFY QUERY", "ALTER VIEW REFRESH")},
		{name: "CREATE", leafs: slices.Concat(
			list(levelDatabase, "CREATE DATABASE"), list(levelTable, "CREATE TABLE", "CREATE VIEW", "CREATE DICTIONARY"),
			list(levelGlobal, "CREATE TEMPORARY TABLE", "CREATE FUNCTION"))},
		{name: "DROP", leafs: slices.Concat(
			list(levelDatabase, "DROP DATABASE"), list(levelTable, "DROP TABLE", "DROP VIEW", "DROP DICTIONARY"), list(levelGlobal, "DROP FUNCTION"))},
		{name: "ACCESS MANAGEMENT", leafs: list(levelGlobal, "CREATE USER", "ALTER USER", "DROP USER", "CREATE ROLE", "ALTER ROLE",
			"DROP ROLE", "ROLE ADMIN", "SHOW USERS", "SHOW ROLES", "SHOW QUOTAS")},
		{name: "SYSTEM", leafs: slices.Concat(
			list(levelGlobal, "SYSTEM DROP CACHE", "SYSTEM RELOAD CONFIG", "SYSTEM FLUSH LOGS"), list(levelTable, "SYSTEM MERGES", "SYSTEM SYNC REPLICA"))},
		{name: "SOURCES", leafs: list(levelGlobal, "FILE", "URL", "REMOTE", "MYSQL", "POSTGRES", "S3", "KAFKA")},
	}
}

// expandPrivilege returns the leaves of a privilege, none for an unknown one.
func expandPrivilege(name string) []access {
	groups := privilegeGroups()
	if name == "ALL PRIVILEGES" {
		name = "ALL"
	}
	for _, g := range groups {
		if g.name == name {
			out := slices.Clone(g.leafs)
			for _, part := range g.parts {
				out = append(out, expandPrivilege(part)...)
			}
			return out
		}
		for _, leaf := range g.leafs {
			if leaf.name == name {
				return []access{leaf}
			}
		}
	}
	return nil
}

// systemPrivilege is a row of system.privileges. A privilege that only stands
// for others has no level.
type systemPrivilege struct {
	name, level, group string
	aliases            []string
}

func systemPrivileges() []systemPrivilege {
	out := []systemPrivilege{}
	groupOf := map[string]string{}
	for _, g := range privilegeGroups() {
		for _, part := range g.parts {
			groupOf[part] = g.name
		}
	}
	for _, g := range privilegeGroups() {
		row := systemPrivilege{name: g.name, group: groupOf[g.name], aliases: []string{}}
		if g.name == "ALL" {
			row.aliases = []string{"ALL PRIVILEGES"}
		}
		out = append(out, row)
		for _, leaf := range g.leafs {
			level := []string{"GLOBAL", "DATABASE", "TABLE", "COLUMN"}[leaf.level]
			out = append(out, systemPrivilege{name: leaf.name, level: level, group: g.name, aliases: []string{}})
		}
	}
	return out
}
