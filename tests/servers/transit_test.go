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
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/tests/internal/baoimage"
	"github.com/bailiwick-operator/bailiwick/tests/internal/pki"
)

// engine is a transit engine elsewhere.
type engine interface {
	// has sets what a cluster needs to be unsealed by it.
	has(c *openbaov1alpha1.OpenBaoCluster)
	// ca verifies its server.
	ca() []byte
	stop()
	start()
	// asked counts the requests of one kind that it has carried out since its start.
	asked(operation string) int
}

// TestTransitSeal has a transit engine unseal servers, with a token that is nowhere but in
// its Secret: that of another cluster or, as the test server has none, one of this test.
func TestTransitSeal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant()
	w.start()
	token := rand.Text()
	var e engine
	if baoimage.IsTestServer() {
		e = w.ownEngine(token)
	} else {
		e = w.clusterWithEngine(token)
	}
	if _, err := w.kube.CoreV1().Secrets(w.ns).Create(w.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "seal"}, StringData: map[string]string{"token": token, "ca.crt": string(e.ca())},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.create(w.cluster("prod", one, e.has))
	w.isWhole(w.ready("prod"))
	if e.asked("encrypt") == 0 {
		t.Error("The engine was not asked to encrypt anything")
	}

	// Without the engine the servers stay sealed, and with it they unseal themselves.
	e.stop()
	w.sh("kubectl -n " + w.ns + " delete pod prod-0")
	w.eventually("the server to miss the engine", func() error {
		n, err := w.probe("prod", "prod-0")
		if err == nil && !n.Sealed {
			t.Fatal("The server is unsealed, and the engine is gone")
		}
		pod, err := w.kube.CoreV1().Pods(w.ns).Get(w.ctx, "prod-0", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, s := range pod.Status.ContainerStatuses {
			// It says why, and ends.
			if s.RestartCount > 0 {
				return nil
			}
		}
		return errMessage("its server has not ended")
	})
	e.start()
	w.shows("prod", "prod-0", serialOf(t, w.tls("prod")))
	w.isWhole(w.ready("prod"))
	if e.asked("decrypt") == 0 {
		t.Error("The engine was not asked to decrypt anything")
	}

	// The object of the other cluster has it, since this test made it there.
	for _, objects := range []string{"configmaps,statefulsets,pods,events", "openbaocluster prod"} {
		if strings.Contains(w.sh("kubectl -n "+w.ns+" get "+objects+" -o yaml"), token) {
			t.Errorf("The token of the seal is shown by one of: %s", objects)
		}
	}
	if strings.Contains(w.sh("kubectl -n "+w.ns+" logs prod-0"), token) || w.logs.contains(token) {
		t.Error("A log shows the token of the seal")
	}
	if err := gone(w.secret("prod-unseal-key")); err != nil {
		t.Errorf("The key of a static seal: %v", err)
	}
}

// clusterEngine is the engine of the cluster keys.
type clusterEngine struct{ w *world }

// clusterWithEngine starts a cluster whose engine a token may use.
func (w *world) clusterWithEngine(token string) engine {
	w.Helper()
	w.create(w.cluster("keys", one, audited, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.SelfInit.Requests = append(append([]openbaov1alpha1.SelfInitRequest{
			{
				Name: "engine", Operation: openbaov1alpha1.RequestUpdate, Path: "sys/mounts/transit",
				SecretEngine: &openbaov1alpha1.SecretEngineRequest{Type: "transit"},
			},
			{
				Name: "key", Operation: openbaov1alpha1.RequestUpdate, Path: "transit/keys/prod",
				Data: &runtime.RawExtension{Raw: []byte(`{"type":"aes256-gcm96"}`)},
			},
		}, asking("seal", `
path "transit/encrypt/prod" { capabilities = ["update"] }
path "transit/decrypt/prod" { capabilities = ["update"] }
`)...), tokenOf(w.T, "seal", token))
		c.Spec.Network.IngressRules = append(c.Spec.Network.IngressRules, openbaov1alpha1.NetworkPolicyIngressRule{
			From: []openbaov1alpha1.NetworkPolicyPeer{serversOf("prod")}, Ports: tcp(8200),
		})
	}))
	w.isWhole(w.ready("keys"))
	return clusterEngine{w}
}

func (e clusterEngine) has(c *openbaov1alpha1.OpenBaoCluster) {
	sealedBy(c, "https://keys-active."+e.w.ns+".svc:8200")
	c.Spec.Network.EgressRules = append(c.Spec.Network.EgressRules, openbaov1alpha1.NetworkPolicyEgressRule{
		To: []openbaov1alpha1.NetworkPolicyPeer{serversOf("keys")}, Ports: tcp(8200),
	})
}

func (e clusterEngine) ca() []byte { return e.w.tls("keys").Data["ca.crt"] }

func (e clusterEngine) stop() {
	e.w.Helper()
	e.w.patch("keys", `{"spec":{"paused":true}}`)
	e.w.sh("kubectl -n " + e.w.ns + " scale statefulset keys --replicas=0")
	e.w.eventually("the engine to be gone", func() error {
		_, err := e.w.kube.CoreV1().Pods(e.w.ns).Get(e.w.ctx, "keys-0", metav1.GetOptions{})
		return gone(err)
	})
}

func (e clusterEngine) start() {
	e.w.Helper()
	e.w.patch("keys", `{"spec":{"paused":false}}`)
	e.w.isWhole(e.w.ready("keys"))
}

func (e clusterEngine) asked(operation string) int {
	e.w.Helper()
	n := 0
	for _, entry := range e.w.audit("keys-0") {
		if entry.Type == "response" && entry.Request.Path == "transit/"+operation+"/prod" && entry.Error == "" {
			n++
		}
	}
	return n
}

// ownEngine is as much of the API of a transit engine as a seal needs.
type ownEngine struct {
	w                  *world
	token, host, port  string
	authority          *pki.Authority
	aead               cipher.AEAD
	down               atomic.Bool
	encrypts, decrypts atomic.Int64
}

// ownEngine serves an engine to the pods of the node.
func (w *world) ownEngine(token string) engine {
	w.Helper()
	e := &ownEngine{w: w, token: token, host: shared.GatewayAddr()}
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		w.Fatal(err)
	}
	if e.aead, err = cipher.NewGCM(block); err != nil {
		w.Fatal(err)
	}
	if e.authority, err = pki.NewAuthority("engine"); err != nil {
		w.Fatal(err)
	}
	pair, err := e.authority.Server([]net.IP{net.ParseIP(e.host)})
	if err != nil {
		w.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		w.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(w.ctx, "tcp", net.JoinHostPort(e.host, "0"))
	if err != nil {
		w.Fatal(err)
	}
	if _, e.port, err = net.SplitHostPort(listener.Addr().String()); err != nil {
		w.Fatal(err)
	}
	server := &httptest.Server{
		Listener: listener, TLS: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, Config: &http.Server{Handler: e},
	}
	server.StartTLS()
	w.Cleanup(server.Close)
	return e
}

func (e *ownEngine) has(c *openbaov1alpha1.OpenBaoCluster) {
	e.w.Helper()
	sealedBy(c, "https://"+net.JoinHostPort(e.host, e.port))
	number, err := strconv.ParseInt(e.port, 10, 32)
	if err != nil {
		e.w.Fatal(err)
	}
	c.Spec.Network.EgressRules = append(c.Spec.Network.EgressRules, openbaov1alpha1.NetworkPolicyEgressRule{
		To: []openbaov1alpha1.NetworkPolicyPeer{{IPBlock: &openbaov1alpha1.IPBlock{CIDR: e.host + "/32"}}}, Ports: tcp(int32(number)),
	})
}

func (e *ownEngine) ca() []byte { return e.authority.PEM }
func (e *ownEngine) stop()      { e.down.Store(true) }
func (e *ownEngine) start()     { e.down.Store(false) }

func (e *ownEngine) asked(operation string) int {
	if operation == "encrypt" {
		return int(e.encrypts.Load())
	}
	return int(e.decrypts.Load())
}

// ServeHTTP implements http.Handler.
func (e *ownEngine) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	var in struct{ Plaintext, Ciphertext string }
	if e.down.Load() {
		http.Error(rw, `{"errors":["the engine is sealed"]}`, http.StatusServiceUnavailable)
		return
	}
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
		e.decrypts.Add(1)
		data["plaintext"] = base64.StdEncoding.EncodeToString(plain)
	default:
		http.Error(rw, `{"errors":[]}`, http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(rw).Encode(map[string]any{"data": data})
}

// sealedBy has the engine at an address unseal a cluster.
func sealedBy(c *openbaov1alpha1.OpenBaoCluster, address string) {
	c.Spec.Unseal = &openbaov1alpha1.UnsealSpec{
		Type: openbaov1alpha1.UnsealTransit, CredentialsSecretRef: &openbaov1alpha1.LocalObjectReference{Name: "seal"},
		Transit: &openbaov1alpha1.TransitUnseal{Address: address, KeyName: "prod", MountPath: "transit"},
	}
}

// serversOf are the servers of a cluster in the same namespace.
func serversOf(cluster string) openbaov1alpha1.NetworkPolicyPeer {
	return openbaov1alpha1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{
		"openbao.org/cluster": cluster, "openbao.org/component": "server",
	}}}
}

// tcp is one port.
func tcp(port int32) []openbaov1alpha1.NetworkPolicyPort {
	return []openbaov1alpha1.NetworkPolicyPort{{Protocol: new("TCP"), Port: new(intstr.FromInt32(port))}}
}
