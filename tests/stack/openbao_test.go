// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"slices"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/openbao/openbao/api/v2"
)

const policyText = `path "sys/storage/raft/snapshot" { capabilities = ["read"] }`

func TestOpenBaoLoginAsServiceAccount(t *testing.T) {
	namespace := shared.Kubernetes.Namespace(t)
	root := rootClient(t, shared.OpenBao)
	ctx := t.Context()

	const mount = "jwt-login"
	if err := root.Sys().EnableAuthWithOptionsWithContext(ctx, mount, &api.EnableAuthOptions{Type: "jwt"}); err != nil {
		t.Fatal(err)
	}
	write(t, root, "auth/"+mount+"/config", map[string]any{
		"bound_issuer":           shared.Kubernetes.Issuer,
		"jwt_validation_pubkeys": signingKeysPEM(t),
	})
	if err := root.Sys().PutPolicyWithContext(ctx, "snapshot", policyText); err != nil {
		t.Fatal(err)
	}
	subject := "system:serviceaccount:" + namespace + ":default"
	write(t, root, "auth/"+mount+"/role/backup", map[string]any{
		"role_type": "jwt", "user_claim": "sub", "bound_subject": subject,
		"bound_audiences": "openbao", "token_policies": "snapshot",
	})

	for _, test := range []struct {
		name      string
		namespace string
		audience  string
		accepted  bool
	}{
		{name: "right identity", namespace: namespace, audience: "openbao", accepted: true},
		{name: "wrong audience", namespace: namespace, audience: "other"},
		{name: "wrong subject", namespace: "default", audience: "openbao"},
	} {
		t.Run(test.name, func(t *testing.T) {
			jwt, err := shared.Kubernetes.ServiceAccountToken(t.Context(), test.namespace, "default", test.audience)
			if err != nil {
				t.Fatal(err)
			}
			login, err := root.Logical().WriteWithContext(t.Context(), "auth/"+mount+"/login", map[string]any{"role": "backup", "jwt": jwt})
			if (err == nil) != test.accepted {
				t.Fatalf("Login: %v, want accepted %t", err, test.accepted)
			}
			if !test.accepted {
				return
			}
			client := rootClient(t, shared.OpenBao)
			client.SetToken(login.Auth.ClientToken)
			for path, want := range map[string][]string{
				"sys/storage/raft/snapshot": {"read"},
				"sys/storage/raft/promote":  {"deny"},
			} {
				got, err := client.Sys().CapabilitiesSelfWithContext(t.Context(), path)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, want) {
					t.Errorf("Capabilities on %s = %q, want %q", path, got, want)
				}
			}
			var snapshot bytes.Buffer
			if err := client.Sys().RaftSnapshotWithContext(t.Context(), &snapshot); err != nil {
				t.Fatalf("Snapshot: %v", err)
			}
			if snapshot.Len() == 0 {
				t.Error("The snapshot is empty")
			}
		})
	}
}

// TestOpenBaoFaults takes servers away, so it has servers of its own: one that
// initialises itself, and one that is initialised as bao is.
func TestOpenBaoFaults(t *testing.T) {
	tests := map[string]func(*OpenBao){"as configured": func(*OpenBao) {}}
	if shared.OpenBao.Kind == Embedded {
		tests["initialised through the API"] = func(b *OpenBao) {
			b.args = slices.DeleteFunc(b.args, func(arg string) bool { return arg == flag("init-file", b.initFile) })
			b.Kind = Bao
		}
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			b := &OpenBao{}
			if err := b.prepare(OpenBaoOptions{Dir: t.TempDir()}); err != nil {
				t.Fatal(err)
			}
			change(b)
			t.Cleanup(func() {
				if err := b.Stop(); err != nil {
					t.Error(err)
				}
			})
			if err := b.StartServer(t.Context()); err != nil {
				t.Fatal(err)
			}
			testOpenBaoFaults(t, b)
		})
	}
}

func testOpenBaoFaults(t *testing.T, b *OpenBao) {
	client := rootClient(t, b)
	client.SetMaxRetries(0)
	if err := client.Sys().PutPolicyWithContext(t.Context(), "kept", policyText); err != nil {
		t.Fatal(err)
	}
	readsPolicy := func(ctx context.Context) bool {
		text, err := client.Sys().GetPolicyWithContext(ctx, "kept")
		return err == nil && text == policyText
	}

	if err := b.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if readsPolicy(t.Context()) {
		t.Error("A sealed server answers")
	}
	if err := b.Unseal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !readsPolicy(t.Context()) {
		t.Error("The policy is not there after unsealing")
	}

	if err := b.StopServer(); err != nil {
		t.Fatal(err)
	}
	if readsPolicy(t.Context()) {
		t.Error("A stopped server answers")
	}
	if err := b.StartServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !readsPolicy(t.Context()) {
		t.Error("The policy is not there after a restart")
	}
	info, err := os.Stat(b.initFile)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("The mode of the init file is %o, want 600", info.Mode().Perm())
	}
}

func TestOpenBaoFeatures(t *testing.T) {
	for _, test := range []struct {
		kind    OpenBaoKind
		version string
		feature OpenBaoFeature
		want    bool
	}{
		{Embedded, "1.14.1", FeatureSelfInit, false},
		{Embedded, "9.0.0", FeatureSelfInit, false},
		{Bao, "2.3.9", FeatureSelfInit, false},
		{Bao, "2.4.0", FeatureSelfInit, true},
		{Bao, "2.6.2", FeaturePromoteDemote, true},
		{Bao, "2.2.0", FeaturePolicyCAS, false},
		{Bao, "unreadable", FeaturePolicyCAS, false},
	} {
		b := &OpenBao{Kind: test.kind, Version: test.version}
		if got := b.Has(test.feature); got != test.want {
			t.Errorf("%s %s has %s: %t, want %t", test.kind, test.version, test.feature.name, got, test.want)
		}
	}
}

func rootClient(t *testing.T, b *OpenBao) *api.Client {
	t.Helper()
	client, err := b.Client()
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func write(t *testing.T, client *api.Client, path string, data map[string]any) {
	t.Helper()
	if _, err := client.Logical().WriteWithContext(t.Context(), path, data); err != nil {
		t.Fatal(err)
	}
}

// signingKeysPEM returns the API server's published signing keys.
func signingKeysPEM(t *testing.T) []string {
	t.Helper()
	content, err := adminClient(t).Discovery().RESTClient().Get().AbsPath("/openid/v1/jwks").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(content, &set); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, key := range set.Keys {
		der, err := x509.MarshalPKIXPublicKey(key.Key)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	}
	return keys
}
