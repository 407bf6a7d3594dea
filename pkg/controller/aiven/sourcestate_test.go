// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A password is the one that was set if the Secret has not changed since, whatever the
// token, or if its digest is the same, whatever the Secret.
func TestSourceState(t *testing.T) {
	secret := func(uid types.UID, version string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "source", UID: uid, ResourceVersion: version}}
	}
	first, second := newDigester("token-1", "object"), newDigester("token-2", "object")
	recorded := first.stateOf(secret("s", "1"), "password").status()
	for name, tc := range map[string]struct {
		now  *sourceState
		want bool
	}{
		"the same":                          {first.stateOf(secret("s", "1"), "password"), true},
		"another token":                     {second.stateOf(secret("s", "1"), "password"), true},
		"another key of the Secret changed": {first.stateOf(secret("s", "2"), "password"), true},
		"the Secret was made again":         {first.stateOf(secret("r", "1"), "password"), true},
		"the password changed":              {first.stateOf(secret("s", "2"), "other"), false},
		"the Secret was made again, with another password":       {first.stateOf(secret("r", "1"), "other"), false},
		"both changed, as far as can be told":                    {second.stateOf(secret("s", "2"), "password"), false},
		"the password of another object":                         {newDigester("token-1", "other").stateOf(secret("s", "2"), "password"), false},
		"no source":                                              {nil, false},
		"a Secret without a UID, which no API server would have": {first.stateOf(secret("", "1"), "other"), false},
	} {
		if got := tc.now.is(recorded); got != tc.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
	if first.stateOf(secret("s", "1"), "password").is(nil) {
		t.Error("a password that was never set counts as set")
	}
	raw, err := json.Marshal(recorded)
	if err != nil || strings.Contains(string(raw), "password") || strings.Contains(string(raw), "token-1") {
		t.Errorf("the status has %s, %v", raw, err)
	}
	if other := newDigester("token-1", "other").digest("password"); other == recorded.Digest {
		t.Error("equal passwords of two objects show as such")
	}
	if (*sourceState)(nil).status() != nil {
		t.Error("a status without a source")
	}
}

func TestSecretsOfATemplate(t *testing.T) {
	for text, want := range map[string][]string{
		`plain`:                        nil,
		`{{ fromSecret "db" "user" }}`: {"db"},
		`{{ fromSecret "db" "user" | urlquery }}:{{fromSecret "other" "key"}}`: {"db", "other"},
		`{{ fromSecret "db" }}`:                  nil,
		`{{ fromSecret "" "key" }}`:              nil,
		`{{ fromSecret "db" "user" `:             nil,
		`{{ "fromSecret" }}`:                     nil,
		`{{ if true }}fromSecret{{ end }}`:       nil,
		`{{ $x := fromSecret "db" "password" }}`: {"db"},
	} {
		if got := secretsOf(text); !slices.Equal(got, want) {
			t.Errorf("%s names %q, want %q", text, got, want)
		}
	}
}
