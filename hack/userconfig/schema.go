// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// schema is a node of a go-api-schemas file: the subset of JSON schema that
// Aiven uses, with its keywords in snake case.
type schema struct {
	Type        typeName           `yaml:"type"`
	Title       string             `yaml:"title"`
	Description string             `yaml:"description"`
	Properties  map[string]*schema `yaml:"properties"`
	Required    []string           `yaml:"required"`
	Items       *schema            `yaml:"items"`
	OneOf       []*schema          `yaml:"one_of"`

	Enum      []enumValue `yaml:"enum"`
	Pattern   string      `yaml:"pattern"`
	MinLength *int64      `yaml:"min_length"`
	MaxLength *int64      `yaml:"max_length"`
	MinItems  *int64      `yaml:"min_items"`
	MaxItems  *int64      `yaml:"max_items"`
	// Minimum and Maximum are strings in the files, because some do not fit int64.
	Minimum string `yaml:"minimum"`
	Maximum string `yaml:"maximum"`

	CreateOnly        bool   `yaml:"create_only"`
	Deprecated        bool   `yaml:"is_deprecated"`
	DeprecationNotice string `yaml:"deprecation_notice"`
}

// enumValue is one accepted value: a string, an integer, or nil for null.
type enumValue struct {
	Value any `yaml:"value"`
}

// typeName is the type of a node. A node may have several types in the files, as
// the entries of ip_filter do, which are objects or strings; object is then the
// one that is kept, as it can say everything that the other can.
type typeName string

// UnmarshalYAML reads a name or a list of names.
func (t *typeName) UnmarshalYAML(n *yaml.Node) error {
	var names []string
	if n.Kind == yaml.ScalarNode {
		names = []string{n.Value}
	} else if err := n.Decode(&names); err != nil {
		return fmt.Errorf("line %d: type: %w", n.Line, err)
	}
	names = slices.DeleteFunc(names, func(s string) bool { return s == "null" })
	switch {
	case len(names) == 1:
		*t = typeName(names[0])
	case slices.Contains(names, "object"):
		*t = "object"
	default:
		return fmt.Errorf("line %d: cannot choose one of the types %q", n.Line, names)
	}
	return nil
}

// parseSchemas reads a schema file.
func parseSchemas(data []byte) (map[string]*schema, error) {
	out := map[string]*schema{}
	if err := yaml.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("parse schema file: %w", err)
	}
	return out, nil
}
