// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package hcltext spells values in HCL 1, the language of OpenBao's policies and
// configuration files, so that they mean nothing but themselves.
package hcltext

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// identifier matches the names that need no quotes.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Value spells a text, a boolean, a number, or a list or object of those. It panics
// on values of other types, which is a mistake in the caller.
func Value(value any) string {
	switch v := value.(type) {
	case bool:
		return strconv.FormatBool(v)
	case string:
		return String(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case []string:
		return list(v, String)
	case []any:
		return list(v, Value)
	case json.Number:
		return v.String()
	case map[string]any:
		members := make([]string, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			members = append(members, Key(name)+" = "+Value(v[name]))
		}
		return "{" + strings.Join(members, ", ") + "}"
	}
	panic(fmt.Sprintf("HCL has no spelling for a %T", value))
}

// Key spells the name of a member, in quotes where it needs them.
func Key(name string) string {
	if identifier.MatchString(name) && name != "true" && name != "false" {
		return name
	}
	return String(name)
}

func list[T any](items []T, spell func(T) string) string {
	spelled := make([]string, 0, len(items))
	for _, item := range items {
		spelled = append(spelled, spell(item))
	}
	return "[" + strings.Join(spelled, ", ") + "]"
}

// String spells a text so that it stays on one line and means nothing but
// itself: "${" would begin an interpolation.
func String(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f || r == 0xe123: // the parser keeps the last for itself
			fmt.Fprintf(&b, `\u%04x`, r)
		case r == '$' && strings.HasPrefix(s[i:], "${"):
			b.WriteString(`\u0024`)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
