// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryManifestIsInTheChart finds files that sources forgets.
func TestEveryManifestIsInTheChart(t *testing.T) {
	byHand := map[string]bool{
		"rbac/namespace.yaml":       true, // Helm makes the namespace
		"rbac/service_account.yaml": true, // with values of its own
	}
	for _, folder := range []string{"admission", "crds", "rbac", "rbac/optional"} {
		files, err := filepath.Glob(filepath.Join("../../manifests", folder, "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%d files in %s: %v", len(files), folder, err)
		}
		for _, file := range files {
			name := folder + "/" + filepath.Base(file)
			found := 0
			for _, s := range sources() {
				if ok, err := filepath.Match(s.path, name); err != nil {
					t.Fatal(err)
				} else if ok {
					found++
				}
			}
			want := 1
			if byHand[name] || filepath.Base(file) == "kustomization.yaml" {
				want = 0
			}
			if found != want {
				t.Errorf("%s is in %d sources, want %d", name, found, want)
			}
		}
	}
}

func TestTemplate(t *testing.T) {
	const role = `# What it is for.
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: bailiwick-x
  labels:
    app.kubernetes.io/name: bailiwick
rules:
  - verbs: ["{{get}}"]
`
	got, err := source{when: "$.Values.x"}.template(role)
	if err != nil {
		t.Fatal(err)
	}
	want := `{{- define "bailiwick.rules.x" }}
  - verbs: ["{{ "{{" }}get}}"]
{{- end }}
{{- if and $.Values.x $.Values.rbac.create (not (include "bailiwick.watchNamespaces" $)) }}
---
# What it is for.
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ include "bailiwick.fullname" $ }}-x
  labels:
    {{- include "bailiwick.labels" $ | nindent 4 }}
rules:
{{- template "bailiwick.rules.x" }}
{{- end }}
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// What is bound in single namespaces is not left out where there is nothing else.
	got, err = source{when: "$.Values.x", inNamespaces: true}.template(role)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(want, ` (not (include "bailiwick.watchNamespaces" $))`, "", 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestRefuses what would otherwise leave something out without a word.
func TestRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		source         source
		manifest, want string
	}{
		"nothing to replace": {source{replace: []string{"aiven-token", "x"}}, "kind: Role\n", `"aiven-token" is not there`},
		"no kind":            {source{}, "metadata: {}\n", "without a kind"},
		"no rules":           {source{}, "kind: ClusterRole\nmetadata:\n  name: x\n", "without rules"},
		"no annotations":     {source{}, "kind: CustomResourceDefinition\n", "without annotations"},
	} {
		if _, err := test.source.template(test.manifest); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error = %v, want %q", name, err, test.want)
		}
	}
	out := t.TempDir()
	if err := write(t.TempDir(), filepath.Join(out, "templates")); err == nil || !strings.Contains(err.Error(), "no file crds/") {
		t.Errorf("error = %v for manifests that are not there", err)
	}
	if _, err := os.Stat(filepath.Join(out, "templates", "crds")); err == nil {
		t.Error("wrote templates of nothing")
	}
}
