// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"encoding/json"
	"net/url"
	"strings"
)

const (
	hidden = "[redacted]"
	// window is how many bytes of a secret in a row are taken for it: failure
	// texts can cut or quote what they repeat.
	window = 8
	// shortest is the least length of a secret: hiding shorter strings, which
	// Aiven takes for no password or key, would only garble the text.
	shortest = 4
)

// sensitiveNames mark the fields of a request whose strings are secrets, in
// the API's own bodies and in the free-form configurations of connectors.
var sensitiveNames = [...]string{"pass", "secret", "token", "key", "cert", "credential", "sasl", "jaas"}

// redactor holds the secrets that went out with one request.
type redactor struct {
	secrets []string
}

// newRedactor collects the token and the secrets in a request's JSON body.
func newRedactor(token string, body []byte) redactor {
	r := redactor{}
	r.add(token)
	var in any
	if len(body) > 0 && json.Unmarshal(body, &in) == nil {
		r.collect(in, false)
	}
	return r
}

func (r *redactor) collect(v any, sensitive bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			r.collect(value, sensitive || sensitiveName(name))
		}
	case []any:
		for _, value := range v {
			r.collect(value, sensitive)
		}
	case string:
		if sensitive || holdsCredentials(v) {
			r.add(v)
		}
	}
}

func sensitiveName(name string) bool {
	name = strings.ToLower(name)
	// The key of a tag and the keys of a Valkey ACL are names, not secrets.
	if name == "key" || strings.Contains(name, "acl") {
		return false
	}
	for _, part := range sensitiveNames {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// holdsCredentials reports whether v looks like a URI or a list of properties
// with a password in it.
func holdsCredentials(v string) bool {
	_, authority, isURI := strings.Cut(v, "://")
	authority, _, _ = strings.Cut(authority, "/")
	return isURI && strings.Contains(authority, "@") || strings.Contains(strings.ToLower(v), "password")
}

func (r *redactor) add(secret string) {
	if len(secret) < shortest {
		return
	}
	r.secrets = append(r.secrets, secret)
	quoted, _ := json.Marshal(secret) // a string always marshals
	for _, form := range []string{string(quoted[1 : len(quoted)-1]), url.QueryEscape(secret)} {
		if form != secret {
			r.secrets = append(r.secrets, form)
		}
	}
}

// clean returns text without any secret or long enough piece of one.
func (r redactor) clean(text string) string {
	marked := make([]bool, len(text))
	for _, secret := range r.secrets {
		n := min(window, len(secret))
		for i := 0; i+n <= len(secret); i++ {
			mark(marked, text, secret[i:i+n])
		}
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !marked[i]:
			b.WriteByte(text[i])
		case i == 0 || !marked[i-1]:
			b.WriteString(hidden)
		}
	}
	return b.String()
}

func mark(marked []bool, text, piece string) {
	for at := 0; ; {
		i := strings.Index(text[at:], piece)
		if i < 0 {
			return
		}
		for j := range len(piece) {
			marked[at+i+j] = true
		}
		at += i + 1
	}
}
