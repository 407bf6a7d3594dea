// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
	"github.com/hashicorp/hcl/hcl/token"
)

// kind is the type of the value of a key.
type kind int

const (
	text kind = iota
	// scalar is a string, number or boolean; it is kept as text.
	scalar
	// number is a number or a string that holds one; it is kept as text.
	number
	boolean
	// duration is a string such as "30s", or a number of seconds.
	duration
	// list is a list of strings, or one string.
	list
	object
)

// key is what is known about one key of a block.
type key struct {
	kind kind
	// missing says what this server does not do with the key. It is empty for
	// keys that have their effect.
	missing string
}

// keys are the keys that a block may have.
type keys map[string]key

// reader reads one file. It collects problems, so that a person sees all of them.
type reader struct {
	file     string
	problems []error
	missing  []string
}

func (r *reader) problem(pos token.Pos, format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf("%s:%d: %s", r.file, pos.Line, fmt.Sprintf(format, args...)))
}

// parse returns the items of a file in HCL or JSON.
func (r *reader) parse(content []byte) (*ast.ObjectList, error) {
	root, err := hcl.ParseBytes(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.file, err)
	}
	items, ok := root.Node.(*ast.ObjectList)
	if !ok {
		return nil, fmt.Errorf("%s: the file must hold an object", r.file)
	}
	return items, nil
}

// name returns the key of an item, or the type of a block.
func name(item *ast.ObjectItem) string {
	return item.Keys[0].Token.Value().(string)
}

// labels returns what follows the type of a block.
func labels(item *ast.ObjectItem) []string {
	var all []string
	for _, k := range item.Keys[1:] {
		all = append(all, k.Token.Value().(string))
	}
	return all
}

// body returns the items of a block. It is nil, and a problem, if the item is not one.
func (r *reader) body(item *ast.ObjectItem) *ast.ObjectList {
	block, ok := item.Val.(*ast.ObjectType)
	if !ok {
		r.problem(item.Pos(), "%s must be a block", name(item))
		return nil
	}
	return block.List
}

// label returns the only label of a block.
func (r *reader) label(item *ast.ObjectItem) (string, bool) {
	all := labels(item)
	if len(all) != 1 {
		r.problem(item.Pos(), `%s needs one label: write %s "NAME" { ... }`, name(item), name(item))
		return "", false
	}
	return all[0], true
}

// values reads the keys of a block. Items that are named in blocks are left to
// the caller. where names the block for messages.
func (r *reader) values(where string, items *ast.ObjectList, known keys, blocks ...string) values {
	read := values{}
	for _, item := range items.Items {
		itemName := name(item)
		if slices.Contains(blocks, itemName) {
			continue
		}
		rule, ok := known[itemName]
		switch {
		case !ok:
			r.problem(item.Pos(), "%s has no key %q; correct or remove it", where, itemName)
			continue
		case len(item.Keys) > 1:
			r.problem(item.Pos(), "%s: %s takes a value and no label", where, itemName)
			continue
		case read[itemName] != nil:
			r.problem(item.Pos(), "%s: %s is set twice", where, itemName)
			continue
		}
		value, err := typed(rule.kind, item.Val)
		if err != nil {
			r.problem(item.Pos(), "%s: %s %v", where, itemName, err)
			continue
		}
		read[itemName] = value
		if rule.missing != "" {
			r.missing = append(r.missing, fmt.Sprintf("%s of %s (%s)", itemName, where, rule.missing))
		}
	}
	return read
}

// values are the keys of a block with values of the Go type of their kind.
type values map[string]any

func (v values) text(key string) string {
	s, _ := v[key].(string)
	return s
}

func (v values) boolean(key string) bool {
	b, _ := v[key].(bool)
	return b
}

func (v values) duration(key string) time.Duration {
	d, _ := v[key].(time.Duration)
	return d
}

// asText returns all values as strings, as the core's storage and seals take them.
func (v values) asText() map[string]string {
	all := make(map[string]string, len(v))
	for k, value := range v {
		all[k] = fmt.Sprint(value)
	}
	return all
}

// typed returns the value of node as kind demands. Errors continue a sentence
// that begins with the key.
func typed(kind kind, node ast.Node) (any, error) {
	value, err := untyped(node)
	if err != nil {
		return nil, err
	}
	switch kind {
	case text:
		if s, ok := value.(string); ok {
			return s, nil
		}
		return nil, errors.New("must be a string")
	case scalar:
		switch value.(type) {
		case string, int, float64, bool:
			return fmt.Sprint(value), nil
		}
		return nil, errors.New("must be a string, number or boolean")
	case number:
		switch n := value.(type) {
		case int, float64:
			return fmt.Sprint(n), nil
		case string:
			if _, err := strconv.ParseFloat(n, 64); err == nil {
				return n, nil
			}
		}
		return nil, errors.New("must be a number")
	case boolean:
		if b, err := strconv.ParseBool(fmt.Sprint(value)); err == nil {
			return b, nil
		}
		return nil, errors.New("must be true or false")
	case duration:
		written := fmt.Sprint(value)
		if d, err := time.ParseDuration(written); err == nil {
			return d, nil
		}
		if seconds, err := strconv.Atoi(written); err == nil {
			return time.Duration(seconds) * time.Second, nil
		}
		return nil, errors.New(`must be a duration such as "30s"`)
	case list:
		if s, ok := value.(string); ok {
			return strings.Split(s, ","), nil
		}
		all, ok := value.([]any)
		var strs []string
		for _, element := range all {
			s, isString := element.(string)
			ok = ok && isString
			strs = append(strs, s)
		}
		if !ok {
			return nil, errors.New("must be a list of strings")
		}
		return strs, nil
	default:
		if m, ok := value.(map[string]any); ok {
			return m, nil
		}
		return nil, errors.New("must be an object")
	}
}

// untyped returns string, int, float64, bool, []any or map[string]any.
func untyped(node ast.Node) (any, error) {
	switch n := node.(type) {
	case *ast.LiteralType:
		value := n.Token.Value()
		if i, ok := value.(int64); ok {
			return int(i), nil
		}
		return value, nil
	case *ast.ListType:
		all := []any{}
		for _, element := range n.List {
			value, err := untyped(element)
			if err != nil {
				return nil, err
			}
			all = append(all, value)
		}
		return all, nil
	case *ast.ObjectType:
		all := map[string]any{}
		for _, item := range n.List.Items {
			if len(item.Keys) != 1 {
				return nil, fmt.Errorf("has the labelled block %q where only keys can be", name(item))
			}
			if _, twice := all[name(item)]; twice {
				return nil, fmt.Errorf("sets %q twice", name(item))
			}
			value, err := untyped(item.Val)
			if err != nil {
				return nil, err
			}
			all[name(item)] = value
		}
		return all, nil
	default:
		return nil, fmt.Errorf("has a value of an unknown type (%T)", node)
	}
}
