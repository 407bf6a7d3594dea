// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// object is a JSON object.
type object = map[string]any

// difference is one place where two CRDs differ.
type difference struct {
	// CRD is the name of the definition.
	CRD string
	// Path leads to the place: the fields of the API, [] for the entries of a list
	// and {} for the values of a map.
	Path string
	// What differs: a keyword of the schema, or one of the constants below.
	What string
	// Ours and Theirs are the two values; nil where one side has none.
	Ours, Theirs any
}

// What differs, where it is not a keyword of the schema.
const (
	whatField      = "field"
	whatColumn     = "printer column"
	whatDeadColumn = "printer column of no field"
	whatVersion    = "version"
)

// String describes the difference in a line.
func (d difference) String() string {
	switch {
	case d.Ours == nil:
		return fmt.Sprintf("%s: %s is missing: %s", d.Path, d.What, text(d.Theirs))
	case d.Theirs == nil:
		return fmt.Sprintf("%s: %s is ours only: %s", d.Path, d.What, text(d.Ours))
	default:
		return fmt.Sprintf("%s: %s is %s, theirs is %s", d.Path, d.What, text(d.Ours), text(d.Theirs))
	}
}

// text renders a value in at most a line.
func text(v any) string {
	const limit = 200
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(b) > limit {
		return string(b[:limit]) + "..."
	}
	return string(b)
}

// compareCRDs returns the differences between two CRDs.
func compareCRDs(ours, theirs object) []difference {
	var out []difference
	ourSpec, theirSpec := child(ours, "spec"), child(theirs, "spec")
	out = append(out, keywords("names", child(ourSpec, "names"), child(theirSpec, "names"))...)
	for _, key := range []string{"group", "scope", "conversion"} {
		out = append(out, values("spec", key, ourSpec[key], theirSpec[key])...)
	}
	ourVersions, theirVersions := byName(ourSpec["versions"]), byName(theirSpec["versions"])
	for _, name := range union(ourVersions, theirVersions) {
		o, t := ourVersions[name], theirVersions[name]
		if o == nil || t == nil {
			out = append(out, difference{Path: name, What: whatVersion, Ours: orNil(o), Theirs: orNil(t)})
			continue
		}
		for _, key := range []string{"served", "storage", "subresources"} {
			out = append(out, values(name, key, o[key], t[key])...)
		}
		ourSchema, theirSchema := child(child(o, "schema"), "openAPIV3Schema"), child(child(t, "schema"), "openAPIV3Schema")
		ourColumns, theirColumns, dead := withoutDead(name, o["additionalPrinterColumns"], t["additionalPrinterColumns"], theirSchema)
		out = append(out, dead...)
		out = append(out, columns(name, ourColumns, theirColumns)...)
		out = append(out, schemas("", ourSchema, theirSchema)...)
	}
	crd, _ := child(theirs, "metadata")["name"].(string)
	for i := range out {
		out[i].CRD = crd
	}
	return out
}

// schemas compares two schemas and what is below them.
func schemas(path string, ours, theirs object) []difference {
	ours, theirs = withoutRepetition(ours), withoutRepetition(theirs)
	out := keywords(path, ours, theirs, "properties", "items", "additionalProperties")

	ourFields, theirFields := child(ours, "properties"), child(theirs, "properties")
	for _, name := range union(ourFields, theirFields) {
		o, t := child(ourFields, name), child(theirFields, name)
		if o == nil || t == nil {
			out = append(out, difference{Path: path + "." + name, What: whatField, Ours: orNil(o), Theirs: orNil(t)})
			continue
		}
		out = append(out, schemas(path+"."+name, o, t)...)
	}
	for key, suffix := range map[string]string{"items": "[]", "additionalProperties": "{}"} {
		o, t := child(ours, key), child(theirs, key)
		if o == nil || t == nil {
			out = append(out, values(path, key, ours[key], theirs[key])...)
			continue
		}
		out = append(out, schemas(path+suffix, o, t)...)
	}
	return out
}

// withoutRepetition returns a schema in which an allOf of several times the same
// is that, once: generators write it where a type and a field say the same.
func withoutRepetition(schema object) object {
	all, _ := schema["allOf"].([]any)
	if len(all) == 0 {
		return schema
	}
	first, _ := all[0].(object)
	for _, other := range all {
		if !reflect.DeepEqual(other, all[0]) {
			return schema
		}
	}
	for key := range first {
		if _, taken := schema[key]; taken {
			return schema
		}
	}
	out := maps.Clone(schema)
	delete(out, "allOf")
	maps.Copy(out, first)
	return out
}

// keywords compares two objects key by key, except for descriptions and the
// skipped keys.
func keywords(path string, ours, theirs object, skip ...string) []difference {
	var out []difference
	for _, key := range union(ours, theirs) {
		if key == "description" || slices.Contains(skip, key) {
			continue
		}
		out = append(out, values(path, key, ours[key], theirs[key])...)
	}
	return out
}

// values compares the values of one key.
func values(path, key string, ours, theirs any) []difference {
	if reflect.DeepEqual(normal(key, ours), normal(key, theirs)) {
		return nil
	}
	return []difference{{Path: path, What: key, Ours: ours, Theirs: theirs}}
}

// normal sorts the lists whose order means nothing.
func normal(key string, v any) any {
	list, ok := v.([]any)
	if !ok || !slices.Contains([]string{"enum", "required", "x-kubernetes-validations"}, key) {
		return v
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b any) int { return cmp.Compare(text(a), text(b)) })
	return list
}

// withoutDead takes their printer columns whose path leads to no field of their
// schema out of both lists, by name, and reports them.
func withoutDead(path string, ours, theirs any, schema object) (o, t []any, dead []difference) {
	o, _ = ours.([]any)
	o = slices.Clone(o)
	all, _ := theirs.([]any)
	for _, column := range all {
		c, _ := column.(object)
		jsonPath, _ := c["jsonPath"].(string)
		if leadsToField(schema, jsonPath) {
			t = append(t, column)
			continue
		}
		d := difference{Path: path, What: whatDeadColumn, Theirs: column}
		o = slices.DeleteFunc(o, func(v any) bool {
			own, _ := v.(object)
			if own["name"] != c["name"] {
				return false
			}
			d.Ours = v
			return true
		})
		dead = append(dead, d)
	}
	return o, t, dead
}

// leadsToField reports whether a JSON path names a field of the schema. Paths
// with filters, and those of the metadata, which no CRD describes, are believed.
func leadsToField(schema object, jsonPath string) bool {
	if strings.ContainsAny(jsonPath, "[]()") || strings.HasPrefix(jsonPath, ".metadata.") {
		return true
	}
	for name := range strings.SplitSeq(strings.TrimPrefix(jsonPath, "."), ".") {
		if schema = child(child(schema, "properties"), name); schema == nil {
			return false
		}
	}
	return true
}

// columns compares printer columns, whose order counts. Ours may have more
// behind theirs; those are reported one by one.
func columns(path string, o, t []any) []difference {
	var out []difference
	for i := range max(len(o), len(t)) {
		d := difference{Path: fmt.Sprintf("%s column %d", path, i+1), What: whatColumn}
		if i < len(o) {
			d.Ours = o[i]
		}
		if i < len(t) {
			d.Theirs = t[i]
		}
		if !reflect.DeepEqual(d.Ours, d.Theirs) {
			out = append(out, d)
		}
	}
	return out
}

// child returns the object under key, nil if there is none.
func child(o object, key string) object {
	c, _ := o[key].(object)
	return c
}

// orNil turns a nil object into a nil interface.
func orNil(o object) any {
	if o == nil {
		return nil
	}
	return o
}

// byName indexes a list of objects by their name.
func byName(list any) map[string]object {
	out := map[string]object{}
	entries, _ := list.([]any)
	for _, e := range entries {
		if o, ok := e.(object); ok {
			name, _ := o["name"].(string)
			out[name] = o
		}
	}
	return out
}

// union returns the sorted keys of both maps.
func union[V any](a, b map[string]V) []string {
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	return slices.Sorted(maps.Keys(keys))
}
