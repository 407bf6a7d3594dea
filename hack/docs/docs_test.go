// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const crd = `
spec:
  group: example.org
  names: {kind: Thing, plural: things, shortNames: [th], categories: [all]}
  versions:
  - name: v1
    schema:
      openAPIV3Schema:
        description: Thing is a thing.
        properties:
          apiVersion: {type: string}
          spec:
            required: [size]
            x-kubernetes-validations:
            - {rule: has(self.size), message: size is needed}
            properties:
              a: {type: string, description: "First | second.\n\nThird.", enum: [x, "y"], default: x}
              size: {type: integer, minimum: 1, maximum: 3, x-kubernetes-validations: [{rule: self == oldSelf, message: no}]}
              list:
                type: array
                maxItems: 4
                items: {type: object, properties: {name: {type: string, pattern: a|b}}}
              map:
                type: object
                additionalProperties: {type: object, properties: {deep: {type: boolean}}}
          status:
            properties:
              conditions: {type: array, items: {type: object, properties: {reason: {type: string}}}}
`

const page = "# Thing\n\nThing is a thing.\n\n" +
	"`apiVersion: example.org/v1`, `kind: Thing`. For kubectl: `things.example.org`, `th`; with others of its group `all`.\n\n" +
	"Below, `[]` stands for the items of a list and `{}` for the values of a map.\n\n" +
	"## spec\n\n| field | type | meaning |\n|---|---|---|\n" +
	"| `size` | integer | (**required**, immutable, 1 to 3) |\n" +
	"| `a` | string | First \\| second.<br>Third. (default `\"x\"`, one of `x` `y`) |\n" +
	"| `list` | list of object | (items at most 4) |\n" +
	"| `list[].name` | string | (pattern `a\\|b`) |\n" +
	"| `map` | map of object |  |\n" +
	"| `map{}.deep` | boolean |  |\n" +
	"\nRules that the API server enforces:\n\n- size is needed\n" +
	"\n## status\n\n| field | type | meaning |\n|---|---|---|\n" +
	"| `conditions` | list of object |  |\n"

func TestPageOfAKind(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "example.org_things.yaml"), []byte(crd), 0o600); err != nil {
		t.Fatal(err)
	}
	kinds, err := readKinds(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(kinds) != 1 {
		t.Fatalf("%d kinds, want 1", len(kinds))
	}
	if got := kinds[0].page(); got != page {
		t.Errorf("The page is\n%s\nwant\n%s", got, page)
	}
	if want := "| [Thing](thing.md) | `example.org/v1` | Thing is a thing. |\n"; !strings.HasSuffix(index(kinds), want) {
		t.Errorf("The index is\n%s\nwant it to end with %s", index(kinds), want)
	}
}

// A page of a kind that no longer exists goes.
func TestPagesOfOldKindsGo(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	old := filepath.Join(out, "api", "old.md")
	if err := os.MkdirAll(filepath.Dir(old), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write("../../manifests/crds", out); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("The old page: %v", err)
	}
	for _, name := range []string{"troubleshooting.md", "reference-flags.md", "api/README.md", "api/openbaocluster.md"} {
		raw, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(raw), generated) {
			t.Errorf("%s does not say that it is generated", name)
		}
	}
}
