// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func certificateOf(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

// selfSigned makes a certificate for a name, with its key.
func selfSigned(t *testing.T, name string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func certificateFor(t *testing.T, name string) *tls.Config {
	t.Helper()
	pair, err := tls.X509KeyPair(selfSigned(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

// A listener that requires a client certificate says so in different ways, depending
// on the protocol.
func TestClientCertificate(t *testing.T) {
	certificate, key := selfSigned(t, "bailiwick")
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v1/sys/health" {
					answer(200, active)(w, r)
					return
				}
				okRole(w, r)
			}))
			server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: version, MaxVersion: version}
			server.StartTLS()
			t.Cleanup(server.Close)
			read := func(pair KeyPair) error {
				client, err := New(Options{Address: server.URL, CABundle: certificateOf(server), Certificate: pair, AllowLocal: true})
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				_, err = client.ReadRole(t.Context(), "m", "r")
				return err
			}
			pairOf := func(certificate, key []byte) KeyPair {
				pair, err := NewKeyPair(certificate, key)
				if err != nil {
					t.Fatal(err)
				}
				return pair
			}
			for range 20 {
				if err := read(KeyPair{}); ClassOf(err) != ClientCertificate {
					t.Fatalf("without one: got class %q of %v", ClassOf(err), err)
				}
				if err := read(pairOf(selfSigned(t, "other"))); ClassOf(err) != ClientCertificate {
					t.Fatalf("with another: got class %q of %v", ClassOf(err), err)
				}
				if err := read(pairOf(certificate, key)); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestKeyPairsAreRedacted(t *testing.T) {
	certificate, key := selfSigned(t, "bailiwick")
	pair, err := NewKeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(key)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		if text := fmt.Sprintf(format, Options{Certificate: pair}); strings.Contains(text, "PrivateKey") || !strings.Contains(text, redacted) {
			t.Errorf("%s prints %s", format, text)
		}
	}
	for name, parts := range map[string][2][]byte{
		"no certificate": {nil, key}, "no key": {certificate, nil}, "swapped": {key, certificate}, "another key": {certificate, func() []byte { _, other := selfSigned(t, "x"); return other }()},
		"broken": {certificate, bytes.ReplaceAll(key, []byte("M"), []byte("N"))},
	} {
		_, err := NewKeyPair(parts[0], parts[1])
		if err == nil || strings.Contains(err.Error(), string(block.Bytes)) || strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Nothing of what another server answers is shown.
func TestTextOfOthersIsWithheld(t *testing.T) {
	const leaked = "internal-secret"
	for name, handler := range map[string]http.HandlerFunc{
		"HTML":            answer(502, "<html>"+leaked+"</html>"),
		"text":            answer(404, leaked),
		"text, forbidden": answer(403, leaked),
		"other JSON":      answer(500, `{"message":"`+leaked+`"}`),
		"a JSON string":   answer(400, `"`+leaked+`"`),
		"errors in JSON":  answer(400, `{"errors":[{"code":"`+leaked+`"}]}`),
		"errors, one":     answer(400, `{"errors":"`+leaked+`"}`),
		"success":         answer(200, leaked),
		"success, JSON":   answer(200, `{"data":"`+leaked+`"}`),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+leaked+".example/", http.StatusFound)
		},
		"protocol": func(w http.ResponseWriter, _ *http.Request) { hijack(t, w, leaked+" 1.0\r\n\r\n") },
		"header": func(w http.ResponseWriter, _ *http.Request) {
			hijack(t, w, "HTTP/1.1 200 OK\r\n"+leaked+" "+leaked+"\r\n\r\n")
		},
		"length": func(w http.ResponseWriter, _ *http.Request) {
			hijack(t, w, "HTTP/1.1 200 OK\r\nContent-Length: "+leaked+"\r\n\r\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			for what, client := range map[string]*Client{"of requests": start(t, handler), "of health": startRaw(t, handler)} {
				_, read := client.ReadRole(t.Context(), "m", "r")
				_, listed := client.ListRoles(t.Context(), "m")
				_, mounts := client.AuthMounts(t.Context())
				_, policy := client.ReadPolicy(t.Context(), "p")
				_, health := client.Health(t.Context())
				_, login := client.LoginJWT(t.Context(), "m", "r", NewToken("eyJ"))
				_, self := client.LookupSelf(t.Context())
				for _, err := range []error{read, listed, mounts, policy, health, login, self, client.WriteRole(t.Context(), "m", "r", nil), client.RevokeSelf(t.Context())} {
					if err != nil && (strings.Contains(err.Error(), leaked) || strings.Contains(fmt.Sprintf("%v", err), leaked)) {
						t.Errorf("%s: %v", what, err)
					}
				}
			}
		})
	}
}

func hijack(t *testing.T, w http.ResponseWriter, text string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = conn.Write([]byte(text))
	_ = conn.Close()
}

// What OpenBao says is one line of bounded length without control characters.
func TestTextOfOpenBaoIsCleaned(t *testing.T) {
	client := start(t, answer(400, `{"errors":["a\u001b[31mb\u202ec\u0000\nd\u2028e`+strings.Repeat("x", 5000)+`"]}`))
	_, err := client.ReadRole(t.Context(), "m", "r")
	text := err.Error()
	if len(text) > 400 || strings.ContainsAny(text, "\x1b\x00\n\u202e\u2028") || !strings.Contains(text, "a[31mbc d e") {
		t.Errorf("got %q", text)
	}
}

func TestHealthOfOthers(t *testing.T) {
	for name, body := range map[string]string{
		"no state": `{}`, "other": `{"status":"ok"}`, "null": `null`, "id is no id": `{"initialized":true,"cluster_id":"<b>x</b>"}`,
		"id is long": `{"initialized":true,"cluster_id":"` + strings.Repeat("x", 65) + `"}`,
	} {
		if h, err := startRaw(t, answer(200, body)).Health(t.Context()); ClassOf(err) != Unknown {
			t.Errorf("%s: got %+v, %v", name, h, err)
		}
	}
	h, err := startRaw(t, answer(200, `{"initialized":true,"sealed":false,"standby":false,"version":"2.6.2+\u001b[31mx y"}`)).Health(t.Context())
	if err != nil || h.Version != "2.6.2+31mxy" {
		t.Errorf("got %+v, %v", h, err)
	}
}

func TestServerWithoutTLS(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("SSH-2.0-internal-secret\r\n"))
			_ = conn.Close()
		}
	}()
	client, err := New(Options{Address: "https://" + listener.Addr().String(), CABundle: otherCA(t), AllowLocal: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Health(t.Context())
	if ClassOf(err) != Unavailable || strings.Contains(err.Error(), "internal-secret") {
		t.Errorf("got class %q of %v", ClassOf(err), err)
	}
}
