// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// avroType is a parsed Avro schema, as far as compatibility depends on it.
type avroType struct {
	// kind is a primitive's name, record, enum, fixed, array, map or union.
	kind    string
	name    string
	aliases []string
	// fields of a record.
	fields []avroField
	// symbols of an enum, with a default when hasDefault is set.
	symbols    []string
	hasDefault bool
	// size of a fixed, in bytes.
	size int
	// items are the branches of a union or the one element of an array or map.
	items []*avroType
}

type avroField struct {
	name       string
	aliases    []string
	kind       *avroType
	hasDefault bool
}

var avroPrimitives = []string{"null", "boolean", "int", "long", "float", "double", "bytes", "string"}

// parseAvro reads a schema by the Avro specification, "Schema Declaration".
func parseAvro(text string) (*avroType, error) {
	var raw any
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		// A bare name of a primitive type is a schema, too.
		raw = text
	}
	p := avroParser{named: map[string]*avroType{}}
	return p.parse(raw, "")
}

type avroParser struct{ named map[string]*avroType }

func (p avroParser) parse(raw any, namespace string) (*avroType, error) {
	switch v := raw.(type) {
	case string:
		if slices.Contains(avroPrimitives, v) {
			return &avroType{kind: v}, nil
		}
		if t := p.named[fullName(v, namespace)]; t != nil {
			return t, nil
		}
		if t := p.named[v]; t != nil {
			return t, nil
		}
		return nil, fmt.Errorf("unknown type %q", v)
	case []any:
		out := &avroType{kind: "union"}
		for _, branch := range v {
			t, err := p.parse(branch, namespace)
			if err != nil {
				return nil, err
			}
			if t.kind == "union" {
				return nil, fmt.Errorf("a union directly in a union")
			}
			out.items = append(out.items, t)
		}
		return out, nil
	case map[string]any:
		return p.parseObject(v, namespace)
	default:
		return nil, fmt.Errorf("a schema is a name, a list or an object")
	}
}

func (p avroParser) parseObject(v map[string]any, namespace string) (*avroType, error) {
	kind, ok := v["type"].(string)
	if !ok {
		return p.parse(v["type"], namespace)
	}
	out := &avroType{kind: kind, aliases: stringList(v["aliases"])}
	switch kind {
	case "record", "error", "enum", "fixed":
		if err := p.declare(out, v, &namespace); err != nil {
			return nil, err
		}
	}
	switch kind {
	case "record", "error":
		out.kind = "record"
		return out, p.parseFields(out, v["fields"], namespace)
	case "enum":
		out.symbols = stringList(v["symbols"])
		_, out.hasDefault = v["default"]
		if len(out.symbols) == 0 {
			return nil, fmt.Errorf("enum %s has no symbols", out.name)
		}
	case "fixed":
		size, ok := v["size"].(float64)
		if !ok {
			return nil, fmt.Errorf("fixed %s has no size", out.name)
		}
		out.size = int(size)
	case "array", "map":
		key := map[string]string{"array": "items", "map": "values"}[kind]
		item, err := p.parse(v[key], namespace)
		if err != nil {
			return nil, err
		}
		out.items = []*avroType{item}
	default:
		return p.parse(kind, namespace)
	}
	return out, nil
}

// declare enters a named type and moves on to its namespace.
func (p avroParser) declare(out *avroType, v map[string]any, namespace *string) error {
	name, _ := v["name"].(string)
	if name == "" {
		return fmt.Errorf("a %s has no name", out.kind)
	}
	if own, ok := v["namespace"].(string); ok {
		*namespace = own
	}
	out.name = fullName(name, *namespace)
	if i := strings.LastIndexByte(out.name, '.'); i >= 0 {
		*namespace = out.name[:i]
	}
	if p.named[out.name] != nil {
		return fmt.Errorf("%s is defined twice", out.name)
	}
	p.named[out.name] = out
	return nil
}

func (p avroParser) parseFields(out *avroType, raw any, namespace string) error {
	list, ok := raw.([]any)
	if !ok {
		return fmt.Errorf("record %s has no fields", out.name)
	}
	for _, item := range list {
		v, _ := item.(map[string]any)
		name, _ := v["name"].(string)
		if name == "" {
			return fmt.Errorf("a field of %s has no name", out.name)
		}
		t, err := p.parse(v["type"], namespace)
		if err != nil {
			return fmt.Errorf("field %s: %w", name, err)
		}
		f := avroField{name: name, aliases: stringList(v["aliases"]), kind: t}
		_, f.hasDefault = v["default"]
		out.fields = append(out.fields, f)
	}
	return nil
}

func fullName(name, namespace string) string {
	if namespace == "" || strings.Contains(name, ".") {
		return name
	}
	return namespace + "." + name
}

func stringList(raw any) []string {
	list, _ := raw.([]any)
	var out []string
	for _, item := range list {
		if text, ok := item.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// avroReads lists why reader cannot read what writer has written, by the Avro
// specification, "Schema Resolution".
func avroReads(reader, writer *avroType) []string {
	return avroResolver{seen: map[[2]*avroType]bool{}}.read(reader, writer)
}

// avroResolver remembers the pairs that it is in, as schemas may be recursive.
type avroResolver struct{ seen map[[2]*avroType]bool }

// promotions lists what a writer's primitive may be read as.
var promotions = map[string][]string{
	"int": {"long", "float", "double"}, "long": {"float", "double"}, "float": {"double"}, "string": {"bytes"}, "bytes": {"string"},
}

func (a avroResolver) read(reader, writer *avroType) []string {
	pair := [2]*avroType{reader, writer}
	if a.seen[pair] {
		return nil
	}
	a.seen[pair] = true
	switch {
	case writer.kind == "union":
		var problems []string
		for _, branch := range writer.items {
			problems = append(problems, a.read(reader, branch)...)
		}
		return problems
	case reader.kind == "union":
		for _, branch := range reader.items {
			// On a copy: what a failed branch has seen proves nothing later.
			if len(avroResolver{seen: maps.Clone(a.seen)}.read(branch, writer)) == 0 {
				return nil
			}
		}
		return []string{"reader union lacking writer type: " + strings.ToUpper(writer.kind)}
	case reader.kind != writer.kind:
		if slices.Contains(promotions[writer.kind], reader.kind) {
			return nil
		}
		return []string{fmt.Sprintf("reader type: %s not compatible with writer type: %s", reader.kind, writer.kind)}
	}
	return a.readSame(reader, writer)
}

// readSame compares two schemas of one kind.
func (a avroResolver) readSame(reader, writer *avroType) []string {
	switch reader.kind {
	case "array", "map":
		return a.read(reader.items[0], writer.items[0])
	case "record", "enum", "fixed":
		if simpleName(reader.name) != simpleName(writer.name) && !slices.Contains(reader.aliases, writer.name) && !slices.Contains(reader.aliases, simpleName(writer.name)) {
			return []string{fmt.Sprintf("expected: %s", writer.name)}
		}
	}
	var problems []string
	switch reader.kind {
	case "fixed":
		if reader.size != writer.size {
			problems = append(problems, fmt.Sprintf("expected: %d, found: %d", writer.size, reader.size))
		}
	case "enum":
		for _, symbol := range writer.symbols {
			if !reader.hasDefault && !slices.Contains(reader.symbols, symbol) {
				problems = append(problems, "missing enum symbol: "+symbol)
			}
		}
	case "record":
		for _, f := range reader.fields {
			i := slices.IndexFunc(writer.fields, func(w avroField) bool {
				return w.name == f.name || slices.Contains(f.aliases, w.name)
			})
			if i >= 0 {
				problems = append(problems, a.read(f.kind, writer.fields[i].kind)...)
			} else if !f.hasDefault {
				problems = append(problems, f.name)
			}
		}
	}
	return problems
}

func simpleName(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
