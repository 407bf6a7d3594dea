// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/tests/internal/pki"
)

// transitEngine is as much of the API of a transit engine as a seal needs.
type transitEngine struct {
	token              string
	aead               cipher.AEAD
	encrypts, decrypts atomic.Int64
}

// ServeHTTP implements http.Handler.
func (e *transitEngine) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	var in struct{ Plaintext, Ciphertext string }
	if r.Header.Get("X-Vault-Token") != e.token {
		http.Error(rw, `{"errors":["permission denied"]}`, http.StatusForbidden)
		return
	}
	// Requests about the token have no body.
	_ = json.NewDecoder(r.Body).Decode(&in)
	data := map[string]any{}
	switch r.URL.Path {
	case "/v1/transit/encrypt/prod":
		e.encrypts.Add(1)
		plain, err := base64.StdEncoding.DecodeString(in.Plaintext)
		if err != nil {
			http.Error(rw, `{"errors":["no base64"]}`, http.StatusBadRequest)
			return
		}
		nonce := make([]byte, e.aead.NonceSize())
		_, _ = rand.Read(nonce) // It never fails.
		data["ciphertext"] = "vault:v1:" + base64.StdEncoding.EncodeToString(e.aead.Seal(nonce, nonce, plain, nil))
	case "/v1/transit/decrypt/prod":
		e.decrypts.Add(1)
		sealed, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(in.Ciphertext, "vault:v1:"))
		size := e.aead.NonceSize()
		if err != nil || len(sealed) < size {
			http.Error(rw, `{"errors":["no ciphertext"]}`, http.StatusBadRequest)
			return
		}
		plain, err := e.aead.Open(nil, sealed[:size], sealed[size:], nil)
		if err != nil {
			http.Error(rw, `{"errors":["not encrypted here"]}`, http.StatusBadRequest)
			return
		}
		data["plaintext"] = base64.StdEncoding.EncodeToString(plain)
	default:
		http.Error(rw, `{"errors":[]}`, http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(rw).Encode(map[string]any{"data": data})
}

// TestTransitSeal has another server keep the key that unseals the servers, with a token
// that is nowhere but in its Secret.
func TestTransitSeal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	engine := &transitEngine{token: "s." + rand.Text()}
	if engine.aead, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	authority, err := pki.NewAuthority("engine")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Server([]net.IP{net.ParseIP(shared.GatewayAddr())})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(shared.GatewayAddr(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{
		Listener: listener, TLS: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, Config: &http.Server{Handler: engine},
	}
	server.StartTLS()
	defer server.Close()

	if _, err := w.kube.CoreV1().Secrets(w.ns).Create(w.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "seal"},
		StringData: map[string]string{"token": engine.token, "ca.crt": string(authority.PEM)},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.grant()
	w.start()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	w.create(w.cluster("prod", one, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Unseal = &openbaov1alpha1.UnsealSpec{
			Type: openbaov1alpha1.UnsealTransit, CredentialsSecretRef: &openbaov1alpha1.LocalObjectReference{Name: "seal"},
			Transit: &openbaov1alpha1.TransitUnseal{
				Address: server.URL, KeyName: "prod", MountPath: "transit", DisableRenewal: new(true),
			},
		}
		w.egress(c, shared.GatewayAddr(), port)
	}))
	w.startsWithEngine(engine)

	for what, kinds := range map[string]string{
		"An object": "configmaps,statefulsets,pods,events,openbaoclusters",
	} {
		if strings.Contains(w.sh("kubectl -n "+w.ns+" get "+kinds+" -o yaml"), engine.token) {
			t.Errorf("%s shows the token of the seal", what)
		}
	}
	if strings.Contains(w.sh("kubectl -n "+w.ns+" logs prod-0"), engine.token) || w.logs.contains(engine.token) {
		t.Error("A log shows the token of the seal")
	}
	if err := gone(w.secret("prod-unseal-key")); err != nil {
		t.Errorf("The key of a static seal: %v", err)
	}
}

// egress lets servers reach one port more.
func (w *world) egress(c *openbaov1alpha1.OpenBaoCluster, address, port string) {
	w.Helper()
	rule := c.Spec.Network.EgressRules[0].DeepCopy()
	rule.To[0].IPBlock.CIDR = address + "/32"
	rule.Ports = rule.Ports[1:]
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		w.Fatal(err)
	}
	rule.Ports[0].Port.IntVal = int32(number)
	c.Spec.Network.EgressRules = append(c.Spec.Network.EgressRules, *rule)
}

// startsWithEngine checks that servers need the engine to start, and again.
func (w *world) startsWithEngine(engine *transitEngine) {
	w.Helper()
	w.isWhole(w.ready("prod"))
	if engine.encrypts.Load() == 0 {
		w.Error("The engine has encrypted nothing")
	}
	before := engine.decrypts.Load()
	if err := w.kube.CoreV1().Pods(w.ns).Delete(w.ctx, "prod-0", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
		w.Fatal(err)
	}
	w.eventually("the restarted server to ask for its key", func() error {
		if engine.decrypts.Load() == before {
			return errMessage("it has not")
		}
		return nil
	})
	w.eventually("the restarted server to be unsealed", func() error {
		n, err := w.probe("prod", "prod-0")
		if err == nil && n.Sealed {
			err = errMessage("it is sealed")
		}
		return err
	})
}
