// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"crypto/x509"
	"encoding/pem"
	"slices"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// FuzzEqualPolicies checks that texts which are called equal grant the same.
// Run it with: go test ./pkg/authz -run xxx -fuzz FuzzEqualPolicies -fuzztime 30s
func FuzzEqualPolicies(f *testing.F) {
	pinned := BootstrapperPolicy(Pins{
		Mode: openbaov1alpha1.AuthorizationEnforce, Mount: "jwt-operator", Issuer: "https://issuer",
		Policies: []PinnedPolicy{{Name: "p", Texts: []string{operatorPolicy, backupPolicy}}},
		Roles:    []Role{{Name: "r", Subject: "s", Audiences: []string{"a"}, Policies: []string{"p"}}},
	})
	texts := []string{
		"", operatorPolicy, upgradeBlueGreenPolicy, minimalUpgradeRollingPolicy, defaultPolicy, pinned,
		`path "a" { capabilities = ["read"] } path "a" { capabilities = ["deny"] }`,
		`path "/a/+/b*" { capabilities = ["list"] denied_parameters = { "x" = [] } }`,
		`{"path": {"a": {"capabilities": ["read"], "allowed_parameters": {"x": [1, true, null, ["y"]]}}}}`,
		`path = [{ "a" = { capabilities = "read,list" } }]`,
		"path \"a\" { capabilities = [<<E\nread\nE\n] }",
		`path "a" "b" { capabilities = ["read"] }`, `path "a" { policy = "write" }`, `path {}`, `path = 3`,
	}
	for i, a := range texts {
		f.Add(a, texts[(i+1)%len(texts)])
		f.Add(a, a+"\n# the same\n")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if !EqualPolicies(a, a) {
			t.Error("a text differs from itself")
		}
		equal := EqualPolicies(a, b)
		if equal != EqualPolicies(b, a) {
			t.Error("the order of the texts matters")
		}
		ra, errA := parseRules(a)
		rb, errB := parseRules(b)
		if errA != nil || errB != nil {
			if equal && a != b {
				t.Error("texts that do not parse are equal")
			}
			return
		}
		for _, set := range []ruleSet{ra, rb} {
			for path := range set {
				// A pattern is also a path that it covers.
				if got, want := rb.capabilitiesOn(path), ra.capabilitiesOn(path); equal && !slices.Equal(got, want) {
					t.Errorf("equal texts grant %v and %v on %q", want, got, path)
				}
			}
		}
		if equal && a != b && len(ra) != len(rb) {
			t.Errorf("equal texts have %d and %d paths", len(ra), len(rb))
		}
	})
}

// FuzzParseJWKS checks that every key which is returned is one that a server
// takes, whatever the key set is.
// Run it with: go test ./pkg/authz -run xxx -fuzz FuzzParseJWKS -fuzztime 30s
func FuzzParseJWKS(f *testing.F) {
	for _, set := range []string{
		``, `{}`, `{"keys":null}`, `{"keys":[]}`, `{"keys":[1,"x",null,{}]}`, `[]`,
		`{"keys":[{"kty":"RSA","kid":"a","use":"sig","alg":"RS256","n":"uH_L","e":"AQAB"}]}`,
		`{"keys":[{"kty":"EC","kid":"b","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"RSA","n":"AA","e":"AQAB","use":"enc"}]}`,
		`{"keys":[{"kty":"RSA","n":"AA","e":"AQAB"}]}`,
		`{"keys":[{"kty":"EC","kid":"d","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"AQ"}]}`,
	} {
		f.Add([]byte(set))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, skipped, err := ParseJWKS(data)
		if err != nil && len(keys)+len(skipped) > 0 {
			t.Error("there are keys beside an error")
		}
		for _, k := range keys {
			block, rest := pem.Decode([]byte(k.PEM))
			if block == nil || len(rest) > 0 || block.Type != "PUBLIC KEY" {
				t.Fatalf("key %q is not one PEM block", k.ID)
			}
			if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
				t.Errorf("key %q: %v", k.ID, err)
			}
			if k.ID == "" {
				t.Error("a key has no id")
			}
			if normalPEM(k.PEM) != k.PEM {
				t.Errorf("key %q is not in its normal form", k.ID)
			}
		}
		for _, s := range skipped {
			if s.Reason == "" {
				t.Error("a member was skipped without a reason")
			}
		}
	})
}
