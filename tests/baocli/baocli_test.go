// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package baocli

import (
	"strings"
	"testing"
)

// What bao has and this has not fails, rather than doing something else. Nothing is sent:
// no server listens there.
func TestRefused(t *testing.T) {
	t.Setenv("BAO_ADDR", "https://127.0.0.1:1")
	t.Setenv("BAO_MAX_RETRIES", "0")
	for command, want := range map[string]string{
		"":                            "not a command",
		"policy":                      "not a command",
		"policy read x":               "not a command",
		"policy write x":              "wrong number of arguments",
		"policy write x y z":          "wrong number of arguments",
		"token create -orphan":        "flag provided but not defined",
		"token revoke":                "only -self",
		"write auth/x/login":          "wrong number of arguments",
		"write auth/x/login role":     "not a key and a value",
		"write auth/x/login jwt=@/no": "no such file",
		"write auth/x/login -force":   "not a key and a value",
		"auth disable":                "wrong number of arguments",
		"auth list":                   "not a command",
		"operator raft snapshot save": "wrong number of arguments",
	} {
		var out strings.Builder
		err := Run(t.Context(), strings.Fields(command), &out)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("bao %s: %v, want %q", command, err, want)
		}
		if out.Len() > 0 {
			t.Errorf("bao %s printed %q", command, out.String())
		}
	}
}
