// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package redact takes secrets out of texts that others wrote: what a server says
// of a request that it refuses can repeat the token, the password or the Secret
// that it was sent.
package redact

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
)

const (
	hidden = "[redacted]"
	// window is how many bytes of a secret in a row are taken for it: failure
	// texts can cut or quote what they repeat.
	window = 8
	// shortest is the least length of a secret: hiding shorter strings, which
	// nobody takes for a password or key, would only garble the text.
	shortest = 4
)

// sensitiveNames mark the fields whose strings are secrets, in the bodies of
// Aiven's API, in the free-form configurations of connectors and in our kinds.
var sensitiveNames = [...]string{
	"pass", "secret", "token", "key", "cert", "credential", "sasl", "jaas", "authorization", "user.info",
}

// referringNames mark the fields of our kinds that name a Secret and hold none.
var referringNames = [...]string{"secretref", "secrettarget", "secretsource"}

// Secrets are what a text must not show. The zero value holds none.
type Secrets struct {
	// pieces holds every window of the longer secrets, words the shorter ones.
	pieces map[string]bool
	words  []string
}

// Add hides a secret, as it is and as it is written in JSON, in a URL, in Go's
// quotes and in base64.
func (s *Secrets) Add(secret string) {
	if len(secret) < shortest {
		return
	}
	// A string always marshals.
	marshalled, _ := json.Marshal(secret)
	for _, form := range []string{
		secret, inQuotes(string(marshalled)), inQuotes(strconv.Quote(secret)), url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
	} {
		s.addForm(form)
	}
}

func inQuotes(text string) string { return text[1 : len(text)-1] }

func (s *Secrets) addForm(form string) {
	if len(form) < window {
		s.words = append(s.words, form)
		return
	}
	if s.pieces == nil {
		s.pieces = map[string]bool{}
	}
	for i := 0; i+window <= len(form); i++ {
		s.pieces[form[i:i+window]] = true
	}
}

// AddJSON hides the secrets in a JSON document, which it tells by the names of
// fields and by what they look like. What is no JSON is ignored.
func (s *Secrets) AddJSON(document []byte) {
	var in any
	if len(document) > 0 && json.Unmarshal(document, &in) == nil {
		s.collect(in, false)
	}
}

// AddField hides the value of a field if its name or its looks say that it is a
// secret.
func (s *Secrets) AddField(name, value string) { s.collect(value, sensitive(name)) }

func (s *Secrets) collect(v any, secret bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			s.collect(value, (secret || sensitive(name)) && !refers(name))
		}
	case []any:
		for _, value := range v {
			s.collect(value, secret)
		}
	case string:
		if user, ok := userInfo(v); ok {
			s.Add(user)
		} else if secret || looksSecret(v) {
			s.Add(v)
		}
	}
}

func refers(name string) bool { return containsAny(strings.ToLower(name), referringNames[:]) }

func sensitive(name string) bool {
	name = strings.ToLower(name)
	// The key of a tag and the keys of a Valkey ACL are names, not secrets.
	if name == "key" || strings.Contains(name, "acl") {
		return false
	}
	// Log services take a token for structured data (rsyslog endpoints).
	return name == "sd" || containsAny(name, sensitiveNames[:])
}

func containsAny(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// userInfo returns the secret part of a URL that has one: the password, or what
// is there in place of user and password.
func userInfo(v string) (string, bool) {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || u.User == nil {
		return "", false
	}
	if password, ok := u.User.Password(); ok {
		return password, true
	}
	return u.User.Username(), true
}

// looksSecret reports whether v looks like a URI or a list of properties with a
// password in it, or like a key or certificate.
func looksSecret(v string) bool {
	_, authority, isURI := strings.Cut(v, "://")
	authority, _, _ = strings.Cut(authority, "/")
	return isURI && strings.Contains(authority, "@") || strings.Contains(strings.ToLower(v), "password") || strings.Contains(v, "-----BEGIN ")
}

// Hide returns text without any secret or long enough piece of one.
func (s *Secrets) Hide(text string) string {
	marked := make([]bool, len(text))
	for i := 0; i+window <= len(text); i++ {
		if s.pieces[text[i:i+window]] {
			mark(marked[i : i+window])
		}
	}
	for _, word := range s.words {
		for at := 0; ; at++ {
			i := strings.Index(text[at:], word)
			if i < 0 {
				break
			}
			at += i
			mark(marked[at : at+len(word)])
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

func mark(marked []bool) {
	for i := range marked {
		marked[i] = true
	}
}
