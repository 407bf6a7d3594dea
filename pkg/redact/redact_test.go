// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package redact_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/bailiwick-operator/bailiwick/pkg/redact"
)

const pem = "-----BEGIN PRIVATE KEY-----\nfirstlineofthekey\nsecondlineofthekey\n-----END PRIVATE KEY-----\n"

// However a secret is written, it is hidden, and what is around it stays.
func TestHide(t *testing.T) {
	const secret = `s3cr"et\value&<more>/of it`
	quoted, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	for name, form := range map[string]string{
		"plain": secret, "JSON": string(quoted), "JSON without HTML": `s3cr\"et\\value&<more>/of it`, "Go": fmt.Sprintf("%q", secret),
		"query": url.QueryEscape(secret), "path": url.PathEscape(secret),
		"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "URL base64": base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"its begin": secret[:12], "its end": secret[12:],
	} {
		secrets := &redact.Secrets{}
		secrets.Add(secret)
		got := secrets.Hide("before: " + form + " :after")
		if !strings.HasPrefix(got, "before: ") || !strings.HasSuffix(got, " :after") || !strings.Contains(got, "[redacted]") {
			t.Errorf("%s: %q became %q", name, form, got)
		}
		// The quotes around it may stay.
		if got = strings.ReplaceAll(got, "[redacted]", ""); len(got) > len("before:  :after")+2 {
			t.Errorf("%s: %q stays", name, got)
		}
	}
}

func TestShortSecrets(t *testing.T) {
	secrets := &redact.Secrets{}
	for _, secret := range []string{"", "abc", "pass", "pa/ss"} {
		secrets.Add(secret)
	}
	for text, want := range map[string]string{
		"abc":                  "abc",
		"a pass, and passpass": "a [redacted], and [redacted]",
		"pa%2Fss pa/ss":        "[redacted] [redacted]",
		"":                     "",
	} {
		if got := secrets.Hide(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	if got := new(redact.Secrets).Hide("nothing is secret"); got != "nothing is secret" {
		t.Errorf("no secrets hide %q", got)
	}
}

// What is a secret in a document is told by the names of fields and by its looks.
func TestAddJSON(t *testing.T) {
	for document, want := range map[string]string{
		`{"password":"value-of-it"}`:                                   "[redacted]",
		`{"a":[{"datadog_api_key":"value-of-it"}]}`:                    "[redacted]",
		`{"config":{"http.headers.authorization":"value-of-it"}}`:      "[redacted]",
		`{"value.converter.basic.auth.user.info":"value-of-it"}`:       "[redacted]",
		`{"sd":"value-of-it"}`:                                         "[redacted]",
		`{"key":"-----BEGIN PRIVATE KEY-----\nvalue-of-it\n-----END"}`: "[redacted]",
		`{"url":"https://user:value-of-it@example.com/path"}`:          "[redacted]",
		`{"url":"https://value-of-it@example.com"}`:                    "[redacted]",
		`{"properties":"user=a password=value-of-it"}`:                 "[redacted]",
		`{"tags":[{"key":"value-of-it"}]}`:                             "value-of-it",
		`{"valkeyAclKeys":["value-of-it"]}`:                            "value-of-it",
		`{"authSecretRef":{"name":"value-of-it"}}`:                     "value-of-it",
		`{"connInfoSecretTarget":{"name":"value-of-it"}}`:              "value-of-it",
		`{"connInfoSecretSource":{"name":"value-of-it"}}`:              "value-of-it",
		`{"plan":"value-of-it"}`:                                       "value-of-it",
		`{"password":"value-of-it"`:                                    "value-of-it",
	} {
		secrets := &redact.Secrets{}
		secrets.AddJSON([]byte(document))
		if got := secrets.Hide("value-of-it"); got != want {
			t.Errorf("%s: got %q, want %q", document, got, want)
		}
	}
	secrets := &redact.Secrets{}
	secrets.AddJSON([]byte(`{"url":"https://user:value-of-it@example.com/path"}`))
	if got, want := secrets.Hide("no route to https://user:value-of-it@example.com/path"), "no route to https://user:[redacted]@example.com/path"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAddField(t *testing.T) {
	secrets := &redact.Secrets{}
	for name, value := range map[string]string{
		"HOST": "db.example.com", "PASSWORD": "value-of-it", "DATABASE_URI": "postgres://a:uri-value@db.example.com/x", "ACCESS_KEY": pem,
	} {
		secrets.AddField(name, value)
	}
	got := secrets.Hide("db.example.com value-of-it uri-value " + strings.ReplaceAll(pem, "\n", " "))
	if strings.Contains(got, "value") || strings.Contains(got, "lineofthe") || !strings.HasPrefix(got, "db.example.com ") {
		t.Errorf("got %q", got)
	}
}
