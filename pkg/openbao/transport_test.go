// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// roundTripper is a transport in a function.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Of a refusal that breaks off there is an error and no answer.
func TestRefusalThatBreaksOff(t *testing.T) {
	g := &guard{next: roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusBadRequest, Body: io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))}, nil
	})}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := g.RoundTrip(req)
	if resp != nil {
		_ = resp.Body.Close()
		t.Error("there is an answer besides the error")
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

// What a server, or what stands in front of it, repeats of a request shows neither
// the token nor the JWT.
func TestRefusalsRepeatNoSecret(t *testing.T) {
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlLW9mLWl0"
	client := start(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusBadRequest)
		text := fmt.Sprintf("no sense: %v %s", r.Header, body)
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{text}})
	})
	_, loginErr := client.LoginJWT(t.Context(), "jwt-operator", "a-role", NewToken(jwt))
	_, readErr := client.ReadRole(t.Context(), "jwt-operator", "a-role")
	for what, err := range map[string]error{"login": loginErr, "read": readErr} {
		text := fmt.Sprintf("%v %+v", err, err)
		if !strings.Contains(text, "no sense") || !strings.Contains(text, "[redacted]") {
			t.Errorf("%s: %s", what, text)
		}
		if strings.Contains(text, secret) || strings.Contains(text, jwt) || strings.Contains(text, jwt[len(jwt)/2:]) {
			t.Errorf("%s shows a secret: %s", what, text)
		}
	}
	if !IsLoginRefused(loginErr) || ClassOf(readErr) != Invalid {
		t.Errorf("classes are %s and %s", ClassOf(loginErr), ClassOf(readErr))
	}
}
