// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// A configuration does not differ from itself, and resetting what was taken out of
// it leaves the rest as it is.
func FuzzUserConfig(f *testing.F) {
	f.Add(`{"a":1,"b":{"c":true,"d":["x"]}}`, `{"b":{"d":["y"]}}`, `{"a":"1","b":null}`)
	f.Add(`{"ip_filter":[{"network":"10.0.0.0/8","description":"d"}]}`, `{"ip_filter":["10.0.0.0/8"]}`, `{"ip_filter":["10.0.0.0/8"]}`)
	f.Add(`{"pg":{"work_mem":1}}`, `{"pg":{}}`, `{"pg":4}`)
	f.Add(`{"a":{"b":{"c":1}}}`, `{"a":{"b":2}}`, `{}`)
	f.Add(`{"a":1e400}`, `{"":{"":null}}`, `[]`)
	f.Fuzz(func(t *testing.T, before, now, remote string) {
		var configs [3]map[string]any
		for i, text := range []string{before, now, remote} {
			if json.Unmarshal([]byte(text), &configs[i]) != nil {
				t.Skip("not a configuration")
			}
		}
		given := parseGiven(givenBy(configs[0]))
		if paths := settingPaths(configs[0]); len(paths) != len(given.paths) {
			t.Errorf("%q is remembered as %q", paths, given.paths)
		}
		for _, c := range configs {
			if differs := configDiffers(c, c, parseGiven(givenBy(c))); len(differs) > 0 {
				t.Errorf("%v differs from itself in %q", c, differs)
			}
		}
		configDiffers(configs[1], configs[2], given)
		paths := removedSettings(given.paths, configs[1])
		if configs[1] == nil {
			return
		}
		out := withResets(configs[1], paths)
		for _, path := range paths {
			if value, ok := at(out, path); !ok || value != nil {
				t.Errorf("%s is %v in %v", path, value, out)
			}
		}
		if differs := configDiffers(configs[1], out, parseGiven(givenBy(configs[1]))); len(differs) > 0 {
			t.Errorf("resetting %q of %v changed %q", paths, configs[1], differs)
		}
	})
}

// at returns the value at a path.
func at(config map[string]any, path settingPath) (any, bool) {
	value, ok := config[path[0]]
	if len(path) == 1 {
		return value, ok
	}
	inner, _ := value.(map[string]any)
	return at(inner, path[1:])
}

// Whatever users write, a template ends in a value or in a Problem, and no error
// shows what a Secret holds.
func FuzzFromSecret(f *testing.F) {
	for _, text := range []string{
		`plain`, `{{ fromSecret "db" "user" }}`, `{{ fromSecret "db" "password" | html }}`, `{{ "{{" }}`, `{{/* c */}}`,
		`{{ $x := fromSecret "db" "password" }}{{ $x }}`, `{{ range 3 }}{{ end }}`, `{{ template "x" }}`, `{{ (fromSecret "db" "password") }}`,
		`{{ fromSecret "db" "password" | fromSecret "db" }}`, `{{ define "a" }}{{ end }}`, `{{ "a" | js | html }}`, "{{`a`}}", `{{ 'x' }}`, `{{`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := testSecrets().render(t.Context(), "userConfig.x", text)
		var problem *reconcile.Problem
		switch {
		case err != nil && (!errors.As(err, &problem) || strings.Contains(err.Error(), "p&ss word") && !strings.Contains(text, "p&ss word")):
			t.Errorf("%q: %v", text, err)
		case err == nil && !strings.Contains(text, "{{") && got != text:
			t.Errorf("%q became %q", text, got)
		case err == nil && strings.Contains(got, "p&ss word") && !strings.Contains(text, "fromSecret") && !strings.Contains(text, "p&ss"):
			t.Errorf("%q became %q", text, got)
		}
	})
}

func FuzzDiskSpace(f *testing.F) {
	for _, size := range []string{"", "600", "600G", "600GiB", "600Gi", "-1", "+5GiB", "9223372036854775807GiB", "1e3", "GiB", "0x10"} {
		f.Add(size)
	}
	f.Fuzz(func(t *testing.T, size string) {
		got := diskSpaceMiB(size)
		if got < 0 || got > 1<<30 || got%1024 != 0 {
			t.Errorf("%q gives %d MiB", size, got)
		}
		if got > 0 && diskSpaceMiB(fmt.Sprintf("%dGiB", got/1024)) != got {
			t.Errorf("%q gives %d MiB, and another spelling of it something else", size, got)
		}
	})
}
