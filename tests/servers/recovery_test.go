// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/tests/internal/baoimage"
)

// TestStartWithoutSelfInit has Bailiwick initialize the servers. The shares that it keeps
// make a root token, which finds no other one.
func TestStartWithoutSelfInit(t *testing.T) {
	t.Run("shares in a Secret", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.grant()
		w.start(authorizing)
		var generator string
		var m *mortal
		m = w.startMortal(func(change string) bool {
			if change == "init" {
				// The process waits for this before it does anything more.
				generator = w.generator("prod", m.roots[0])
				secret, err := w.kube.CoreV1().Secrets(w.ns).Get(w.ctx, "prod-keys", metav1.GetOptions{})
				if err != nil || len(secret.Data) > 0 {
					w.Errorf("When the server has been initialized, the Secret of the shares has %d keys, and %v", len(secret.Data), err)
				}
			}
			return false
		})
		w.create(w.cluster("prod", one, withoutSelfInit, func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.RecoveryKeys = &openbaov1alpha1.RecoveryKeysSpec{Shares: new(int32(3)), Threshold: new(int32(2)), SecretName: "prod-keys"}
		}))
		w.ready("prod")
		w.startedWhole("prod")
		w.refused("prod", m.roots)
		shares := w.shares("prod-keys")
		if len(shares) != 3 {
			t.Fatalf("There are %d shares, want 3", len(shares))
		}
		w.makesOneRoot("prod", generator, shares[1], shares[2])
	})
	t.Run("shares for PGP recipients", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.grant()
		w.start(authorizing)
		var generator string
		var m *mortal
		m = w.startMortal(func(change string) bool {
			if change == "init" {
				generator = w.generator("prod", m.roots[0])
			}
			return false
		})
		person, err := openpgp.NewEntity("Ada", "", "ada@example.com", &packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048})
		if err != nil {
			t.Fatal(err)
		}
		var public bytes.Buffer
		if err := person.Serialize(&public); err != nil {
			t.Fatal(err)
		}
		w.create(w.cluster("prod", one, withoutSelfInit, func(c *openbaov1alpha1.OpenBaoCluster) {
			c.Spec.RecoveryKeys = &openbaov1alpha1.RecoveryKeysSpec{Recipients: []openbaov1alpha1.RecoveryKeyRecipient{
				{Name: "ada", PGPPublicKey: base64.StdEncoding.EncodeToString(public.Bytes())},
			}}
		}))
		w.ready("prod")
		w.startedWhole("prod")
		w.refused("prod", m.roots)
		secret, err := w.kube.CoreV1().Secrets(w.ns).Get(w.ctx, "prod-recovery-keys", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		encrypted, err := base64.StdEncoding.DecodeString(string(secret.Data["ada"]))
		if err != nil {
			t.Fatalf("The share of ada, whose Secret has the keys %v: %v", slices.Collect(maps.Keys(secret.Data)), err)
		}
		message, err := openpgp.ReadMessage(bytes.NewReader(encrypted), openpgp.EntityList{person}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		share, err := io.ReadAll(message.UnverifiedBody)
		if err != nil {
			t.Fatal(err)
		}
		// What is encrypted is the share in hexadecimal digits.
		w.makesOneRoot("prod", generator, string(share))
	})
}

// shares returns what a Secret has, in the order of its keys.
func (w *world) shares(name string) []string {
	w.Helper()
	secret, err := w.kube.CoreV1().Secrets(w.ns).Get(w.ctx, name, metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	var out []string
	for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
		out = append(out, string(secret.Data[key]))
	}
	return out
}

// generator makes a token that may make a root token with shares. From OpenBao 2.6 on,
// nobody may who has no token.
func (w *world) generator(cluster string, root openbao.Token) string {
	w.Helper()
	if baoimage.IsTestServer() {
		return ""
	}
	// Nothing shows a Token, and this test has no other way to what somebody who is there in
	// time may do.
	secret := reflect.ValueOf(root).FieldByName("value").Elem().String()
	w.eventually("the server to be unsealed", func() error {
		status, answer := w.send(cluster, http.MethodPut, "sys/policies/acl/generator", secret, map[string]any{
			"policy": `path "sys/generate-root-token/*" { capabilities = ["create", "update", "sudo"] }`,
		})
		if status >= 300 {
			return fmt.Errorf("%d %s", status, answer)
		}
		return nil
	})
	var made struct {
		Auth struct {
			ClientToken string `json:"client_token"`
		}
	}
	w.request(cluster, http.MethodPut, "auth/token/create-orphan", secret, map[string]any{"policies": []string{"generator"}}, &made)
	return made.Auth.ClientToken
}

// makesOneRoot makes a root token with shares of the recovery key, which proves them, and
// checks that no other token has the policy root.
func (w *world) makesOneRoot(cluster, generator string, shares ...string) {
	w.Helper()
	path := "sys/generate-root"
	if generator != "" {
		path = "sys/generate-root-token"
	}
	ask := func(what string, body map[string]any, into any) {
		status, raw := w.send(cluster, http.MethodPut, path+what, generator, body)
		if status >= 300 {
			w.Fatalf("%s%s: %d %s", path, what, status, raw)
		}
		var wrapped struct{ Data json.RawMessage }
		if err := json.Unmarshal(raw, &wrapped); err != nil {
			w.Fatal(err)
		}
		if generator != "" {
			// It answers as all paths do that need a token.
			raw = wrapped.Data
		}
		if err := json.Unmarshal(raw, into); err != nil {
			w.Fatal(err)
		}
	}
	var attempt struct {
		Nonce, OTP string
	}
	ask("/attempt", nil, &attempt)
	var progress struct {
		Complete     bool
		EncodedToken string `json:"encoded_token"`
	}
	for _, share := range shares {
		ask("/update", map[string]any{"key": share, "nonce": attempt.Nonce}, &progress)
	}
	if !progress.Complete {
		w.Fatalf("%d shares do not make the recovery key", len(shares))
	}
	token, err := base64.RawStdEncoding.DecodeString(progress.EncodedToken)
	if err != nil || len(token) != len(attempt.OTP) {
		w.Fatalf("The root token is %d bytes long, and %v", len(token), err)
	}
	for i := range token {
		token[i] ^= attempt.OTP[i]
	}
	root := string(token)
	defer w.request(cluster, http.MethodPut, "auth/token/revoke-self", root, nil, nil)
	var list struct{ Data struct{ Keys []string } }
	w.request(cluster, "LIST", "auth/token/accessors", root, nil, &list)
	roots := 0
	for _, accessor := range list.Data.Keys {
		var found struct{ Data struct{ Policies []string } }
		w.request(cluster, http.MethodPut, "auth/token/lookup-accessor", root, map[string]any{"accessor": accessor}, &found)
		if slices.Contains(found.Data.Policies, "root") {
			roots++
		}
	}
	if roots != 1 {
		w.Errorf("%d tokens have the policy root, want the one of this test only", roots)
	}
}

// request sends a request to the first server of a cluster.
func (w *world) request(cluster, method, path, token string, body, into any) {
	w.Helper()
	status, answer := w.send(cluster, method, path, token, body)
	if status >= 300 {
		w.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(answer, into); err != nil {
		w.Fatal(fmt.Errorf("%s %s: %w", method, path, err))
	}
}

// send sends a request to the first server of a cluster, and returns what it answers.
func (w *world) send(cluster, method, path, token string, body any) (status int, answer []byte) {
	w.Helper()
	opts := w.serverOptions(cluster, cluster+"-0", openbao.Token{})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(opts.CABundle)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: opts.ServerName}}
	defer transport.CloseIdleConnections()
	raw, err := json.Marshal(body)
	if err != nil {
		w.Fatal(err)
	}
	r, err := http.NewRequestWithContext(w.ctx, method, opts.Address+"/v1/"+path, bytes.NewReader(raw))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", token)
	response, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	if answer, err = io.ReadAll(response.Body); err != nil {
		w.Fatal(err)
	}
	return response.StatusCode, answer
}
