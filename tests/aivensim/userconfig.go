// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aiven/go-api-schemas/pkg/dist"
	"go.yaml.in/yaml/v3"
)

// schema is one node of Aiven's user configuration schemas. Numbers are written
// as strings there.
type schema struct {
	Type       stringOrList       `yaml:"type"`
	Default    any                `yaml:"default"`
	Properties map[string]*schema `yaml:"properties"`
	Items      *schema            `yaml:"items"`
	OneOf      []*schema          `yaml:"one_of"`
	Required   []string           `yaml:"required"`
	Enum       []struct {
		Value any `yaml:"value"`
	} `yaml:"enum"`
	Minimum    *string `yaml:"minimum"`
	Maximum    *string `yaml:"maximum"`
	MinLength  *int    `yaml:"min_length"`
	MaxLength  *int    `yaml:"max_length"`
	MaxItems   *int    `yaml:"max_items"`
	Pattern    string  `yaml:"pattern"`
	CreateOnly bool    `yaml:"create_only"`
	Secure     bool    `yaml:"_secure"`
}

type stringOrList []string

// UnmarshalYAML accepts one type and a list of types.
func (s *stringOrList) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*s = []string{node.Value}
		return nil
	}
	return node.Decode((*[]string)(s))
}

// serviceSchemas parses the embedded schemas once; they are read-only.
var serviceSchemas = parseSchemas(dist.ServiceTypes)

// newUserConfig is the configuration of a new service: the defaults and then in.
func newUserConfig(typeName string, defaults, in map[string]any) (map[string]any, error) {
	schemas, err := serviceSchemas()
	if err != nil {
		return nil, err
	}
	sc, ok := schemas[typeName]
	if !ok {
		return nil, fmt.Errorf("no user configuration schema for %s", typeName)
	}
	if err := sc.check("user_config", in, true); err != nil {
		return nil, err
	}
	out := sc.defaults()
	maps.Copy(out, deepCopy(defaults))
	sc.merge(out, in)
	return out, nil
}

// mergeUserConfig changes a configuration; null returns a key to its default.
func mergeUserConfig(typeName string, current, in map[string]any) (map[string]any, error) {
	schemas, err := serviceSchemas()
	if err != nil {
		return nil, err
	}
	sc := schemas[typeName]
	if err := sc.check("user_config", in, false); err != nil {
		return nil, err
	}
	for key, value := range in {
		if p := sc.Properties[key]; p.CreateOnly && value != nil && fmt.Sprint(value) != fmt.Sprint(current[key]) {
			return nil, badRequest("Invalid 'user_config': '%s' can only be set when the service is created", key)
		}
	}
	out := deepCopy(current)
	sc.merge(out, in)
	return out, nil
}

// defaults are the top-level values that the schema gives. Defaults inside of
// objects apply, as at Aiven, only once the object is given.
func (sc *schema) defaults() map[string]any {
	out := map[string]any{}
	for key, p := range sc.Properties {
		if p.Default != nil {
			out[key] = p.convert(p.Default)
		}
	}
	return out
}

func (sc *schema) merge(dst, src map[string]any) {
	for key, value := range src {
		p := sc.Properties[key]
		object, isObject := value.(map[string]any)
		switch {
		case value == nil && p != nil && p.Default != nil:
			dst[key] = p.convert(p.Default)
		case value == nil:
			delete(dst, key)
		case isObject && p != nil && p.Properties != nil:
			inner, _ := dst[key].(map[string]any)
			if inner == nil {
				inner = p.defaults()
			}
			p.merge(inner, object)
			dst[key] = inner
		default:
			dst[key] = deepCopy(value)
		}
	}
}

// convert turns a default as the schema writes it into a JSON value.
func (sc *schema) convert(value any) any {
	if text, ok := value.(string); ok && (slices.Contains(sc.Type, "integer") || slices.Contains(sc.Type, "number")) {
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
	}
	return deepCopy(value)
}

// check refuses what the schema does not allow. null is allowed everywhere: it
// means the default.
func (sc *schema) check(path string, value any, creating bool) error {
	if value == nil {
		return nil
	}
	if len(sc.OneOf) > 0 {
		for _, option := range sc.OneOf {
			if option.check(path, value, creating) == nil {
				return nil
			}
		}
		return badRequest("Invalid '%s': the value fits none of the allowed forms", path)
	}
	if !sc.hasType(value) {
		return badRequest("Invalid '%s': %v is not of type %s", path, brief(value), strings.Join(sc.Type, ", "))
	}
	switch v := value.(type) {
	case map[string]any:
		return sc.checkObject(path, v, creating)
	case []any:
		if sc.MaxItems != nil && len(v) > *sc.MaxItems {
			return badRequest("Invalid '%s': more than %d items", path, *sc.MaxItems)
		}
		for i, item := range v {
			if sc.Items == nil {
				break
			}
			if err := sc.Items.check(fmt.Sprintf("%s.%d", path, i), item, creating); err != nil {
				return err
			}
		}
	case string:
		if sc.MinLength != nil && len(v) < *sc.MinLength || sc.MaxLength != nil && len(v) > *sc.MaxLength {
			return badRequest("Invalid '%s': the length is out of range", path)
		}
		if sc.Pattern != "" {
			// Patterns that RE2 cannot express are not checked.
			if re, err := regexp.Compile(sc.Pattern); err == nil && !re.MatchString(v) {
				return badRequest("Invalid '%s': '%s' does not match '%s'", path, v, sc.Pattern)
			}
		}
	case float64:
		if beyond(v, sc.Minimum, -1) || beyond(v, sc.Maximum, 1) {
			return badRequest("Invalid '%s': %v is out of range", path, v)
		}
	}
	for i, option := range sc.Enum {
		if fmt.Sprint(option.Value) == fmt.Sprint(value) {
			break
		}
		if i == len(sc.Enum)-1 {
			return badRequest("Invalid '%s': '%v' is not one of the allowed values", path, brief(value))
		}
	}
	return nil
}

func (sc *schema) checkObject(path string, object map[string]any, creating bool) error {
	for key, inner := range object {
		p, ok := sc.Properties[key]
		if !ok && sc.Properties != nil {
			return badRequest("Invalid '%s': Additional properties are not allowed ('%s' was unexpected)", path, key)
		}
		if ok {
			if err := p.check(path+"."+key, inner, creating); err != nil {
				return err
			}
		}
	}
	for _, key := range sc.Required {
		if _, ok := object[key]; !ok && creating {
			return badRequest("Invalid '%s': '%s' is a required property", path, key)
		}
	}
	return nil
}

func (sc *schema) hasType(value any) bool {
	if len(sc.Type) == 0 {
		return true
	}
	for _, t := range sc.Type {
		ok := false
		switch v := value.(type) {
		case string:
			ok = t == "string"
		case bool:
			ok = t == "boolean"
		case float64:
			ok = t == "number" || t == "integer" && v == math.Trunc(v)
		case []any:
			ok = t == "array"
		case map[string]any:
			ok = t == "object"
		}
		if ok {
			return true
		}
	}
	return false
}

// beyond compares with a bound of the schema: sign -1 for the lower one, 1 for
// the upper one.
func beyond(v float64, bound *string, sign float64) bool {
	if bound == nil {
		return false
	}
	limit, err := strconv.ParseFloat(*bound, 64)
	return err == nil && (v-limit)*sign > 0
}

// brief names a value without showing what may be a secret in it.
func brief(value any) string {
	switch value.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	default:
		return fmt.Sprint(value)
	}
}
