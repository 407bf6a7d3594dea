// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

func testSecrets() *fromSecret {
	client := fake.NewClientset(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "ns"},
		Data:       map[string][]byte{"password": []byte("p&ss word"), "user": []byte("u"), "large": []byte(strings.Repeat("x", maxRendered))},
	}, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "other"},
		Data:       map[string][]byte{"foreign": []byte("f")},
	})
	return (&remote{secrets: client.CoreV1().Secrets("ns"), sources: func(string, string) {}}).fromSecret()
}

func TestFromSecret(t *testing.T) {
	for text, want := range map[string]string{
		``:                                   ``,
		`plain`:                              `plain`,
		`{"a": 1}`:                           `{"a": 1}`,
		`{{ fromSecret "db" "user" }}`:       `u`,
		"{{fromSecret `db` `user`}}":         `u`,
		`a {{- fromSecret "db" "user" -}} b`: `aub`,
		`{{ fromSecret "db" "user" }}:{{ fromSecret "db" "password" }}@h`: `u:p&ss word@h`,
		`{{ fromSecret "db" "password" | urlquery }}`:                     `p%26ss+word`,
		`{{ fromSecret "db" "password" | html }}`:                         `p&amp;ss word`,
		`{{/* a comment */}}b`:                                            `b`,
		`{{ "{{" }}`:                                                      `{{`,
	} {
		if got, err := testSecrets().render(t.Context(), "userConfig.x", text); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestFromSecretProblems(t *testing.T) {
	for text, reason := range map[string]string{
		`{{ fromSecret "none" "user" }}`:                                reasonSourceSecret,
		`{{ fromSecret "db" "none" }}`:                                  reasonSourceSecret,
		`{{ fromSecret "db" "foreign" }}`:                               reasonSourceSecret,
		`{{ fromSecret "" "user" }}`:                                    reasonInvalidSpec,
		`{{ fromSecret "db" }}`:                                         reasonInvalidSpec,
		`{{ fromSecret "db" "user"`:                                     reasonInvalidSpec,
		`{{ fromSecret (fromSecret "db" "password") "x" }}`:             reasonInvalidSpec,
		`{{ $x := fromSecret "db" "password" }}{{ $x }}`:                reasonInvalidSpec,
		`{{ range 1000000000000 }}{{ end }}`:                            reasonInvalidSpec,
		`{{ printf "%1000000d" 1 }}`:                                    reasonInvalidSpec,
		`{{ "\\" | js | js | js }}`:                                     reasonInvalidSpec,
		`{{ if fromSecret "db" "user" }}a{{ end }}`:                     reasonInvalidSpec,
		`{{ fromSecret "db" "large" }}{{ fromSecret "db" "large" }}`:    reasonInvalidSpec,
		`{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}`: reasonInvalidSpec,
	} {
		got, err := testSecrets().render(t.Context(), "userConfig.x", text)
		var problem *reconcile.Problem
		if !errors.As(err, &problem) || problem.Reason != reason {
			t.Errorf("%s: got %q, %v, want a problem with reason %s", text, got, err, reason)
			continue
		}
		if !strings.Contains(problem.Message, "userConfig.x") || strings.Contains(problem.Message, "p&ss") {
			t.Errorf("%s: message is %s", text, problem.Message)
		}
	}
}

func TestFromSecretReadsEachSecretOnce(t *testing.T) {
	client := fake.NewClientset(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "ns"}, Data: map[string][]byte{"a": []byte("1"), "b": []byte("2")}})
	f := (&remote{secrets: client.CoreV1().Secrets("ns"), sources: func(string, string) {}}).fromSecret()
	for _, text := range []string{`{{ fromSecret "db" "a" }}`, `{{ fromSecret "db" "b" }}{{ fromSecret "db" "a" }}`} {
		if _, err := f.render(t.Context(), "userConfig.x", text); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(client.Actions()); n != 1 {
		t.Errorf("got %d requests, want 1", n)
	}
}

func TestFromSecretHidesValues(t *testing.T) {
	f := &fromSecret{used: []string{"abcd", "abcdef", "first line\nsecond line", "x"}}
	if got, want := f.hide("x: abcdef, abcd; second line"), "x: [redacted], [redacted]; [redacted]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	original := &aiven.Error{Class: aiven.Invalid, Status: 400, Message: "Invalid value abcdef", Err: errors.New("abcdef")}
	err := f.clean(original)
	if aiven.ClassOf(err) != aiven.Invalid || strings.Contains(err.Error(), "abcdef") || errors.Unwrap(err) != nil {
		t.Errorf("got %v", err)
	}
	if original.Message != "Invalid value abcdef" {
		t.Error("the error itself was changed")
	}
	if err := f.clean(nil); err != nil {
		t.Errorf("got %v for no error", err)
	}
}
