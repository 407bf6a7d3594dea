// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
	"k8s.io/apimachinery/pkg/runtime"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

func raw(text string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(text)} }

// selfInitRequests are of every kind, with what the server must read of each.
func selfInitRequests() ([]openbaov1alpha1.SelfInitRequest, []stanza) {
	type object = map[string]any
	return []openbaov1alpha1.SelfInitRequest{
			{
				Name: "audit", Operation: "update", Path: "sys/audit/stdout",
				AuditDevice: &openbaov1alpha1.AuditDeviceRequest{
					Type: "file", Description: "to ${stdout}", FileOptions: &openbaov1alpha1.FileAuditOptions{FilePath: "stdout", Mode: "0600"},
				},
			},
			{
				Name: "audit-http", Operation: "update", Path: "sys/audit/http", AllowFailure: new(true),
				AuditDevice: &openbaov1alpha1.AuditDeviceRequest{
					Type: "http", HTTPOptions: &openbaov1alpha1.HTTPAuditOptions{URI: "https://log", Headers: raw(`{"X-A": ["1"], "X-B": null}`)},
				},
			},
			{
				Name: "people", Operation: "update", Path: "sys/auth/userpass",
				AuthMethod: &openbaov1alpha1.AuthMethodRequest{Type: "userpass", Config: map[string]string{"default_lease_ttl": "1h"}},
			},
			{
				Name: "kv", Operation: "update", Path: "sys/mounts/secret", AllowFailure: new(false),
				SecretEngine: &openbaov1alpha1.SecretEngineRequest{Type: "kv", Description: "d", Options: map[string]string{"version": "2"}},
			},
			{
				Name: "admin-policy", Operation: "update", Path: "sys/policies/acl/admin",
				Policy: &openbaov1alpha1.PolicyRequest{Policy: "path \"*\" {\n  capabilities = [\"sudo\"] # ${x} <<EOF \\\n}"},
			},
			{
				Name: "_admin", Operation: "create", Path: "auth/userpass/users/admin",
				Data: raw(`{"n": 5, "f": 0.5, "e": -1.5E+3, "big": 9223372036854775807, "yes": true, "none": null, "true": false,
					"a b": "x\"y\\z\n\t${env.HOME}\u0000\ue123\u2028", "": "empty", "list": [1, "a", [true], null, []],
					"nested": {"deep": {"deeper": {"n": 1, "gone": null}}, "empty": {}, "objects": [{"a": 1, "b": [2]}, {}]},
					"password": {"eval_type": "string", "eval_source": "env", "env_var": "PASSWORD"}}`),
			},
			{Name: "look", Operation: "read", Path: "sys/health", Data: raw("null")},
			{Name: "nothing", Operation: "update", Path: "sys/rotate", Data: raw("{}")},
		}, []stanza{
			{"audit", "audit-request", "update", "sys/audit/stdout", nil, object{
				"type": "file", "description": "to ${stdout}", "options": object{"file_path": "stdout", "mode": "0600"},
			}},
			{"audit-http", "audit-http-request", "update", "sys/audit/http", new(true), object{
				"type": "http", "options": object{"uri": "https://log", "headers": `{"X-A":["1"]}`},
			}},
			{"people", "people-request", "update", "sys/auth/userpass", nil, object{
				"type": "userpass", "config": object{"default_lease_ttl": "1h"},
			}},
			{"kv", "kv-request", "update", "sys/mounts/secret", new(false), object{
				"type": "kv", "description": "d", "options": object{"version": "2"},
			}},
			{"admin-policy", "admin-policy-request", "update", "sys/policies/acl/admin", nil, object{
				"policy": "path \"*\" {\n  capabilities = [\"sudo\"] # ${x} <<EOF \\\n}",
			}},
			{"_admin", "_admin-request", "create", "auth/userpass/users/admin", nil, object{
				"n": 5, "f": 0.5, "e": -1500.0, "big": 9223372036854775807, "yes": true, "true": false,
				"a b": "x\"y\\z\n\t${env.HOME}\x00\ue123\u2028", "": "empty", "list": []any{1, "a", []any{true}, []any{}},
				"nested": object{
					"deep": object{"deeper": object{"n": 1}}, "empty": object{},
					"objects": []any{object{"a": 1, "b": []any{2}}, object{}},
				},
				"password": object{"eval_type": "string", "eval_source": "env", "env_var": "PASSWORD"},
			}},
			{"look", "look-request", "read", "sys/health", nil, nil},
			{"nothing", "nothing-request", "update", "sys/rotate", nil, nil},
		}
}

func TestGoldenSelfInit(t *testing.T) {
	requests, want := selfInitRequests()
	text, err := authz.RenderSelfInit(requests)
	if err != nil {
		t.Fatal(err)
	}
	contract := mustDesire(t, cluster(), inputs())
	whole := slices.Concat(authz.RenderInitialize(contract), text)
	golden(t, "initialize-requests.hcl", whole)
	if again, err := authz.RenderSelfInit(requests); err != nil || !bytes.Equal(again, text) {
		t.Errorf("the same requests were rendered otherwise: %v", err)
	}
	stanzas := parseStanzas(t, whole)
	ours := len(authz.Requests(contract))
	if got := stanzas[ours:]; !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	for _, s := range stanzas[:ours] {
		if s.Name != "operator-bootstrap" {
			t.Errorf("the stanza %q is before the end of ours", s.Name)
		}
	}
}

func TestSelfInitOfNothing(t *testing.T) {
	if text, err := authz.RenderSelfInit(nil); err != nil || len(text) > 0 {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestSelfInitMistakes(t *testing.T) {
	type request = openbaov1alpha1.SelfInitRequest
	data := func(text string) []request { return []request{{Name: "a", Data: raw(text)}} }
	audit := func(a openbaov1alpha1.AuditDeviceRequest) []request { return []request{{Name: "a", AuditDevice: &a}} }
	for name, tc := range map[string]struct {
		requests []request
		field    string
		problem  string
	}{
		"two bodies": {
			[]request{{Name: "ok"}, {Name: "a", Policy: &openbaov1alpha1.PolicyRequest{Policy: "x"}, Data: raw(`{"a": 1}`)}},
			"spec.selfInit.requests[1]", "policy and data",
		},
		"two bodies, one of them wrong": {
			[]request{{Name: "a", AuthMethod: &openbaov1alpha1.AuthMethodRequest{Type: "x"}, Data: raw(`{`)}},
			"spec.selfInit.requests[0]", "authMethod and data",
		},
		"the same name":        {[]request{{Name: "a"}, {Name: "a"}}, "spec.selfInit.requests[1].name", "twice"},
		"our name":             {[]request{{Name: "operator-bootstrap"}}, "spec.selfInit.requests[0].name", "twice"},
		"no name":              {[]request{{Name: "a b"}}, "spec.selfInit.requests[0].name", "not the name"},
		"broken JSON":          {data(`{"a":`), "spec.selfInit.requests[0]", "data: it is not JSON"},
		"two values":           {data(`{} {}`), "spec.selfInit.requests[0]", "more than one value"},
		"no object":            {data(`["a"]`), "spec.selfInit.requests[0]", "not an object"},
		"large number":         {data(`{"a": 9223372036854775808}`), "spec.selfInit.requests[0]", "9223372036854775808 is out of range"},
		"larger number":        {data(`{"a": [1e999]}`), "spec.selfInit.requests[0]", "1e999 is out of range"},
		"object in a list":     {data(`{"a": [{"b": {"c": 1}}]}`), "spec.selfInit.requests[0]", `the object "b" in an object of a list`},
		"headers":              {audit(openbaov1alpha1.AuditDeviceRequest{Type: "http", HTTPOptions: &openbaov1alpha1.HTTPAuditOptions{Headers: raw("{")}}), "spec.selfInit.requests[0]", "auditDevice: httpOptions.headers"},
		"options of no effect": {audit(openbaov1alpha1.AuditDeviceRequest{Type: "syslog", FileOptions: &openbaov1alpha1.FileAuditOptions{}}), "spec.selfInit.requests[0]", "fileOptions are not for the type syslog"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := authz.RenderSelfInit(tc.requests)
			var spec *authz.SpecError
			if !errors.As(err, &spec) || spec.Field != tc.field || !strings.Contains(spec.Problem, tc.problem) || text != nil {
				t.Errorf("got %q and %v, want an error of %s: %s", text, err, tc.field, tc.problem)
			}
		})
	}
}

// FuzzSelfInit checks that whatever is in the data, what is rendered reads as what
// was meant.
func FuzzSelfInit(f *testing.F) {
	for _, seed := range []string{`{"a": {"b": [1, {"c": "${x}"}]}}`, `{"a": -0.0e-1, "b": 0}`, `{"\u0000": "\ud800"}`, `{"a": [[{"b": {}}]]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rendered, err := authz.RenderSelfInit([]openbaov1alpha1.SelfInitRequest{{Name: "a", Operation: "update", Path: "p", Data: raw(text)}})
		if err != nil {
			return
		}
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var want map[string]any
		if text != "" {
			if err := decoder.Decode(&want); err != nil {
				t.Fatalf("%q was rendered and is no JSON: %v", text, err)
			}
		}
		stanzas := parseStanzas(t, rendered)
		if len(stanzas) != 1 {
			t.Fatalf("%q became %d stanzas", text, len(stanzas))
		}
		if want, _ := meant(t, want).(map[string]any); len(want)+len(stanzas[0].Data) > 0 && !reflect.DeepEqual(stanzas[0].Data, want) {
			t.Errorf("%q became\n%#v, want\n%#v", text, stanzas[0].Data, want)
		}
	})
}

// meant returns a JSON value as the server should see it.
func meant(t *testing.T, value any) any {
	t.Helper()
	switch v := value.(type) {
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			f, err := v.Float64()
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		n, err := strconv.Atoi(v.String())
		if err != nil {
			t.Fatal(err)
		}
		return n
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			if member != nil {
				out[name] = meant(t, member)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, item := range v {
			if item != nil {
				out = append(out, meant(t, item))
			}
		}
		return out
	}
	return value
}

// stanza is an initialize stanza with one request, as the server sees it.
type stanza struct {
	Name, Request, Operation, Path string
	AllowFailure                   *bool
	Data                           map[string]any
}

// parseStanzas reads initialize stanzas as the server does (ParseOuterConfig and
// maybeEvaluateTypedField in helper/profiles of OpenBao).
func parseStanzas(t *testing.T, text []byte) []stanza {
	t.Helper()
	file, err := hcl.ParseBytes(text)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	var stanzas []stanza
	for _, item := range file.Node.(*ast.ObjectList).Filter("initialize").Items {
		for _, request := range item.Val.(*ast.ObjectType).List.Filter("request").Items {
			var body struct {
				Operation    string         `hcl:"operation"`
				Path         string         `hcl:"path"`
				AllowFailure *bool          `hcl:"allow_failure"`
				Data         map[string]any `hcl:"data"`
			}
			if err := hcl.DecodeObject(&body, request.Val); err != nil {
				t.Fatal(err)
			}
			merged(body.Data)
			stanzas = append(stanzas, stanza{
				item.Keys[0].Token.Value().(string), request.Keys[0].Token.Value().(string),
				body.Operation, body.Path, body.AllowFailure, body.Data,
			})
		}
	}
	return stanzas
}

// merged makes one object again of each list of objects that the parser makes of a
// member, but for those within lists, as the server does.
func merged(object map[string]any) {
	for name, value := range object {
		switch v := value.(type) {
		case map[string]any:
			merged(v)
		case []map[string]any:
			one := map[string]any{}
			for _, part := range v {
				merged(part)
				maps.Copy(one, part)
			}
			object[name] = one
		}
	}
}
