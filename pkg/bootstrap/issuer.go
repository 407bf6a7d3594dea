// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"k8s.io/client-go/rest"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

const (
	discoveryPath = "/.well-known/openid-configuration"
	jwksPath      = "/openid/v1/jwks"
)

// Issuer is who signs the ServiceAccount tokens.
type Issuer struct {
	// URL is the iss claim of the tokens.
	URL string
	// Keys verify them.
	Keys []authz.Key
	// Skipped are published keys that cannot be used.
	Skipped []authz.SkippedKey
}

// APIServerIssuer reads the issuer and the keys of the API server that client
// talks to, by their fixed paths. The jwks_uri in the discovery document is not
// followed: it may name any host, and the client's credentials are not for it.
func APIServerIssuer(client rest.Interface) func(ctx context.Context) (Issuer, error) {
	return func(ctx context.Context) (Issuer, error) {
		raw, err := client.Get().AbsPath(discoveryPath).Do(ctx).Raw()
		if err != nil {
			return Issuer{}, fmt.Errorf("read %s of the API server: %w", discoveryPath, err)
		}
		var document struct {
			Issuer string `json:"issuer"`
		}
		if err := json.Unmarshal(raw, &document); err != nil {
			return Issuer{}, fmt.Errorf("parse %s of the API server: %w", discoveryPath, err)
		}
		if document.Issuer == "" {
			return Issuer{}, errors.New(discoveryPath + " of the API server names no issuer")
		}
		raw, err = client.Get().AbsPath(jwksPath).SetHeader("Accept", "application/jwk-set+json").Do(ctx).Raw()
		if err != nil {
			return Issuer{}, fmt.Errorf("read %s of the API server: %w", jwksPath, err)
		}
		keys, skipped, err := authz.ParseJWKS(raw)
		if err != nil {
			return Issuer{}, err
		}
		return Issuer{URL: document.Issuer, Keys: keys, Skipped: skipped}, nil
	}
}
