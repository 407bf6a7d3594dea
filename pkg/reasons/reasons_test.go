// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package reasons

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	reasonConstant = regexp.MustCompile(`^([Rr]eason|Phase|Event)[A-Z]`)
	camelCase      = regexp.MustCompile(`^[A-Z][A-Za-z]+$`)
	// reporters are functions that a reason is passed to.
	reporters = []string{"set", "setCondition", "setInitialized", "Waiting", "Invalid", "Delayed", "event", "announce", "Event", "retry"}
)

// Every reason that the code can report has an entry, and every entry a reason in the
// code.
func TestEveryReasonIsExplained(t *testing.T) {
	t.Parallel()
	for _, of := range All() {
		explained := map[string]bool{}
		for _, entry := range of.Entries() {
			if explained[entry.Name] {
				t.Errorf("%v: %s has two entries", of.Packages, entry.Name)
			}
			explained[entry.Name] = true
		}
		reported := map[string]bool{}
		for _, folder := range of.Packages {
			maps.Copy(reported, reasonsOf(t, filepath.Join("..", "..", folder)))
		}
		if len(reported) == 0 {
			t.Errorf("%v: the test found no reason", of.Packages)
		}
		for _, name := range slices.Sorted(maps.Keys(reported)) {
			if !explained[name] {
				t.Errorf("%v: nothing explains the reason %s", of.Packages, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(explained)) {
			if !reported[name] {
				t.Errorf("%v: no code reports %s", of.Packages, name)
			}
		}
	}
}

// reasonsOf returns the reasons that are declared or written out in a package.
func reasonsOf(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	add := func(node ast.Expr) {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil && camelCase.MatchString(text) {
				found[text] = true
			}
		}
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, file.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.ValueSpec:
				typ, _ := node.Type.(*ast.Ident)
				for i, name := range node.Names {
					if i < len(node.Values) && (reasonConstant.MatchString(name.Name) || typ != nil && typ.Name == "Reason") {
						add(node.Values[i])
					}
				}
			case *ast.KeyValueExpr:
				if key, ok := node.Key.(*ast.Ident); ok && key.Name == "Reason" {
					add(node.Value)
				}
			case *ast.CallExpr:
				if slices.Contains(reporters, calledName(node)) {
					for _, arg := range node.Args {
						add(arg)
					}
				}
			}
			return true
		})
	}
	return found
}

func calledName(call *ast.CallExpr) string {
	switch function := call.Fun.(type) {
	case *ast.Ident:
		return function.Name
	case *ast.SelectorExpr:
		return function.Sel.Name
	}
	return ""
}

// An entry says what happened and what to do in whole sentences, and its command has no
// variables but those of the page.
func TestEntriesAreWhole(t *testing.T) {
	t.Parallel()
	variable := regexp.MustCompile(`\$([A-Z]+)`)
	for _, of := range All() {
		for _, section := range of.Sections {
			if section.Title == "" || section.Intro == "" || len(section.Entries) == 0 {
				t.Errorf("The section %q is not whole", section.Title)
			}
		}
		for _, entry := range of.Entries() {
			for _, text := range []string{entry.Meaning, entry.Action} {
				if !strings.HasSuffix(text, ".") || strings.Contains(text, "\n") || strings.Contains(text, "|") {
					t.Errorf("%s: %q is no sentence for a table", entry.Name, text)
				}
			}
			for _, match := range variable.FindAllStringSubmatch(entry.Command, -1) {
				if !strings.Contains(of.Preamble, match[1]+"=") {
					t.Errorf("%s: the command uses %s, which nothing sets", entry.Name, match[1])
				}
			}
		}
	}
}
