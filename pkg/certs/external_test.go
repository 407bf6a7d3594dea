// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"strings"
	"testing"
	"time"
)

var externalNames = Names{Cluster: "bao", Namespace: "vault", Ordinals: 3, Extra: []string{"not.looked.for"}}

func TestCheckExternal(t *testing.T) {
	t.Parallel()
	services := []string{"bao.vault.svc", "bao-public.vault.svc", "bao-active.vault.svc"}
	pods := []string{"bao-0.bao.vault.svc", "bao-1.bao.vault.svc", "bao-2.bao.vault.svc"}
	wildcard := append([]string{"*.bao.vault.svc"}, services...)
	root := newIssuer(t, nil, nil)
	intermediate := newIssuer(t, nil, root)
	stranger := newIssuer(t, nil, nil)
	with := func(data map[string][]byte, key string, value []byte) map[string][]byte {
		data[key] = value
		return data
	}
	good := func() map[string][]byte { return root.server(t, wildcard, nil) }
	certManager := "with cert-manager, a Certificate with spec.dnsNames [bao.vault.svc, bao-public.vault.svc, bao-active.vault.svc, *.bao.vault.svc]"

	for _, test := range []struct {
		name string
		data map[string][]byte
		// want are parts of the error; none means that the Secret is good.
		want []string
	}{
		{"wildcard", good(), nil},
		{"names of pods", root.server(t, append(pods, services...), nil), nil},
		{"intermediate in tls.crt", with(intermediate.server(t, wildcard, nil, intermediate.cert), KeyCA, encodeCertificates(root.cert)), nil},
		{"CA among others", with(good(), KeyCA, encodeCertificates(stranger.cert, root.cert)), nil},
		{"no extended key usage", root.server(t, wildcard, func(c *x509.Certificate) { c.ExtKeyUsage = nil }), nil},

		{"no Secret", nil, []string{"does not exist", `spec.secretName "bao-tls-server"`, "*.bao.vault.svc"}},
		{"no certificate", with(good(), KeyCertificate, nil), []string{"the key tls.crt is missing or empty"}},
		{"no key", with(good(), KeyPrivateKey, nil), []string{"the key tls.key is missing or empty"}},
		{"no CA", with(good(), KeyCA, []byte{}), []string{"the key ca.crt is missing or empty", "issuer must put its CA there", "cert-manager", "ACME"}},
		{"garbage CA", with(good(), KeyCA, []byte("xxx")), []string{"ca.crt: there is no PEM block of type CERTIFICATE"}},
		{"garbage certificate", with(good(), KeyCertificate, []byte("-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n")), []string{"tls.crt: certificate 1 does not parse"}},
		{"garbage key", with(good(), KeyPrivateKey, []byte("-----BEGIN PRIVATE KEY-----\nYWJj\n-----END PRIVATE KEY-----\n")), []string{"tls.key: the private key does not parse"}},
		{"no private key", with(good(), KeyPrivateKey, []byte("secret text")), []string{"tls.key: there is no PEM block with a private key"}},
		{"key of another", with(good(), KeyPrivateKey, good()[KeyPrivateKey]), []string{"tls.key does not belong to the certificate in tls.crt"}},
		{"expired", root.server(t, wildcard, func(c *x509.Certificate) { c.NotAfter = epoch.Add(-time.Minute) }), []string{"expired at 2030-01-01T11:59:00Z", "renew"}},
		{"not yet valid", root.server(t, wildcard, func(c *x509.Certificate) { c.NotBefore = epoch.Add(time.Hour) }), []string{"is not valid before 2030-01-01T13:00:00Z"}},
		{"other CA", with(good(), KeyCA, encodeCertificates(stranger.cert)), []string{"ca.crt does not verify the certificate in tls.crt", "unknown authority"}},
		{"intermediate missing", with(intermediate.server(t, wildcard, nil), KeyCA, encodeCertificates(root.cert)), []string{"ca.crt does not verify", "any intermediate CA"}},
		{"for clients only", root.server(t, wildcard, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), []string{"must allow server authentication"}},
		{"names of pods missing", root.server(t, append(pods[:2:2], services...), nil), []string{"lacks bao-2.bao.vault.svc;", certManager}},
		{"services missing", root.server(t, wildcard[:2], nil), []string{"lacks bao-public.vault.svc, bao-active.vault.svc;", certManager}},
		{"common name only", root.server(t, nil, func(c *x509.Certificate) {
			c.Subject = pkix.Name{CommonName: "bao.vault.svc"}
			c.IPAddresses = []net.IP{net.IPv6loopback}
		}), []string{"lacks bao.vault.svc,"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			info, err := CheckExternal(test.data, externalNames, epoch)
			if len(test.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				serial, err := SerialOfPEM(test.data[KeyCertificate])
				if err != nil || info.Serial != serial || info.Digest != BundleDigest(test.data[KeyCA]) ||
					!info.NotAfter.Equal(epoch.Add(90*day)) || !info.CANotAfter.Equal(root.cert.NotAfter) {
					t.Errorf("the description is %+v (%v)", info, err)
				}
				return
			}
			if err == nil {
				t.Fatal("nothing was found")
			}
			for _, want := range append(test.want, "Secret vault/bao-tls-server: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q, without %q", err, want)
				}
			}
			noPrivateKey(t, Material{Server: test.data}, err.Error())
			if strings.Contains(err.Error(), "secret text") {
				t.Errorf("%q shows the private key", err)
			}
		})
	}
}

// A certificate without a wildcard that was issued for all pods there can be is good
// for any number of replicas.
func TestCheckExternalCountsPods(t *testing.T) {
	t.Parallel()
	root := newIssuer(t, nil, nil)
	n := externalNames
	data := root.server(t, append(n.services(), n.pods()...), nil)
	if _, err := CheckExternal(data, n, epoch); err != nil {
		t.Error(err)
	}
	n.Ordinals = 0
	if _, err := CheckExternal(data, n, epoch); err == nil || !strings.Contains(err.Error(), "bao-3.bao.vault.svc") {
		t.Errorf("all nine pods are covered: %v", err)
	}
}

// cert-manager makes RSA keys in PKCS #1 by default.
func TestCheckExternalRSA(t *testing.T) {
	t.Parallel()
	root := newIssuer(t, nil, nil)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	leaf := root.sign(t, &x509.Certificate{
		NotBefore: epoch, NotAfter: epoch.Add(day), DNSNames: []string{"*.bao.vault.svc", "*.vault.svc"},
	}, key)
	data := map[string][]byte{
		KeyCertificate: encodeCertificates(leaf),
		KeyPrivateKey:  pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		KeyCA:          encodeCertificates(root.cert),
	}
	if _, err := CheckExternal(data, externalNames, epoch); err != nil {
		t.Error(err)
	}
}
