// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"slices"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

func TestParseJWKS(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	okp, okpPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	member := func(jwk jose.JSONWebKey) json.RawMessage {
		raw, err := json.Marshal(jwk)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	set, err := json.Marshal(map[string]any{"keys": []json.RawMessage{
		member(jose.JSONWebKey{Key: &rsaKey.PublicKey, KeyID: "rsa", Algorithm: "RS256", Use: "sig"}),
		json.RawMessage(`{"kty":"AKP","kid":"future","alg":"ML-DSA-65","pub":"AAAA"}`),
		member(jose.JSONWebKey{Key: &ecKey.PublicKey, KeyID: "ec"}),
		json.RawMessage(`{"kty":"oct","kid":"symmetric","k":"c2VjcmV0"}`),
		json.RawMessage(`"garbage"`),
		member(jose.JSONWebKey{Key: &rsaKey.PublicKey, KeyID: "encryption", Use: "enc"}),
		member(jose.JSONWebKey{Key: okpPrivate, KeyID: "private"}),
		member(jose.JSONWebKey{Key: okp, KeyID: "okp"}),
		member(jose.JSONWebKey{Key: &rsaKey.PublicKey}),
	}})
	if err != nil {
		t.Fatal(err)
	}

	keys, skipped, err := authz.ParseJWKS(set)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		id, algorithm string
		public        crypto.PublicKey
	}{
		{"rsa", "RS256", &rsaKey.PublicKey},
		{"ec", "ES384", &ecKey.PublicKey},
		{"okp", "EdDSA", okp},
		{"", "", &rsaKey.PublicKey},
	}
	if len(keys) != len(want) {
		t.Fatalf("got %d keys, want %d: %+v", len(keys), len(want), keys)
	}
	for i, w := range want {
		key := keys[i]
		if (w.id != "" && key.ID != w.id) || key.ID == "" || key.Algorithm != w.algorithm {
			t.Errorf("key %d is %q with %q, want %q with %q", i, key.ID, key.Algorithm, w.id, w.algorithm)
		}
		block, _ := pem.Decode([]byte(key.PEM))
		if block == nil || block.Type != "PUBLIC KEY" {
			t.Fatalf("key %q is not a public key in PEM: %s", key.ID, key.PEM)
		}
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if !parsed.(interface{ Equal(crypto.PublicKey) bool }).Equal(w.public) {
			t.Errorf("key %q is another key", key.ID)
		}
	}

	var ids []string
	for _, s := range skipped {
		ids = append(ids, s.ID)
		if s.Reason == "" {
			t.Errorf("no reason for skipping %q", s.ID)
		}
	}
	if wantIDs := []string{"future", "symmetric", "", "encryption", "private"}; !slices.Equal(ids, wantIDs) {
		t.Errorf("skipped %q, want %q", ids, wantIDs)
	}
}

func TestParseJWKSRefusesGarbage(t *testing.T) {
	if _, _, err := authz.ParseJWKS([]byte("<html>")); err == nil {
		t.Error("parsed")
	}
}

// TestAlgorithmsArePinnedOnlyWhenKnown checks that one key of unknown algorithm
// leaves the choice to the server.
func TestAlgorithmsArePinnedOnlyWhenKnown(t *testing.T) {
	in := inputs()
	in.Keys = append(in.Keys, authz.Key{ID: "b", PEM: "b"})
	if algs := mustDesire(t, cluster(), in).Config.SupportedAlgs; algs != nil {
		t.Errorf("pinned to %v", algs)
	}
	in.Keys[1].Algorithm = "ES256"
	if algs := mustDesire(t, cluster(), in).Config.SupportedAlgs; !slices.Equal(algs, []string{"ES256", "RS256"}) {
		t.Errorf("pinned to %v", algs)
	}
}
