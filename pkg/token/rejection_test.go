// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"strings"
	"testing"
)

// The commands are complete with the first refusal of a default token, and not
// only when the cache knows of it.
func TestRejectionNamesTheOperatorAndTheSecret(t *testing.T) {
	operator := Operator{Namespace: "ops", Deployment: "op"}
	for name, tt := range map[string]struct {
		options Options
		want    []string
	}{
		"from a Secret":        {Options{Default: Ref{Namespace: "ops", Name: "default-token", Key: "token"}, Operator: operator}, []string{"kubectl patch secret default-token --namespace ops", "deployment/op --namespace ops"}},
		"from the environment": {Options{DefaultValue: "x", Operator: operator}, []string{"kubectl set env deployment/op --namespace ops"}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.options.Secrets = &fakeSecrets{}
			c, err := New(tt.options)
			if err != nil {
				t.Fatal(err)
			}
			fix := c.Rejection(Ref{}).FixCommands("kafkas.aiven.io", "a", "b")
			for _, want := range tt.want {
				if !strings.Contains(fix, want) {
					t.Errorf("commands = %q, want them to contain %q", fix, want)
				}
			}
		})
	}
}
