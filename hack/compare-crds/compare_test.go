// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const theirCRD = `
kind: CustomResourceDefinition
metadata: {name: things.aiven.io}
spec:
  group: aiven.io
  scope: Namespaced
  names: {kind: Thing, plural: things}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    additionalPrinterColumns:
    - {name: Project, type: string, jsonPath: .spec.project}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [project, name]
            x-kubernetes-validations:
            - {rule: "has(self.name)", message: a}
            - {rule: "has(self.project)", message: b}
            properties:
              project: {type: string, pattern: ^a$, description: theirs}
              name: {type: string, maxLength: 3, default: x}
              size: {type: integer, minimum: 1}
              mode: {type: string, enum: [a, b]}
              list: {type: array, items: {type: string}}
              map: {type: object, additionalProperties: {type: string}}
              userConfig: {type: object, properties: {v: {type: string, enum: [a]}}}
          status:
            type: object
            required: [conditions]
            properties:
              conditions: {type: array, items: {type: object}}
`

// TestCompare edits their CRD in one place and expects exactly that difference.
func TestCompare(t *testing.T) {
	tests := map[string]struct {
		from, to string
		want     string
		// deliberate is part of the reason, empty for a difference that counts.
		deliberate string
	}{
		"descriptions do not count": {"description: theirs", "description: ours", "", ""},
		"order does not count":      {"required: [project, name]", "required: [name, project]", "", ""},
		"missing field":             {"size: {type: integer, minimum: 1}", "", ".spec.size: field is missing", ""},
		"extra field":               {"size:", "other: {type: string}\n              size:", ".spec.other: field is ours only", ""},
		"type":                      {"size: {type: integer", "size: {type: number", ".spec.size: type is", ""},
		"pattern":                   {"pattern: ^a$", "pattern: ^b$", ".spec.project: pattern is", ""},
		"maximum length is missing": {"maxLength: 3, ", "", ".spec.name: maxLength is missing", ""},
		"default":                   {"default: x", "default: y", ".spec.name: default is", ""},
		"minimum":                   {"minimum: 1", "minimum: 0", ".spec.size: minimum is", ""},
		"enum":                      {"enum: [a, b]", "enum: [a]", ".spec.mode: enum is", ""},
		"wider enum":                {"enum: [a, b]", "enum: [a, b, c]", ".spec.mode: enum is", ""},
		"required":                  {"required: [project, name]", "required: [project]", ".spec: required is", ""},
		"entries":                   {"items: {type: string}", "items: {type: integer}", ".spec.list[]: type is", ""},
		"values of a map":           {"additionalProperties: {type: string}", "additionalProperties: {type: integer}", ".spec.map{}: type is", ""},
		"CEL rule":                  {`"has(self.name)"`, `"true"`, ".spec: x-kubernetes-validations is", ""},
		"CEL message":               {"message: a", "message: c", ".spec: x-kubernetes-validations is", ""},
		"rule of a webhook": {
			"message: b}", "message: b}\n            - {rule: x, message: 'please set ProjectVPCID or ProjectVPCRef, not both'}",
			".spec: x-kubernetes-validations", "webhooks",
		},
		"rule of a webhook in place of theirs": {
			"message: b}", "message: 'please set ProjectVPCID or ProjectVPCRef, not both'}", ".spec: x-kubernetes-validations", "",
		},
		"rule of ours":               {"message: b}", "message: b}\n            - {rule: x, message: c}", ".spec: x-kubernetes-validations", ""},
		"repetition does not count":  {"enum: [a, b]", "allOf: [{enum: [a, b]}, {enum: [a, b]}]", "", ""},
		"two enums":                  {"enum: [a, b]", "allOf: [{enum: [a, b]}, {enum: [a]}]", ".spec.mode: allOf is ours only", ""},
		"column":                     {"jsonPath: .spec.project", "jsonPath: .spec.name", "v1alpha1 column 1: printer column is", ""},
		"scope":                      {"scope: Namespaced", "scope: Cluster", "spec: scope is", ""},
		"plural":                     {"plural: things", "plural: stuff", "names: plural is", ""},
		"version":                    {"name: v1alpha1", "name: v1", "version is", ""},
		"list type":                  {"list: {type: array", "list: {type: array, x-kubernetes-list-type: set", ".spec.list: x-kubernetes-list-type", ""},
		"short names":                {"plural: things", "plural: things, shortNames: [t]", "names: shortNames", "type less"},
		"columns behind theirs":      {"jsonPath: .spec.project}", "jsonPath: .spec.project}\n    - {name: Age, type: date, jsonPath: .x}", "column 2", "at a glance"},
		"status without requirement": {"required: [conditions]", "", ".status: required is missing", "no status field"},
		"conditions by type":         {"conditions: {type: array", "conditions: {type: array, x-kubernetes-list-type: map", ".status.conditions", "merged by type"},
		"int64":                      {"minimum: 1", "minimum: 1, format: int64", ".spec.size: format", "int64"},
		"new setting":                {"properties: {v:", "properties: {w: {type: string}, v:", ".spec.userConfig.w", "added since"},
		"lost setting":               {"properties: {v: {type: string, enum: [a]}}", "properties: {}", ".spec.userConfig.v: field is missing", ""},
		"new setting elsewhere":      {"list: {type: array, items: {type: string}}", "list: {type: array, items: {type: string}}\n              logs: {type: object}", ".spec.logs: field is ours only", ""},
		"new value":                  {"v: {type: string, enum: [a]}", "v: {type: string, enum: [a, b]}", ".spec.userConfig.v: enum", "added since"},
		"lost limit on values":       {"v: {type: string, enum: [a]}", "v: {type: string}", ".spec.userConfig.v: enum is missing", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(theirCRD, test.from) {
				t.Fatalf("the CRD has no %q", test.from)
			}
			ours := strings.Replace(theirCRD, test.from, test.to, 1)
			var got []string
			diffs := compareCRDs(parse(t, ours), parse(t, theirCRD))
			for _, d := range diffs {
				got = append(got, d.String())
			}
			if test.want == "" {
				if len(got) != 0 {
					t.Errorf("differences are %q, want none", got)
				}
				return
			}
			if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, test.want) }) {
				t.Fatalf("differences are %q, want one with %q", got, test.want)
			}
			if reason := deliberate(diffs[0]); (test.deliberate == "") != (reason == "") || !strings.Contains(reason, test.deliberate) {
				t.Errorf("reason is %q, want %q", reason, test.deliberate)
			}
		})
	}
}

const theirClusterCRD = `
kind: CustomResourceDefinition
metadata: {name: openbaoclusters.openbao.org}
spec:
  versions:
  - name: v1alpha1
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [version, tls]
            x-kubernetes-validations:
            - {rule: "self.tls.mode != 'OperatorManaged' || size(self.tls.rotationPeriod) > 0", message: a}
            properties:
              version: {type: string}
              tls: {type: object, required: [enabled], properties: {enabled: {type: boolean}}}
              backup: {type: object, required: [schedule], properties: {schedule: {type: string}}}
          status:
            type: object
            properties:
              phase: {type: string}
              upgrade: {type: object, required: [targetVersion], properties: {targetVersion: {type: string}}}
`

// TestDeliberateOpenBao edits the CRD of a cluster in one place; what is meant
// for Aiven's kinds is not meant here.
func TestDeliberateOpenBao(t *testing.T) {
	const rule = `{rule: "self.tls.mode != 'OperatorManaged' || size(self.tls.rotationPeriod) > 0", message: a}`
	tests := map[string]struct {
		from, to   string
		deliberate string
	}{
		"column":                  {"  - name: v1alpha1\n", "  - name: v1alpha1\n    additionalPrinterColumns: [{name: Keys, type: string, jsonPath: .x}]\n", "at a glance"},
		"our spec":                {"version: {type: string}", "version: {type: string}\n              authorization: {type: object}", "what Bailiwick adds"},
		"our status":              {"phase: {type: string}", "phase: {type: string}\n              authorization: {type: object}", "what Bailiwick adds"},
		"another field":           {"version: {type: string}", "version: {type: string}\n              other: {type: object}", ""},
		"another status field":    {"phase: {type: string}", "phase: {type: string}\n              adopted: {type: boolean}", ""},
		"lost field":              {"phase: {type: string}\n", "", ""},
		"not required":            {"required: [version, tls]", "", "required by a rule"},
		"less required":           {"required: [version, tls]", "required: [tls]", ""},
		"backup without schedule": {"required: [schedule], ", "", "required by a rule"},
		"TLS without enabled":     {"required: [enabled], ", "", ""},
		"status not required":     {"required: [targetVersion], ", "", ""},
		"our rule":                {rule, `{rule: "has(self.authorization) || has(self.version)", message: b}`, "no tls.rotationPeriod"},
		"no rule":                 {"            x-kubernetes-validations:\n            - " + rule + "\n", "", ""},
		"stricter rule":           {rule, `{rule: "has(self.version)", message: b}`, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(theirClusterCRD, test.from) {
				t.Fatalf("the CRD has no %q", test.from)
			}
			ours := strings.Replace(theirClusterCRD, test.from, test.to, 1)
			diffs := compareCRDs(parse(t, ours), parse(t, theirClusterCRD))
			if len(diffs) != 1 {
				t.Fatalf("differences are %q, want one", diffs)
			}
			if reason := deliberate(diffs[0]); (test.deliberate == "") != (reason == "") || !strings.Contains(reason, test.deliberate) {
				t.Errorf("reason for %s is %q, want %q", diffs[0], reason, test.deliberate)
			}
		})
	}
}

// TestDeadColumn compares with a CRD that has a column of no field between two
// others, with and without that column in ours.
func TestDeadColumn(t *testing.T) {
	column := "    - {name: Project, type: string, jsonPath: .spec.project}\n"
	theirs := strings.Replace(theirCRD, column, column+"    - {name: Dead, type: string, jsonPath: .spec.none}\n    - {name: Name, type: string, jsonPath: .spec.name}\n", 1)
	for name, ours := range map[string]string{
		"left out": strings.Replace(theirs, "    - {name: Dead, type: string, jsonPath: .spec.none}\n", "", 1),
		"repaired": strings.Replace(theirs, ".spec.none", ".spec.mode", 1),
	} {
		t.Run(name, func(t *testing.T) {
			diffs := compareCRDs(parse(t, ours), parse(t, theirs))
			if len(diffs) != 1 || diffs[0].What != whatDeadColumn || deliberate(diffs[0]) == "" {
				t.Errorf("differences are %q, want the dead column alone, as a deliberate one", diffs)
			}
		})
	}
	withoutName := strings.Replace(theirs, "    - {name: Name, type: string, jsonPath: .spec.name}\n", "", 1)
	diffs := compareCRDs(parse(t, withoutName), parse(t, theirs))
	if !slices.ContainsFunc(diffs, func(d difference) bool { return d.What == whatColumn && deliberate(d) == "" }) {
		t.Errorf("differences are %q, want the missing column behind the dead one", diffs)
	}
}

func TestRun(t *testing.T) {
	ours, theirs := t.TempDir(), t.TempDir()
	write := func(dir, file, content string) {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(ours, "things.yaml", theirCRD)
	write(theirs, "things.yaml", theirCRD)
	write(theirs, "others.yaml", strings.ReplaceAll(theirCRD, "things", "others"))

	var out bytes.Buffer
	if clean, err := run(&out, ours, theirs, false, false); err != nil || !clean {
		t.Errorf("run = %t, %v, want clean; output:\n%s", clean, err, &out)
	}
	out.Reset()
	if clean, err := run(&out, ours, theirs, true, false); err != nil || clean || !strings.Contains(out.String(), "others.aiven.io: not among ours") {
		t.Errorf("run -complete = %t, %v, want the missing kind; output:\n%s", clean, err, &out)
	}
	write(theirs, "others.yaml", strings.ReplaceAll(theirCRD, "things.aiven.io", "openbaotenants.openbao.org"))
	out.Reset()
	if clean, err := run(&out, ours, theirs, true, true); err != nil || !clean || !strings.Contains(out.String(), "openbaotenants.openbao.org: not among ours (") {
		t.Errorf("run -complete = %t, %v, want the kind that is not served, with the reason; output:\n%s", clean, err, &out)
	}
	write(ours, "things.yaml", strings.Replace(theirCRD, "^a$", "^b$", 1))
	out.Reset()
	if clean, err := run(&out, ours, theirs, false, false); err != nil || clean {
		t.Errorf("run = %t, %v, want a difference; output:\n%s", clean, err, &out)
	}
	if _, err := run(&out, t.TempDir(), theirs, false, false); err == nil {
		t.Error("run without CRDs succeeded")
	}
}

// parse reads a CRD.
func parse(t *testing.T, s string) object {
	t.Helper()
	var o object
	if err := yaml.Unmarshal([]byte(s), &o); err != nil {
		t.Fatal(err)
	}
	return o
}
