// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package authz tests what pkg/authz computes on a server of the OpenBao API,
// without Kubernetes: the tests sign the JWTs themselves.
package authz

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/openbao/openbao/api/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/tests/stack"
)

const (
	issuer          = "https://kubernetes.default.svc"
	audience        = "bailiwick.dev/openbao/7b7c2e0e-0000-4000-8000-000000000001/prod"
	operatorSubject = "system:serviceaccount:bailiwick-system:bailiwick"
	// accountUID is the UID of the account in every token.
	accountUID          = "99999999-8888-7777-6666-555555555555"
	bootstrapperSubject = "system:serviceaccount:bailiwick-system:bailiwick-bootstrapper"
)

// fresh starts a server of its own for the test.
func fresh(t *testing.T) *stack.OpenBao {
	t.Helper()
	return stack.NewOpenBao(t, stack.OpenBaoOptions{})
}

// rootClient returns a client that may do everything.
func rootClient(t *testing.T, server *stack.OpenBao) *api.Client {
	t.Helper()
	client, err := server.Client()
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// ourClient returns the operator's own client with a token.
func ourClient(t *testing.T, server *stack.OpenBao, token string) *openbao.Client {
	t.Helper()
	client, err := openbao.New(openbao.Options{Address: server.Address, CABundle: server.CAPEM, Token: openbao.NewToken(token), AllowLocal: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// signer signs tokens as an API server does.
type signer struct {
	private *ecdsa.PrivateKey
	key     authz.Key
}

func newSigner(t *testing.T, id string) signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: private.Public(), KeyID: id, Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	keys, skipped, err := authz.ParseJWKS(set)
	if err != nil || len(skipped) > 0 || len(keys) != 1 {
		t.Fatalf("Parsing the key set: %v, %v, %v", keys, skipped, err)
	}
	return signer{private, keys[0]}
}

// jwt returns a token of a subject.
func (s signer) jwt(t *testing.T, subject, audience string, mutate ...func(map[string]any)) openbao.Token {
	t.Helper()
	return openbao.NewToken(s.text(t, subject, audience, mutate...))
}

func (s signer) text(t *testing.T, subject, audience string, mutate ...func(map[string]any)) string {
	t.Helper()
	claims := map[string]any{
		"iss": issuer, "sub": subject, "aud": []string{audience},
		"kubernetes.io": map[string]any{"serviceaccount": map[string]any{"uid": accountUID}},
		"iat":           time.Now().Unix(), "nbf": time.Now().Unix(), "exp": time.Now().Add(10 * time.Minute).Unix(),
	}
	for _, m := range mutate {
		m(claims)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signing, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.private},
		(&jose.SignerOptions{}).WithHeader("kid", s.key.ID))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signing.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// cluster returns a cluster with all identities.
func cluster(mutate ...func(*openbaov1alpha1.OpenBaoClusterSpec)) *openbaov1alpha1.OpenBaoCluster {
	c := &openbaov1alpha1.OpenBaoCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "vaults", Name: "prod"},
		Spec: openbaov1alpha1.OpenBaoClusterSpec{
			Authorization: &openbaov1alpha1.AuthorizationSpec{
				Mode: openbaov1alpha1.AuthorizationEnforce,
				AdditionalSubjects: []openbaov1alpha1.AdditionalSubject{{
					Role: "Nightly-2", Identity: "backup",
					ServiceAccount: openbaov1alpha1.ServiceAccountReference{Name: "nightly", Namespace: "jobs"},
				}},
			},
			Backup:  &openbaov1alpha1.BackupSpec{},
			Restore: &openbaov1alpha1.RestoreSpec{},
			Upgrade: &openbaov1alpha1.UpgradeSpec{},
		},
	}
	for _, m := range mutate {
		m(&c.Spec)
	}
	return c
}

func desired(t *testing.T, c *openbaov1alpha1.OpenBaoCluster, keys ...authz.Key) authz.Contract {
	t.Helper()
	contract, err := authz.Desired(c, authz.Inputs{
		Issuer: issuer, Keys: keys, Audience: audience, OperatorSubject: operatorSubject, BootstrapperSubject: bootstrapperSubject,
		RestoreAccountUID: accountUID,
	})
	if err != nil {
		t.Fatal(err)
	}
	return contract
}

// send makes the requests of a list as the API renderer does.
func send(t *testing.T, client *api.Client, requests []authz.Request) {
	t.Helper()
	for _, r := range requests {
		if _, err := client.Logical().WriteWithContext(t.Context(), r.Path, r.Data); err != nil {
			t.Fatalf("Request %s: %v", r.ID, err)
		}
	}
}

// status returns the HTTP status of a failed request, 0 if it succeeded.
func status(t *testing.T, err error) int {
	t.Helper()
	var response *api.ResponseError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &response):
		return response.StatusCode
	}
	t.Fatal(err)
	return 0
}

func denied(t *testing.T, err error) bool {
	t.Helper()
	return status(t, err) == http.StatusForbidden
}

// session is the operator's own client, logged in.
type session struct {
	*openbao.Client
	// api sends what the operator's client does not.
	api *api.Client
}

// logIn logs in as the ServiceAccount of a grant.
func logIn(t *testing.T, server *stack.OpenBao, signer signer, g authz.Grant) session {
	t.Helper()
	jwt := signer.jwt(t, g.Role.Subject, g.Role.Audiences[0])
	login, err := ourClient(t, server, "").LoginJWT(t.Context(), authz.MountPath, g.Role.Name, jwt)
	if err != nil {
		t.Fatal(err)
	}
	if login.TTL != g.Role.TTL {
		t.Errorf("Role %s: the lease is %s, want %s", g.Role.Name, login.TTL, g.Role.TTL)
	}
	client, err := ourClient(t, server, "").WithToken(login.Token)
	if err != nil {
		t.Fatal(err)
	}
	// The operator's client does not give the token away, so this is another login.
	raw := rootClient(t, server)
	raw.SetToken("")
	secret, err := raw.Logical().WriteWithContext(t.Context(), "auth/"+authz.MountPath+"/login", map[string]any{
		"role": g.Role.Name, "jwt": signer.text(t, g.Role.Subject, g.Role.Audiences[0]),
	})
	if err != nil {
		t.Fatal(err)
	}
	raw.SetToken(secret.Auth.ClientToken)
	return session{client, raw}
}

// raw reads a path whose answer need not be JSON.
func (s session) raw(t *testing.T, path string) ([]byte, error) {
	t.Helper()
	response, err := s.api.Logical().ReadRawWithContext(t.Context(), path)
	if response == nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(response.Body)
}
