// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestInitialize(t *testing.T) {
	c, err := load(t, map[string]string{"server.hcl": minimal + `
initialize "auth" {
  request "enable-jwt" {
    operation = "update"
    path      = "/sys/auth/jwt"
    data = {
      type = "jwt"
      config = {
        max_lease_ttl = 3600
      }
    }
  }
  request "role" {
    operation     = "create"
    path          = "auth/jwt/role/operator"
    allow_failure = true
    token         = ""
    data = {
      bound_audiences = ["bao", "other"]
      rules           = [{ path = "a" }, { path = "b" }]
      verbose         = true
      policy          = <<-EOT
        path "sys/health" {
          capabilities = ["read"]
        }
        EOT
    }
  }
}
initialize "kv" {
  request "mount" {
    operation = "update"
    path      = "sys/mounts/secret"
  }
}
`})
	if err != nil {
		t.Fatal(err)
	}
	want := []Initialize{
		{Name: "auth", Requests: []Request{
			{
				Name: "enable-jwt", Operation: "update", Path: "sys/auth/jwt",
				Data: map[string]any{"type": "jwt", "config": map[string]any{"max_lease_ttl": 3600}},
			},
			{
				Name: "role", Operation: "create", Path: "auth/jwt/role/operator", AllowFailure: true, Token: new(""),
				Data: map[string]any{
					"bound_audiences": []any{"bao", "other"},
					"rules":           []any{map[string]any{"path": "a"}, map[string]any{"path": "b"}},
					"verbose":         true,
					"policy":          "path \"sys/health\" {\n  capabilities = [\"read\"]\n}\n",
				},
			},
		}},
		{Name: "kv", Requests: []Request{{Name: "mount", Operation: "update", Path: "sys/mounts/secret"}}},
	}
	if !reflect.DeepEqual(c.Initialize, want) {
		t.Errorf("got  %+v\nwant %+v", c.Initialize, want)
	}
}

func TestInitializeStrictness(t *testing.T) {
	for _, test := range []struct{ name, config, want string }{
		{"no label", `initialize { }`, "initialize needs one label"},
		{"when", `initialize "x" { when = true }`, `initialize "x": "when" is not supported`},
		{"request without label", `initialize "x" { request { operation = "read" path = "p" } }`, "request needs one label"},
		{"unknown key", `initialize "x" { request "y" { operation = "read" path = "p" body = {} } }`, `request "y" has no key "body"`},
		{"headers", `initialize "x" { request "y" { operation = "read" path = "p" headers = {} } }`, `has no key "headers"`},
		{"no path", `initialize "x" { request "y" { operation = "read" } }`, "path is required"},
		{"operation", `initialize "x" { request "y" { operation = "POST" path = "p" } }`, "operation must be one of"},
		{"data", `initialize "x" { request "y" { operation = "update" path = "p" data = "z" } }`, "data must be an object"},
		{"computed", `initialize "x" { request "y" {
  operation = "update"
  path      = "p"
  data = { a = [{ eval_source = "env" }] }
} }`, "eval_source and eval_type are not supported"},
		{"duplicate", `initialize "x" { request "y" {
  operation = "update"
  path      = "p"
  data = {
    a = 1
    a = 2
  }
} }`, `data sets "a" twice`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, map[string]string{"server.hcl": minimal + test.config})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want it to say %q", err, test.want)
			}
		})
	}
}
