// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// initializeName names the block of the requests.
const initializeName = "operator-bootstrap"

// hclIdentifier matches the names that need no quotes.
var hclIdentifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// RenderInitialize returns the requests of a contract as an initialize stanza,
// which a server of OpenBao 2.4 or later carries out when it first starts
// (https://openbao.org/docs/configuration/self-init/). The same contract gives
// the same bytes.
func RenderInitialize(c Contract) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "initialize %s {\n", hclString(initializeName))
	for i, r := range Requests(c) {
		if i > 0 {
			b.WriteByte('\n')
		}
		writeRequest(&b, r, nil)
	}
	b.WriteString("}\n")
	return b.Bytes()
}

// RenderRequest returns one request as an initialize stanza of its own.
func RenderRequest(name string, r Request) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\ninitialize %s {\n", hclString(name))
	writeRequest(&b, r, nil)
	b.WriteString("}\n")
	return b.Bytes()
}

// writeRequest writes a request of an initialize stanza. Without data it has no
// body.
func writeRequest(b *bytes.Buffer, r Request, allowFailure *bool) {
	fmt.Fprintf(b, "  request %s {\n    operation = %s\n    path      = %s\n",
		hclString(r.ID), hclString(r.Operation), hclString(r.Path))
	if allowFailure != nil {
		fmt.Fprintf(b, "    allow_failure = %t\n", *allowFailure)
	}
	if len(r.Data) > 0 {
		b.WriteString("    data {\n")
		width := 0
		for name := range r.Data {
			width = max(width, len(hclKey(name)))
		}
		for _, name := range slices.Sorted(maps.Keys(r.Data)) {
			fmt.Fprintf(b, "      %-*s = %s\n", width, hclKey(name), hclValue(r.Data[name]))
		}
		b.WriteString("    }\n")
	}
	b.WriteString("  }\n")
}

// hclValue spells a text, a boolean, a number, or a list or object of those.
func hclValue(value any) string {
	switch v := value.(type) {
	case bool:
		return strconv.FormatBool(v)
	case string:
		return hclString(v)
	case []string:
		return hclList(v, hclString)
	case []any:
		return hclList(v, hclValue)
	case json.Number:
		return v.String()
	case map[string]any:
		members := make([]string, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			members = append(members, hclKey(name)+" = "+hclValue(v[name]))
		}
		return "{" + strings.Join(members, ", ") + "}"
	}
	panic(fmt.Sprintf("requests and rules hold no %T", value))
}

// hclKey spells the name of a member, in quotes where it needs them.
func hclKey(name string) string {
	if hclIdentifier.MatchString(name) && name != "true" && name != "false" {
		return name
	}
	return hclString(name)
}

func hclList[T any](list []T, spell func(T) string) string {
	items := make([]string, 0, len(list))
	for _, item := range list {
		items = append(items, spell(item))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// hclString spells a text so that it stays on one line and means nothing but
// itself: "${" would begin an interpolation.
func hclString(s string) string {
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
