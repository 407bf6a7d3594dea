// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package baosim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// The operator's own client sets a server up and logs in.
func TestServer(t *testing.T) {
	s := Start("one")
	defer s.Close()
	connect := func(token openbao.Token) *openbao.Client {
		c, err := openbao.New(openbao.Options{Address: s.URL(), CABundle: s.CAPEM(), Token: token, AllowLocal: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	ctx, root, stranger := t.Context(), connect(openbao.NewToken(s.RootToken())), connect(openbao.NewToken("nobody"))
	if _, err := stranger.AuthMounts(ctx); openbao.ClassOf(err) != openbao.Unauthenticated {
		t.Errorf("a stranger: %v", err)
	}
	if h, err := root.Health(ctx); err != nil || h.ClusterID != "one" || !h.Initialized {
		t.Errorf("%+v, %v", h, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"mount":  root.EnableAuth(ctx, "jwt", openbao.Mount{Type: "jwt"}),
		"policy": root.WritePolicy(ctx, "p", `path "sys/auth" { capabilities = ["read"] }`, nil),
	} {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	if err := root.WriteConfig(ctx, "jwt", map[string]any{
		"bound_issuer": "https://issuer", "jwt_validation_pubkeys": []string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))},
	}); err != nil {
		t.Fatal(err)
	}
	if err := root.WriteRole(ctx, "jwt", "r", map[string]any{
		"bound_subject": "me", "bound_audiences": []string{"bao"}, "token_policies": []string{"p"}, "token_ttl": 60,
	}); err != nil {
		t.Fatal(err)
	}
	login := func(key *ecdsa.PrivateKey, subject string) (openbao.Login, error) {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
		if err != nil {
			t.Fatal(err)
		}
		token, err := jwt.Signed(signer).Claims(jwt.Claims{
			Issuer: "https://issuer", Subject: subject, Audience: jwt.Audience{"bao"}, Expiry: jwt.NewNumericDate(time.Now().Add(time.Minute)),
		}).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return root.LoginJWT(ctx, "jwt", "r", openbao.NewToken(token))
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := login(other, "me"); !openbao.IsUnknownKey(err) {
		t.Errorf("a login with another key: %v", err)
	}
	if _, err := login(key, "you"); !openbao.IsLoginRefused(err) || openbao.IsUnknownKey(err) {
		t.Errorf("a login of another subject: %v", err)
	}
	in, err := login(key, "me")
	if err != nil || in.TTL != time.Minute {
		t.Fatalf("%+v, %v", in, err)
	}
	session := connect(in.Token)
	if _, err := session.AuthMounts(ctx); err != nil {
		t.Errorf("what the policy allows: %v", err)
	}
	if _, err := session.ReadPolicy(ctx, "p"); openbao.ClassOf(err) != openbao.PermissionDenied {
		t.Errorf("what it does not allow: %v", err)
	}
	got, err := session.CapabilitiesSelf(ctx, "sys/auth", "sys/policies/acl/p")
	if err != nil || !slices.Equal(got["sys/auth"], []string{"read"}) || !slices.Equal(got["sys/policies/acl/p"], []string{"deny"}) {
		t.Errorf("capabilities %v, %v", got, err)
	}
	if err := session.RevokeSelf(ctx); err != nil {
		t.Error(err)
	}
	if _, err := session.AuthMounts(ctx); openbao.ClassOf(err) != openbao.Unauthenticated {
		t.Errorf("after its end: %v", err)
	}
	if len(s.Unknown()) != 0 {
		t.Errorf("unknown requests %v", s.Unknown())
	}
	if info, err := root.LookupSelf(ctx); err != nil || !info.IsRoot() || info.Expires() {
		t.Errorf("the root token is %+v, %v", info, err)
	}
	if info, err := connect(openbao.NewToken(s.AdminToken())).LookupSelf(ctx); err != nil || info.IsRoot() || !info.Expires() {
		t.Errorf("the admin token is %+v, %v", info, err)
	}
	if len(s.Unknown()) != 0 {
		t.Errorf("unknown requests %v", s.Unknown())
	}
	if _, err := root.RenewSelf(ctx); err == nil || len(s.Unknown()) != 1 {
		t.Errorf("a path that is not there: %v, unknown %v", err, s.Unknown())
	}
	if counts, _ := s.Counts(); counts["Login"] != 3 || counts["WriteRole"] != 1 {
		t.Errorf("counted %v", counts)
	}
}
