// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
)

// FuzzRender checks that any text of the object stays within its quotes: the files
// that a server parses hold it as it was, and nothing else.
// Run it with: go test ./pkg/serverconfig -run xxx -fuzz FuzzRender -fuzztime 30s
func FuzzRender(f *testing.F) {
	for _, s := range []string{
		"x", "", `"`, `\`, "a\" }\nseal \"shamir\" {", "${env.HOME}", "$${x}", "a\r\nb", "\t", "\x00", "\xff", "\ue123", "\ufeff", "\u2028", "ä€𝄞",
		"<<EOF\nx\nEOF", "# x", "/* x */", "true", "{{ GetPrivateIP }}", `\u0000`, "a/b", "<&>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rawText, err := json.Marshal(map[string]string{"o" + s: s, "file_path": "stdout"})
		if err != nil {
			t.Fatal(err)
		}
		headers, err := json.Marshal(map[string][]string{"h" + s: {s}})
		if err != nil {
			t.Fatal(err)
		}
		c := cluster(
			devices(
				openbaov1alpha1.AuditDevice{Type: "file", Path: "p" + s, Description: "d" + s, Options: raw(string(rawText))},
				openbaov1alpha1.AuditDevice{Type: "http", Path: "q" + s, HTTPOptions: &openbaov1alpha1.HTTPAuditOptions{URI: "https://x", Headers: raw(string(headers))}},
			),
			withPlugins(openbaov1alpha1.PluginSpec{Type: "secret", Name: "n" + s, Version: "v" + s, Command: "c", BinaryName: "b" + s, SHA256Sum: sum, Args: []string{s}, Env: []string{"A=" + s}}),
			unseal(openbaov1alpha1.UnsealSpec{Type: openbaov1alpha1.UnsealAWSKMS, AWSKMS: &openbaov1alpha1.AWSKMSUnseal{Region: "r" + s, KMSKeyID: "k" + s, AccessKey: "a" + s, SecretKey: "s" + s}}),
			func(spec *openbaov1alpha1.OpenBaoClusterSpec) {
				spec.Telemetry = &openbaov1alpha1.TelemetrySpec{MetricsPrefix: "m" + s, DogStatsdTags: []string{s, "t" + s}}
			},
			configured(func(c *openbaov1alpha1.ConfigurationSpec) { c.LogLevel = "l" + s }),
		)
		out, err := serverconfig.Render(c)
		if fine := utf8.ValidString(s) && !strings.ContainsRune(s, 0); fine != (err == nil) {
			t.Fatalf("%q: %v", s, err)
		}
		if err != nil {
			return
		}
		stanzas := []string{"ui", "cluster_name", "log_level", "plugin_directory", "listener", "storage", "service_registration", "audit", "telemetry"}
		public, secret := parse(t, out.Public), parse(t, out.Secret)
		for name := range public {
			if !slices.Contains(stanzas, name) {
				t.Errorf("%q has made %q", s, name)
			}
		}
		if len(secret) != 3 {
			t.Errorf("the secret file has %d kinds of stanzas", len(secret))
		}
		same := func(got any, want any) {
			t.Helper()
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		same(public["log_level"], "l"+s)
		same(inner(t, public, "telemetry"), map[string]any{"metrics_prefix": "m" + s, "dogstatsd_tags": []any{s, "t" + s}})
		file := inner(t, public, "audit", "file", "p"+s)
		same(file["description"], "d"+s)
		same(inner(t, file, "options"), map[string]any{"o" + s: s, "file_path": "stdout"})
		same(inner(t, secret, "seal", "awskms"), map[string]any{"region": "r" + s, "kms_key_id": "k" + s, "access_key": "a" + s, "secret_key": "s" + s})
		plugin := inner(t, secret, "plugin", "secret", "n"+s)
		same(plugin["version"], "v"+s)
		same(plugin["args"], []any{s})
		same(plugin["env"], []any{"A=" + s})
		var sent map[string][]string
		if err := json.Unmarshal([]byte(inner(t, secret, "audit", "http", "q"+s, "options")["headers"].(string)), &sent); err != nil {
			t.Fatal(err)
		}
		same(sent, map[string][]string{"h" + s: {s}})
	})
}

// inner returns the one block within others.
func inner(t *testing.T, tree map[string]any, names ...string) map[string]any {
	t.Helper()
	for _, name := range names {
		list, ok := tree[name].([]map[string]any)
		if !ok || len(list) != 1 {
			t.Fatalf("%q is not one block but %v", name, tree[name])
		}
		tree = list[0]
	}
	return tree
}
