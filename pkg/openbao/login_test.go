// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRefusedLoginClasses(t *testing.T) {
	const validating = `{"errors":["error validating token: `
	for name, tc := range map[string]struct {
		status int
		body   string
		want   Class
	}{
		"unknown key":           {400, validating + `error verifying token signature: no known key successfully validated the token signature"]}`, UnknownKey},
		"unknown key, by JWKS":  {400, validating + `error verifying token signature: failed to verify id token signature"]}`, UnknownKey},
		"unexpected algorithm":  {400, validating + `invalid algorithm (alg) header parameter: token signed with unexpected algorithm"]}`, UnknownKey},
		"audience":              {400, validating + `invalid audience (aud) claim: audience claim does not match any expected audience"]}`, LoginRefused},
		"subject":               {400, validating + `invalid subject (sub) claim"]}`, LoginRefused},
		"no role":               {400, `{"errors":["role \"x\" could not be found"]}`, LoginRefused},
		"no reason":             {403, `{"errors":["permission denied"]}`, LoginForbidden},
		"no reason, by a rule":  {403, `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`, LoginForbidden},
		"no mount":              {404, `{"errors":["no handler for route"]}`, NotFound},
		"sealed":                {503, `{"errors":["Vault is sealed"]}`, Sealed},
		"throttled":             {429, `{"errors":["rate limit quota exceeded"]}`, Throttled},
		"not initialized":       {400, `{"errors":["server is not yet initialized"]}`, NotInitialized},
		"an answer of no token": {200, `{}`, Unknown},
		"no JSON":               {200, `<html>`, Unknown},
		"a second factor":       {200, `{"auth":{"client_token":"","mfa_requirement":{"mfa_request_id":"x","mfa_constraints":{}}}}`, MFARequired},
	} {
		t.Run(name, func(t *testing.T) {
			client := start(t, answer(tc.status, tc.body))
			_, err := client.LoginJWT(t.Context(), "jwt-operator", "backup", NewToken(secret))
			if got := ClassOf(err); got != tc.want {
				t.Errorf("got class %q of %v, want %q", got, err, tc.want)
			}
			if IsUnknownKey(err) != (tc.want == UnknownKey) || IsLoginRefused(err) != (tc.want == UnknownKey || tc.want == LoginRefused || tc.want == LoginForbidden) {
				t.Errorf("unknown key %t, refused %t", IsUnknownKey(err), IsLoginRefused(err))
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error carries the JWT: %v", err)
			}
		})
	}
	// Only logins are told apart like this.
	client := start(t, answer(400, validating+`error verifying token signature: x"]}`))
	if err := client.WriteConfig(t.Context(), "jwt-operator", nil); ClassOf(err) != Invalid {
		t.Errorf("got class %q of %v", ClassOf(err), err)
	}
	if IsUnknownKey(nil) || IsLoginRefused(nil) {
		t.Error("no error is one")
	}
}

func TestRenewSelf(t *testing.T) {
	client := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/auth/token/renew-self" || r.Header.Get("X-Vault-Token") != secret {
			t.Errorf("got %s with another token", r.URL.Path)
		}
		answer(200, `{"auth":{"client_token":"`+secret+`","lease_duration":90}}`)(w, r)
	})
	if ttl, err := client.RenewSelf(t.Context()); err != nil || ttl != 90*time.Second {
		t.Errorf("got %s, %v", ttl, err)
	}
	if _, err := start(t, answer(204, "")).RenewSelf(t.Context()); ClassOf(err) != Unknown {
		t.Errorf("an empty answer: %v", err)
	}
}

func TestListRoles(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		want   []string
		class  Class
	}{
		"some":    {200, `{"data":{"keys":["b","a"]}}`, []string{"a", "b"}, ""},
		"none":    {404, `{"errors":[]}`, []string{}, ""},
		"denied":  {403, `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`, nil, PermissionDenied},
		"no path": {404, `{"errors":["1 error occurred:\n\t* unsupported path\n\n"]}`, []string{}, ""},
		"no list": {200, `{"data":{"keys":"a"}}`, nil, Unknown},
		"unclear": {500, `{"errors":["x"]}`, nil, Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			for path, list := range map[string]func(*Client) ([]string, error){
				"role":     func(c *Client) ([]string, error) { return c.ListRoles(t.Context(), "jwt-operator") },
				"cel/role": func(c *Client) ([]string, error) { return c.ListCELRoles(t.Context(), "jwt-operator") },
			} {
				client := start(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/v1/auth/jwt-operator/"+path {
						t.Errorf("got %s", r.URL.Path)
					}
					answer(tc.status, tc.body)(w, r)
				})
				got, err := list(client)
				if ClassOf(err) != tc.class || !slices.Equal(got, tc.want) || (got == nil) != (tc.want == nil) {
					t.Errorf("%s: got %q, %v", path, got, err)
				}
			}
		})
	}
}

func TestDisableAuth(t *testing.T) {
	var got string
	client := start(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Method + " " + r.URL.Path
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	})
	if err := client.DisableAuth(t.Context(), "jwt-operator"); err != nil || got != "DELETE /v1/sys/auth/jwt-operator" {
		t.Errorf("sent %q, got %v", got, err)
	}
	got = ""
	if err := client.DisableAuth(t.Context(), "../policy/x"); ClassOf(err) != Invalid || got != "" {
		t.Errorf("sent %q, got %v", got, err)
	}
}
