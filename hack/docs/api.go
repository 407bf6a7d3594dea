// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// kind is what a page says of a CustomResourceDefinition.
type kind struct {
	Spec struct {
		Group string `json:"group"`
		Names struct {
			Kind       string   `json:"kind"`
			Plural     string   `json:"plural"`
			ShortNames []string `json:"shortNames"`
			Categories []string `json:"categories"`
		} `json:"names"`
		Versions []struct {
			Name   string `json:"name"`
			Schema struct {
				OpenAPIV3Schema schema `json:"openAPIV3Schema"`
			} `json:"schema"`
		} `json:"versions"`
	} `json:"spec"`
}

// schema is the part of a structural schema that readers need.
type schema struct {
	Type                 string            `json:"type"`
	Format               string            `json:"format"`
	Description          string            `json:"description"`
	Default              json.RawMessage   `json:"default"`
	Enum                 []json.RawMessage `json:"enum"`
	Pattern              string            `json:"pattern"`
	Minimum              *json.Number      `json:"minimum"`
	Maximum              *json.Number      `json:"maximum"`
	MinLength            *int              `json:"minLength"`
	MaxLength            *int              `json:"maxLength"`
	MinItems             *int              `json:"minItems"`
	MaxItems             *int              `json:"maxItems"`
	Required             []string          `json:"required"`
	Properties           map[string]schema `json:"properties"`
	Items                *schema           `json:"items"`
	AdditionalProperties *schema           `json:"additionalProperties"`
	IntOrString          bool              `json:"x-kubernetes-int-or-string"`
	Validations          []struct {
		Rule    string `json:"rule"`
		Message string `json:"message"`
	} `json:"x-kubernetes-validations"`
}

// readKinds reads the CRDs of a folder, sorted by group and kind.
func readKinds(folder string) ([]kind, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*_*.yaml"))
	if err != nil {
		return nil, err
	}
	kinds := make([]kind, len(files))
	for i, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := yaml.Unmarshal(raw, &kinds[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if len(kinds[i].Spec.Versions) != 1 {
			return nil, fmt.Errorf("%s: %d versions, and the pages are made for one", file, len(kinds[i].Spec.Versions))
		}
	}
	slices.SortFunc(kinds, func(a, b kind) int {
		return cmp.Or(strings.Compare(a.Spec.Group, b.Spec.Group), strings.Compare(a.Spec.Names.Kind, b.Spec.Names.Kind))
	})
	return kinds, nil
}

func (k kind) file() string { return strings.ToLower(k.Spec.Names.Kind) + ".md" }

func (k kind) apiVersion() string { return k.Spec.Group + "/" + k.Spec.Versions[0].Name }

func (k kind) root() schema { return k.Spec.Versions[0].Schema.OpenAPIV3Schema }

// index is the page that leads to all kinds.
func index(kinds []kind) string {
	var b strings.Builder
	b.WriteString("# API reference\n\nEvery kind and every field, from the schemas in `manifests/crds`. `kubectl explain` shows the same.\n\n" +
		"| kind | API version | what it is |\n|---|---|---|\n")
	for _, k := range kinds {
		fmt.Fprintf(&b, "| [%s](%s) | `%s` | %s |\n", k.Spec.Names.Kind, k.file(), k.apiVersion(), cell(k.root().Description))
	}
	return b.String()
}

// page is the reference of one kind.
func (k kind) page() string {
	var b strings.Builder
	names := k.Spec.Names
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", names.Kind, strings.TrimSpace(k.root().Description))
	fmt.Fprintf(&b, "`apiVersion: %s`, `kind: %s`. For kubectl: `%s`", k.apiVersion(), names.Kind, names.Plural+"."+k.Spec.Group)
	for _, short := range names.ShortNames {
		fmt.Fprintf(&b, ", `%s`", short)
	}
	for _, category := range names.Categories {
		fmt.Fprintf(&b, "; with others of its group `%s`", category)
	}
	b.WriteString(".\n\nBelow, `[]` stands for the items of a list and `{}` for the values of a map.\n")
	for _, part := range []string{"spec", "status"} {
		s, ok := k.root().Properties[part]
		if !ok {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n| field | type | meaning |\n|---|---|---|\n", part)
		rows, rules := s.rows(""), s.rules("")
		for _, row := range rows {
			b.WriteString(row)
		}
		if len(rules) > 0 {
			b.WriteString("\nRules that the API server enforces:\n\n")
			for _, rule := range rules {
				b.WriteString(rule)
			}
		}
	}
	return b.String()
}

// rows describes the fields of an object, required ones first.
func (s schema) rows(prefix string) []string {
	var rows []string
	for _, name := range s.names() {
		field, path := s.Properties[name], prefix+name
		facts := []string{}
		if slices.Contains(s.Required, name) {
			facts = append(facts, "**required**")
		}
		facts = append(facts, field.facts()...)
		text := cell(field.Description)
		if len(facts) > 0 {
			text = strings.TrimSpace(text + " (" + strings.Join(facts, ", ") + ")")
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |\n", code(path), field.typeName(), text))
		rows = append(rows, field.below(path)...)
	}
	return rows
}

// below describes what is in a field.
func (s schema) below(path string) []string {
	if path == "conditions" {
		// Those of Kubernetes, the same in all kinds.
		return nil
	}
	switch {
	case s.Items != nil:
		return s.Items.below(path + "[]")
	case s.AdditionalProperties != nil:
		return s.AdditionalProperties.below(path + "{}")
	}
	return s.rows(path + ".")
}

func (s schema) names() []string {
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		optional := func(name string) int {
			if slices.Contains(s.Required, name) {
				return 0
			}
			return 1
		}
		return cmp.Or(optional(a)-optional(b), strings.Compare(a, b))
	})
	return names
}

func (s schema) typeName() string {
	switch {
	case s.IntOrString:
		return "integer or string"
	case s.Items != nil:
		return "list of " + s.Items.typeName()
	case s.AdditionalProperties != nil:
		return "map of " + s.AdditionalProperties.typeName()
	case s.Type == "":
		return "any"
	case s.Format == "date-time":
		return "time"
	}
	return s.Type
}

const immutable = "self == oldSelf"

// facts are what the schema holds a value to.
func (s schema) facts() []string {
	var facts []string
	for _, v := range s.Validations {
		if v.Rule == immutable {
			facts = append(facts, "immutable")
		}
	}
	if len(s.Default) > 0 {
		facts = append(facts, "default "+code(string(s.Default)))
	}
	if len(s.Enum) > 0 {
		var values []string
		for _, v := range s.Enum {
			values = append(values, code(strings.Trim(string(v), `"`)))
		}
		facts = append(facts, "one of "+strings.Join(values, " "))
	}
	bounds := func(what string, low, high string) {
		switch {
		case low != "" && high != "":
			facts = append(facts, what+low+" to "+high)
		case low != "":
			facts = append(facts, what+"at least "+low)
		case high != "":
			facts = append(facts, what+"at most "+high)
		}
	}
	bounds("", text(s.Minimum), text(s.Maximum))
	bounds("length ", text(s.MinLength), text(s.MaxLength))
	bounds("items ", text(s.MinItems), text(s.MaxItems))
	if s.Pattern != "" {
		facts = append(facts, "pattern "+code(s.Pattern))
	}
	if s.Items != nil {
		for _, fact := range s.Items.facts() {
			facts = append(facts, "each: "+fact)
		}
	}
	return facts
}

func text[T any](value *T) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(*value)
}

// rules lists what the schema refuses in words, besides changes of immutable fields.
func (s schema) rules(path string) []string {
	var rules []string
	for _, v := range s.Validations {
		if v.Rule == immutable {
			continue
		}
		where := ""
		if path != "" {
			where = code(path) + ": "
		}
		message := v.Message
		if message == "" {
			message = "must hold: " + code(v.Rule)
		} else {
			message = cell(message)
		}
		rules = append(rules, "- "+where+message+"\n")
	}
	if path == "conditions" {
		return rules
	}
	for _, name := range s.names() {
		rules = append(rules, s.Properties[name].rules(strings.TrimPrefix(path+"."+name, "."))...)
	}
	if s.Items != nil {
		rules = append(rules, s.Items.rules(path+"[]")...)
	}
	if s.AdditionalProperties != nil {
		rules = append(rules, s.AdditionalProperties.rules(path+"{}")...)
	}
	return rules
}
