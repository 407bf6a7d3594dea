// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/template"
	"text/template/parse"

	corev1 "k8s.io/api/core/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/redact"
)

// maxRendered is how many bytes the values of one object may come to.
const maxRendered = 1 << 20

// fromSecret renders the templates of one object, in one sync, with values of
// Secrets of the object's namespace. Each Secret is read live, once.
//
// The templates are Go templates of which only {{ fromSecret "name" "key" }},
// strings, and html, js or urlquery after either are accepted: objects come from
// users who must not be able to make the operator loop, or show a value of a
// Secret in an error.
type fromSecret struct {
	remote *remote
	read   map[string]*corev1.Secret
	// used are the values that were put in, in all forms.
	used []string
	size int
}

func (r *remote) fromSecret() *fromSecret {
	return &fromSecret{remote: r, read: map[string]*corev1.Secret{}}
}

// render returns the value of a field of the spec. The error is a Problem if it
// is the user's to mend.
func (f *fromSecret) render(ctx context.Context, field, text string) (string, error) {
	tree, err := parseTemplate(field, text)
	if err != nil {
		return "", reconcile.Invalid(reasonInvalidSpec, fmt.Sprintf("%s is no valid template: %v.", field, err))
	}
	var out strings.Builder
	for _, node := range nodes(tree.Root) {
		value, err := f.node(ctx, field, node)
		if err != nil {
			return "", err
		}
		if f.size += len(value); f.size > maxRendered {
			return "", invalidWith(fmt.Sprintf("The values come to more than %d bytes at %s.", maxRendered, field))
		}
		out.WriteString(value)
	}
	return out.String(), nil
}

// parseTemplate parses the value of a field.
func parseTemplate(field, text string) (*parse.Tree, error) {
	tree := parse.New(field)
	functions := map[string]any{"fromSecret": true, "html": true, "js": true, "urlquery": true}
	_, err := tree.Parse(text, "", "", map[string]*parse.Tree{}, functions)
	return tree, err
}

// secretsOf returns the names of the Secrets that a template takes values from, as
// far as it is one that can be rendered.
func secretsOf(text string) []string {
	if !strings.Contains(text, "fromSecret") {
		return nil
	}
	tree, err := parseTemplate("", text)
	if err != nil {
		return nil
	}
	var names []string
	for _, node := range nodes(tree.Root) {
		action, ok := node.(*parse.ActionNode)
		if !ok {
			continue
		}
		args := action.Pipe.Cmds[0].Args
		if len(args) != 3 || !isIdentifier(args[0], "fromSecret") {
			continue
		}
		if name, ok := args[1].(*parse.StringNode); ok && name.Text != "" {
			names = append(names, name.Text)
		}
	}
	return names
}

func unusable(field string, what any) error {
	return reconcile.Invalid(reasonInvalidSpec, fmt.Sprintf("%s is no template that can be used: %v.", field, what))
}

func unsupportedNode(field string, node parse.Node) error {
	return unusable(field, fmt.Sprintf("%s is not supported, only {{ fromSecret \"name\" \"key\" }} and strings are, each followed by at most one of html, js and urlquery", node))
}

// nodes returns the nodes of a template, none if it is empty.
func nodes(root *parse.ListNode) []parse.Node {
	if root == nil {
		return nil
	}
	return root.Nodes
}

func (f *fromSecret) node(ctx context.Context, field string, node parse.Node) (string, error) {
	switch n := node.(type) {
	case *parse.TextNode:
		return string(n.Text), nil
	case *parse.CommentNode:
		return "", nil
	case *parse.ActionNode:
		if len(n.Pipe.Decl) > 0 || len(n.Pipe.Cmds) > 2 {
			return "", unsupportedNode(field, n)
		}
		value, err := f.operand(ctx, field, n.Pipe.Cmds[0])
		if err != nil || len(n.Pipe.Cmds) == 1 {
			return value, err
		}
		value, err = escape(field, n.Pipe.Cmds[1], value)
		f.used = append(f.used, value)
		return value, err
	}
	return "", unsupportedNode(field, node)
}

func (f *fromSecret) operand(ctx context.Context, field string, cmd *parse.CommandNode) (string, error) {
	if s, ok := cmd.Args[0].(*parse.StringNode); ok && len(cmd.Args) == 1 {
		return s.Text, nil
	}
	if len(cmd.Args) == 3 && isIdentifier(cmd.Args[0], "fromSecret") {
		name, isName := cmd.Args[1].(*parse.StringNode)
		key, isKey := cmd.Args[2].(*parse.StringNode)
		if isName && isKey {
			return f.value(ctx, field, name.Text, key.Text)
		}
	}
	return "", unsupportedNode(field, cmd)
}

func escape(field string, cmd *parse.CommandNode, value string) (string, error) {
	switch {
	case len(cmd.Args) != 1:
	case isIdentifier(cmd.Args[0], "html"):
		return template.HTMLEscapeString(value), nil
	case isIdentifier(cmd.Args[0], "js"):
		return template.JSEscapeString(value), nil
	case isIdentifier(cmd.Args[0], "urlquery"):
		return template.URLQueryEscaper(value), nil
	}
	return "", unsupportedNode(field, cmd)
}

func isIdentifier(node parse.Node, name string) bool {
	id, ok := node.(*parse.IdentifierNode)
	return ok && id.Ident == name
}

func (f *fromSecret) value(ctx context.Context, field, name, key string) (string, error) {
	if name == "" {
		return "", unusable(field, "fromSecret names no Secret")
	}
	secret, ok := f.read[name]
	if !ok {
		var err error
		if secret, err = f.remote.sourceSecret(ctx, field, name); err != nil {
			return "", err
		}
		f.read[name] = secret
	}
	value, err := sourceKey(secret, field, key)
	if err != nil {
		return "", err
	}
	f.used = append(f.used, value)
	return value, nil
}

// hide takes the values that were put in, or longer pieces of them, out of a text
// of Aiven's.
func (f *fromSecret) hide(text string) string {
	secrets := &redact.Secrets{}
	for _, value := range f.used {
		secrets.Add(value)
	}
	return secrets.Hide(text)
}

// clean takes the values that were put in out of what Aiven said: a connector's
// own check of its configuration repeats what it does not like.
func (f *fromSecret) clean(err error) error {
	var e *aiven.Error
	if !errors.As(err, &e) {
		return err
	}
	cleaned := *e
	cleaned.Message = f.hide(e.Message)
	if cleaned.Message != e.Message {
		// The cause can say it again.
		cleaned.Err = nil
	}
	return &cleaned
}
