// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig_test

import (
	"strings"
	"testing"

	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
)

func TestHop(t *testing.T) {
	for name, tc := range map[string]struct {
		from, to string
		disturbs bool
		want     string
	}{
		"a patch":                  {"2.6.1", "2.6.2", false, ""},
		"the same":                 {"2.6.2", "2.6.2", false, ""},
		"another build":            {"2.6.2", "2.6.2-hsm", false, ""},
		"a minor version":          {"2.6.2", "2.7.0", false, ""},
		"over the border":          {"2.5.3", "2.6.2", false, "spec.maintenance.enabled: true"},
		"over the border, allowed": {"2.5.3", "2.6.2", true, ""},
		"over it and further":      {"2.4.0", "2.7.1", false, "cannot forward requests"},
		"up to the border":         {"2.4.0", "2.5.3", false, ""},
		"an earlier patch":         {"2.6.2", "2.6.1", true, "Set spec.version to 2.6.2 or later"},
		"an earlier version":       {"2.7.0", "2.5.0", true, "2.5.0 is refused"},
	} {
		from, err := serverconfig.ParseVersion(tc.from)
		if err != nil {
			t.Fatal(err)
		}
		to, err := serverconfig.ParseVersion(tc.to)
		if err != nil {
			t.Fatal(err)
		}
		got := serverconfig.Hop{From: from, To: to, Disturbs: tc.disturbs}.Problem()
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %q", name, got)
		}
	}
	if got := (serverconfig.Hop{}).Problem(); got != "" {
		t.Errorf("nothing is known, and got %q", got)
	}
}
