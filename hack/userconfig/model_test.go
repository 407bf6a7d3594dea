// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"reflect"
	"strings"
	"testing"
)

// parseOne parses a schema and returns its structs.
func parseOne(t *testing.T, yaml string) ([]structType, error) {
	t.Helper()
	schemas, err := parseSchemas([]byte("x:\n  " + strings.ReplaceAll(strings.TrimSpace(yaml), "\n", "\n  ")))
	if err != nil {
		t.Fatal(err)
	}
	return buildStructs(schemas["x"])
}

func TestFields(t *testing.T) {
	tests := map[string]struct {
		property string
		want     field
	}{
		"string with limits": {
			"{type: string, title: A title, min_length: 1, max_length: 9, pattern: '^a$'}",
			field{Type: "*string", Doc: "A title.", Optional: true, Markers: []string{
				"+kubebuilder:validation:Pattern=`^a$`", "+kubebuilder:validation:MinLength=1", "+kubebuilder:validation:MaxLength=9",
			}},
		},
		"description beats title": {
			"{type: boolean, title: A, description: \"Longer,\\n wrapped!\"}",
			field{Type: "*bool", Doc: "Longer, wrapped!", Optional: true},
		},
		"integer limits": {
			"{type: integer, minimum: '-1', maximum: '1000000'}",
			field{Type: "*int64", Optional: true, Markers: []string{
				"+kubebuilder:validation:Minimum=-1", "+kubebuilder:validation:Maximum=1000000",
			}},
		},
		"limits of int64 and above are none": {
			"{type: integer, minimum: '-9223372036854775808', maximum: '18446744073709551615'}",
			field{Type: "*int64", Optional: true},
		},
		"fractions": {
			"{type: number, minimum: '0.5', maximum: '1'}",
			field{Type: "*float64", Optional: true, Markers: []string{
				"+kubebuilder:validation:Minimum=0.5", "+kubebuilder:validation:Maximum=1",
			}},
		},
		"null is no value": {
			"{type: [string, 'null'], enum: [{value: a}, {value: 'it''s \"b\"'}, {value: null}]}",
			field{Type: "*string", Optional: true, Markers: []string{`+kubebuilder:validation:Enum={"a","it's \"b\""}`}},
		},
		"numbers as values": {
			"{type: integer, enum: [{value: 1}, {value: 2}]}",
			field{Type: "*int64", Optional: true, Markers: []string{"+kubebuilder:validation:Enum={1,2}"}},
		},
		"a pattern that Go cannot compile is none": {
			"{type: string, pattern: '^(?!x)y$'}",
			field{Type: "*string", Optional: true},
		},
		"a pattern with a back quote": {
			"{type: string, pattern: '^`$'}",
			field{Type: "*string", Optional: true, Markers: []string{"+kubebuilder:validation:Pattern=\"^`$\""}},
		},
		"create only": {
			"{type: string, create_only: true}",
			field{Type: "*string", Optional: true, Markers: []string{
				`+kubebuilder:validation:XValidation:rule="self == oldSelf",message="Value is immutable"`,
			}},
		},
		"entries of a list are not limited": {
			"{type: array, max_items: 2, items: {type: string, max_length: 3, enum: [{value: a}]}}",
			field{Type: "[]string", Optional: true, Markers: []string{"+kubebuilder:validation:MaxItems=2", "+listType=atomic"}},
		},
		"deprecated": {
			"{type: string, is_deprecated: true, deprecation_notice: Gone soon.}",
			field{Type: "*string", Optional: true, Deprecated: "Gone soon."},
		},
		"object of any content": {
			"{type: object}",
			field{Type: "*runtime.RawExtension", Optional: true, Markers: []string{
				"+kubebuilder:pruning:PreserveUnknownFields", "+kubebuilder:validation:Type=object",
			}},
		},
		"alternatives": {
			"{one_of: [{type: object, properties: {a: {type: string}}}, {type: object, properties: {b: {type: string}}}]}",
			field{Type: "*runtime.RawExtension", Optional: true, Markers: []string{
				"+kubebuilder:pruning:PreserveUnknownFields", "+kubebuilder:validation:Type=object",
			}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			structs, err := parseOne(t, "type: object\nproperties:\n  the_field: "+test.property)
			if err != nil {
				t.Fatal(err)
			}
			test.want.Name, test.want.JSON = "TheField", "the_field"
			if got := structs[0].Fields[0]; !reflect.DeepEqual(got, test.want) {
				t.Errorf("field is\n%+v, want\n%+v", got, test.want)
			}
		})
	}
}

// TestVersions checks that the values of versions are left to Aiven.
func TestVersions(t *testing.T) {
	structs, err := parseOne(t, "type: object\nproperties:\n  pg_version: {type: string, enum: [{value: '16'}]}")
	if err != nil {
		t.Fatal(err)
	}
	if got := structs[0].Fields[0].Markers; len(got) != 0 {
		t.Errorf("markers are %q, want none", got)
	}
}

// TestStructs checks the names of nested types, required fields, and that an
// entry that may be an object or a string becomes an object.
func TestStructs(t *testing.T) {
	structs, err := parseOne(t, `
type: object
properties:
  ip_filter:
    type: array
    items:
      type: [object, string]
      max_length: 43
      required: [network]
      properties:
        network: {type: string, max_length: 43}
        description: {type: string}
  pg:
    type: object
    properties:
      log.level: {type: string}
      deep:
        type: object
        required: [n]
        properties:
          n: {type: integer}
`)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range structs {
		for _, f := range s.Fields {
			omit := ""
			if f.Optional {
				omit = " optional"
			}
			got[s.Name+"."+f.Name] = f.Type + " " + f.JSON + omit
		}
	}
	want := map[string]string{
		"UserConfig.IPFilter":  "[]IPFilter ip_filter optional",
		"UserConfig.Pg":        "*Pg pg optional",
		"IPFilter.Network":     "string network",
		"IPFilter.Description": "*string description optional",
		"Pg.LogLevel":          "*string log.level optional",
		"Pg.Deep":              "*PgDeep deep optional",
		"PgDeep.N":             "int64 n",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("fields are\n%v, want\n%v", got, want)
	}
}

func TestRefused(t *testing.T) {
	tests := map[string]struct{ yaml, want string }{
		"two fields of one name": {"type: object\nproperties: {a.b: {type: string}, a_b: {type: string}}", "stands for both"},
		"two types of one name": {`
type: object
properties:
  a: {type: object, properties: {b_c: {type: object, properties: {x: {type: string}}}}}
  a_b: {type: object, properties: {c: {type: object, properties: {x: {type: string}}}}}
`, "stands for both"},
		"unknown type":        {"type: object\nproperties: {a: {type: date}}", `unknown type "date"`},
		"array without items": {"type: object\nproperties: {a: {type: array}}", "array without items"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parseOne(t, test.yaml)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestGoName(t *testing.T) {
	for property, want := range map[string]string{
		"ip_filter":               "IPFilter",
		"pg_partman_bgw.interval": "PgPartmanBgwInterval",
		"receiver-ingesting":      "ReceiverIngesting",
		"2fa":                     "X2fa",
		"service_id":              "ServiceID",
	} {
		if got := goName(property); got != want {
			t.Errorf("goName(%q) = %q, want %q", property, got, want)
		}
	}
}
