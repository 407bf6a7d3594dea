// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/x509"
	"strings"
	"testing"
)

// FuzzSecrets checks that whatever Secrets hold gives a valid result or an error,
// and that neither shows a private key.
// Keys that are made at random change the coverage of each run, so do not minimize:
// go test ./pkg/certs -run xxx -fuzz FuzzSecrets -fuzztime 30s -fuzzminimizetime 1x
func FuzzSecrets(f *testing.F) {
	first, err := Next(Material{}, Proven{}, testOptions(epoch))
	if err != nil {
		f.Fatal(err)
	}
	published, err := Next(first.Material, Proven{}, testOptions(epoch.Add(590*day)))
	if err != nil {
		f.Fatal(err)
	}
	own := newIssuer(f, nil, nil)
	foreign := own.server(f, []string{"bao.vault.svc"}, nil)
	for _, m := range []Material{{}, first.Material, published.Material, {CA: own.data(f), Server: first.Material.Server}, {CA: first.Material.CA, Server: foreign}} {
		f.Add(m.CA[KeyCA], m.CA[KeyCAKey], m.CA[KeyNextCA], m.CA[KeyNextCAKey], m.Server[KeyCertificate], m.Server[KeyPrivateKey], m.Server[KeyCA])
	}
	f.Fuzz(func(t *testing.T, ca, caKey, next, nextKey, cert, key, bundle []byte) {
		m := Material{
			CA:     map[string][]byte{KeyCA: ca, KeyCAKey: caKey, KeyNextCA: next, KeyNextCAKey: nextKey},
			Server: map[string][]byte{KeyCertificate: cert, KeyPrivateKey: key, KeyCA: bundle},
		}
		o := testOptions(epoch)
		r, err := Next(m, Proven{}, o)
		if err == nil {
			again, err := Next(r.Material, Proven{}, o)
			if err != nil || again.CAChanged || again.ServerChanged {
				t.Errorf("a second call changes more: %+v (%v)", again.Changes, err)
			}
			if _, err := verify(certificates(t, r.Material.Server[KeyCertificate]), certificates(t, r.Material.CA[KeyCA]), epoch); err != nil {
				t.Error(err)
			}
		}
		_, external := CheckExternal(m.Server, o.Names, epoch)
		for _, err := range []error{err, external} {
			if err == nil {
				continue
			}
			for _, secret := range [][]byte{caKey, nextKey, key} {
				// Short values occur in any text.
				if len(secret) > 40 && strings.Contains(err.Error(), string(secret)) {
					t.Errorf("%q shows a private key", err)
				}
			}
		}
	})
}

// FuzzExtraSAN checks that a name that is accepted can be in a certificate, and that
// clients find it there.
// Run it with:
// go test ./pkg/certs -run xxx -fuzz FuzzExtraSAN -fuzztime 30s -fuzzminimizetime 1x
func FuzzExtraSAN(f *testing.F) {
	for _, name := range []string{"a.example.com", "*.example.com", "10.0.0.1", "::1", "*", "a b", "x:8200", "xn--bcher-kva.example", "_a.b", "1.2.3", "fe80::1%eth0"} {
		f.Add(name)
	}
	ca, err := newAuthority(testOptions(epoch).Names, day, epoch)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		n := Names{Cluster: "bao", Namespace: "vault", Extra: []string{name}}
		dns, ips, err := SANs(n)
		if err != nil {
			return
		}
		leaf, _, err := ca.issue(n, dns, ips, epoch.Add(day), epoch)
		if err != nil {
			t.Fatal(err)
		}
		if err := leaf.VerifyHostname(strings.Replace(name, "*", "any", 1)); err != nil {
			t.Error(err)
		}
		if missing := missingNames(leaf, dns, ips); len(missing) > 0 {
			t.Errorf("%v is missing after parsing", missing)
		}
		if _, err := verify([]*x509.Certificate{leaf}, []*x509.Certificate{ca.cert}, epoch); err != nil {
			t.Error(err)
		}
	})
}
