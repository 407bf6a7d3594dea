// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// rootType is the name of the outermost type of every generated package.
const rootType = "UserConfig"

// structType is a Go struct to render.
type structType struct {
	Name   string
	Doc    string
	Fields []field
}

// field is a field of a Go struct to render.
type field struct {
	Name       string
	JSON       string
	Type       string
	Doc        string
	Deprecated string
	Optional   bool
	// Markers are the lines below the documentation, without the leading "// ".
	Markers []string
}

// builder turns one schema into Go structs.
type builder struct {
	structs []structType
	seen    map[string]string
}

// buildStructs returns the Go structs for a schema, the root first. A nested
// struct is named after the path that leads to it, so the names stay the same
// when an unrelated property is added.
func buildStructs(s *schema) ([]structType, error) {
	b := &builder{seen: map[string]string{}}
	if err := b.object(rootType, "", s); err != nil {
		return nil, err
	}
	return b.structs, nil
}

// object adds the struct for an object and those below it.
func (b *builder) object(name, path string, s *schema) error {
	if other, ok := b.seen[name]; ok {
		return fmt.Errorf("type %s stands for both %q and %q", name, other, path)
	}
	b.seen[name] = path
	i := len(b.structs)
	b.structs = append(b.structs, structType{Name: name, Doc: docOf(s)})

	prefix := name
	if path == "" {
		prefix = ""
	}
	fields := map[string]string{}
	for _, property := range slices.Sorted(maps.Keys(s.Properties)) {
		child := s.Properties[property]
		f := field{
			Name:     goName(property),
			JSON:     property,
			Doc:      docOf(child),
			Optional: !slices.Contains(s.Required, property),
		}
		if other, ok := fields[f.Name]; ok {
			return fmt.Errorf("field %s.%s stands for both %q and %q", name, f.Name, other, property)
		}
		fields[f.Name] = property
		if child.Deprecated {
			f.Deprecated = child.DeprecationNotice
		}
		goType, err := b.goType(prefix+f.Name, path+"."+property, child)
		if err != nil {
			return err
		}
		f.Type = goType
		if f.Optional && isPointer(child) {
			f.Type = "*" + goType
		}
		f.Markers = markers(property, child)
		b.structs[i].Fields = append(b.structs[i].Fields, f)
	}
	return nil
}

// goType returns the Go type of a node, without a pointer, after adding the
// structs that it needs. name is what a struct for it is called.
func (b *builder) goType(name, path string, s *schema) (string, error) {
	if isFreeForm(s) {
		return "runtime.RawExtension", nil
	}
	switch s.Type {
	case "string":
		return "string", nil
	case "boolean":
		return "bool", nil
	case "integer":
		return "int64", nil
	case "number":
		return "float64", nil
	case "array":
		if s.Items == nil {
			return "", fmt.Errorf("%s: array without items", path)
		}
		item, err := b.goType(name, path+"[]", s.Items)
		return "[]" + item, err
	case "object":
		return name, b.object(name, path, s)
	default:
		return "", fmt.Errorf("%s: unknown type %q", path, s.Type)
	}
}

// isFreeForm reports whether the schema says nothing about what an object holds,
// or offers alternatives, which a Go struct and a structural CRD schema cannot
// express together.
func isFreeForm(s *schema) bool {
	return len(s.OneOf) > 0 || s.Type == "object" && len(s.Properties) == 0
}

// isPointer reports whether an optional field of the type is a pointer, to tell
// unset from the zero value.
func isPointer(s *schema) bool { return s.Type != "array" }

// markers returns the validation markers of a property. Only what the
// aiven-operator's CRDs check is checked:
//   - nothing about the scalar entries of a list;
//   - no values of versions, which come and go faster than releases of this
//     operator; Aiven refuses what it does not know;
//   - no pattern that Go's regular expressions, and so the API server, cannot
//     read;
//   - no bound that an int64 does not reach.
func markers(property string, s *schema) []string {
	var out []string
	add := func(format string, args ...any) {
		out = append(out, "+kubebuilder:"+fmt.Sprintf(format, args...))
	}
	if isFreeForm(s) {
		add("pruning:PreserveUnknownFields")
		add("validation:Type=object")
		return out
	}
	if values := enumValues(s); len(values) > 0 && !strings.HasSuffix(property, "_version") {
		add("validation:Enum={%s}", strings.Join(values, ","))
	}
	if s.Pattern != "" {
		if _, err := regexp.Compile(s.Pattern); err == nil {
			add("validation:Pattern=%s", quote(s.Pattern))
		}
	}
	for _, l := range []struct {
		name  string
		value *int64
	}{{"MinLength", s.MinLength}, {"MaxLength", s.MaxLength}, {"MinItems", s.MinItems}, {"MaxItems", s.MaxItems}} {
		if l.value != nil {
			add("validation:%s=%d", l.name, *l.value)
		}
	}
	if bounded(s.Minimum) {
		add("validation:Minimum=%s", s.Minimum)
	}
	if bounded(s.Maximum) {
		add("validation:Maximum=%s", s.Maximum)
	}
	if s.CreateOnly {
		add(`validation:XValidation:rule="self == oldSelf",message="Value is immutable"`)
	}
	if s.Type == "array" {
		out = append(out, "+listType=atomic")
	}
	return out
}

// enumValues returns the accepted values as marker literals. Null is left out: it
// is what an absent field means.
func enumValues(s *schema) []string {
	var out []string
	for _, e := range s.Enum {
		switch v := e.Value.(type) {
		case nil:
		case string:
			out = append(out, strconv.Quote(v))
		default:
			out = append(out, fmt.Sprint(v))
		}
	}
	return out
}

// bounded reports whether a limit excludes any int64 or ordinary number.
func bounded(limit string) bool {
	v, err := strconv.ParseFloat(limit, 64)
	return err == nil && math.Abs(v) < math.MaxInt64
}

// quote returns a marker literal for a string, raw where that is possible.
func quote(s string) string {
	if strconv.CanBackquote(s) {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}

// docOf returns the documentation of a node.
func docOf(s *schema) string {
	title, description := oneLine(s.Title), oneLine(s.Description)
	if description == "" {
		return sentence(title)
	}
	return sentence(description)
}

// oneLine folds white space.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// sentence ends s with a full stop.
func sentence(s string) string {
	if s == "" || strings.ContainsRune(".!?", rune(s[len(s)-1])) {
		return s
	}
	return s + "."
}
