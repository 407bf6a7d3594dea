// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/hcl/ast"
)

// Initialize is an initialize block: requests that the server sends to itself,
// in their order, when it starts a cluster on empty storage.
type Initialize struct {
	Name     string
	Requests []Request
}

// Request is one request of an initialize block.
type Request struct {
	Name      string
	Operation string
	Path      string
	// Data may hold secrets.
	Data map[string]any
	// Token is used in place of the root token. It is nil unless the block has
	// the key.
	Token        *string
	AllowFailure bool
}

// operations are those that the core's request handler knows.
func operations() []string {
	return []string{"create", "read", "update", "patch", "delete", "list"}
}

func (c *Config) addInitialize(r *reader, item *ast.ObjectItem, body *ast.ObjectList) {
	label, ok := r.label(item)
	if !ok {
		return
	}
	block := Initialize{Name: label}
	where := fmt.Sprintf("initialize %q", label)
	for _, inner := range body.Items {
		if name(inner) != "request" {
			r.problem(inner.Pos(), "%s: %q is not supported; only request blocks are", where, name(inner))
			continue
		}
		if request, ok := r.request(where, inner); ok {
			block.Requests = append(block.Requests, request)
		}
	}
	c.Initialize = append(c.Initialize, block)
}

func (r *reader) request(where string, item *ast.ObjectItem) (Request, bool) {
	label, ok := r.label(item)
	if !ok {
		return Request{}, false
	}
	body := r.body(item)
	if body == nil {
		return Request{}, false
	}
	where = fmt.Sprintf("%s request %q", where, label)
	v := r.values(where, body, requestKeys())
	request := Request{
		Name:         label,
		Operation:    v.text("operation"),
		Path:         strings.TrimPrefix(v.text("path"), "/"),
		AllowFailure: v.boolean("allow_failure"),
	}
	if token, set := v["token"].(string); set {
		request.Token = &token
	}
	request.Data, _ = v["data"].(map[string]any)
	if request.Path == "" {
		r.problem(item.Pos(), "%s: path is required", where)
	}
	if !slices.Contains(operations(), request.Operation) {
		r.problem(item.Pos(), "%s: operation must be one of %s", where, strings.Join(operations(), ", "))
	}
	if evaluated(request.Data) {
		r.problem(item.Pos(), "%s: eval_source and eval_type are not supported; write the value itself", where)
	}
	return request, true
}

// evaluated tells whether value has a part that OpenBao computes from elsewhere.
func evaluated(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if key == "eval_source" || key == "eval_type" || evaluated(inner) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, evaluated)
	}
	return false
}
