// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Key is a public key that verifies tokens.
type Key struct {
	// ID is the key id of the key set, or the key's thumbprint if it has none.
	ID string
	// Algorithm is the JWS algorithm that the key signs with, empty if the key
	// set does not say and the key type leaves a choice.
	Algorithm string
	// PEM is the key as a PKIX "PUBLIC KEY" block.
	PEM string
}

// SkippedKey is a member of a key set that cannot verify tokens here.
type SkippedKey struct {
	// ID is the key id, empty if the member has none.
	ID string
	// Reason says why, for people.
	Reason string
}

// ParseJWKS returns the usable keys of a JSON Web Key Set (RFC 7517). A member
// that is not usable is skipped and reported; it never spoils the others. The
// error is about the set as a whole.
func ParseJWKS(data []byte) ([]Key, []SkippedKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, nil, fmt.Errorf("parse the JSON Web Key Set: %w", err)
	}
	var keys []Key
	var skipped []SkippedKey
	for _, raw := range set.Keys {
		key, err := parseJWK(raw)
		if err != nil {
			var id struct {
				ID string `json:"kid"`
			}
			// A member that is no object has no id to report.
			_ = json.Unmarshal(raw, &id)
			skipped = append(skipped, SkippedKey{ID: id.ID, Reason: err.Error()})
			continue
		}
		keys = append(keys, key)
	}
	return keys, skipped, nil
}

func parseJWK(raw []byte) (Key, error) {
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(raw, &jwk); err != nil {
		return Key{}, err
	}
	if jwk.Use != "" && jwk.Use != "sig" {
		return Key{}, fmt.Errorf("the key is not for signatures but for %q", jwk.Use)
	}
	if !jwk.IsPublic() {
		return Key{}, fmt.Errorf("the key is not a public key")
	}
	algorithm, err := algorithm(jwk)
	if err != nil {
		return Key{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(jwk.Key)
	if err != nil {
		return Key{}, err
	}
	// What cannot be read back would make a server refuse all keys.
	if _, err := x509.ParsePKIXPublicKey(der); err != nil {
		return Key{}, err
	}
	id := jwk.KeyID
	if id == "" {
		sum, err := jwk.Thumbprint(crypto.SHA256)
		if err != nil {
			return Key{}, err
		}
		id = base64.RawURLEncoding.EncodeToString(sum)
	}
	return Key{ID: id, Algorithm: algorithm, PEM: encodePEM(der)}, nil
}

// algorithm returns the algorithm of a key where the key set or the key type
// settles it.
func algorithm(jwk jose.JSONWebKey) (string, error) {
	switch key := jwk.Key.(type) {
	case *rsa.PublicKey:
		// An RSA key alone does not tell RS256 from PS512.
		return jwk.Algorithm, nil
	case *ecdsa.PublicKey:
		switch key.Curve.Params().BitSize {
		case 256:
			return string(jose.ES256), nil
		case 384:
			return string(jose.ES384), nil
		case 521:
			return string(jose.ES512), nil
		}
		return "", fmt.Errorf("the elliptic curve %s is not supported", key.Curve.Params().Name)
	case ed25519.PublicKey:
		return string(jose.EdDSA), nil
	}
	return "", fmt.Errorf("the key type %T is not supported", jwk.Key)
}

// usableAlgorithms are those that API servers sign with.
func usableAlgorithms() []string {
	return []string{string(jose.ES256), string(jose.ES384), string(jose.ES512), string(jose.RS256)}
}

func encodePEM(der []byte) string {
	return strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
}

// ConfigKeys returns the public keys of a mount's config as the server answers it,
// each spelled as in Key.PEM.
func ConfigKeys(config map[string]any) []string {
	keys := strs(config["jwt_validation_pubkeys"])
	for i, k := range keys {
		keys[i] = normalPEM(k)
	}
	return keys
}

// normalPEM returns one spelling for all PEM encodings of the same public key,
// and the text itself if it is none.
func normalPEM(text string) string {
	block, _ := pem.Decode([]byte(strings.TrimSpace(text)))
	if block == nil {
		return text
	}
	return encodePEM(block.Bytes)
}
