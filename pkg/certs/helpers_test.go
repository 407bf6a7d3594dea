// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

// epoch is when the tests begin.
var epoch = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func testOptions(now time.Time) Options {
	return Options{
		Names:        Names{Cluster: "bao", Namespace: "vault"},
		RotateBefore: 30 * day, LeafLife: 100 * day, CALife: 600 * day, Overlap: 10 * day,
		Now: now,
	}
}

// mustNext calls Next, and checks what holds for every result.
func mustNext(t *testing.T, have Material, proven Proven, o Options) Result {
	t.Helper()
	before := copyMaterial(have)
	result, err := Next(have, proven, o)
	if err != nil {
		t.Fatal(err)
	}
	if !equalMaterial(before, have) {
		t.Fatal("Next changed its argument")
	}
	checkResult(t, have, proven, o, result)
	return result
}

// checkResult checks what holds for every result: it is valid, complete and stable.
func checkResult(t *testing.T, have Material, proven Proven, o Options, r Result) {
	t.Helper()
	chain, err := readServer(r.Material.Server)
	if err != nil {
		t.Fatal(err)
	}
	bundle := certificates(t, r.Material.Server[KeyCA])
	if !bytes.Equal(r.Material.CA[KeyCA], r.Material.Server[KeyCA]) {
		t.Fatal("the two Secrets hold different bundles")
	}
	if _, err := verify(chain, bundle, o.Now); err != nil {
		t.Fatalf("the certificate is not valid: %v", err)
	}
	signing, _, err := readSigning(r.Material.CA, o.Names, o.Now)
	if err != nil || !signing.cert.Equal(bundle[0]) {
		t.Fatalf("the bundle does not begin with the CA that signs: %v", err)
	}
	if (r.Material.CA[KeyNextCA] == nil) != (r.Material.CA[KeyNextCAKey] == nil) {
		t.Fatal("half of a next CA")
	}
	if next := r.Material.CA[KeyNextCA]; next != nil && !bytes.Contains(r.Material.CA[KeyCA], next) {
		t.Fatal("the next CA is not in the bundle")
	}
	if !r.LookAgain.After(o.Now) {
		t.Fatalf("look again at %s, and it is %s", r.LookAgain, o.Now)
	}
	if r.Leaf.Serial != Serial(chain[0]) || !r.Leaf.NotAfter.Equal(chain[0].NotAfter) || r.Leaf.Digest != BundleDigest(r.Material.CA[KeyCA]) {
		t.Fatalf("the description is %+v", r.Leaf)
	}
	if changed := !sameData(have.CA, r.Material.CA); changed != r.CAChanged {
		t.Fatalf("CAChanged is %t", r.CAChanged)
	}
	if changed := !sameData(have.Server, r.Material.Server); changed != r.ServerChanged {
		t.Fatalf("ServerChanged is %t", r.ServerChanged)
	}
	for _, change := range r.Changes {
		noPrivateKey(t, r.Material, change.Message)
	}
	again, err := Next(r.Material, proven, o)
	if err != nil {
		t.Fatal(err)
	}
	if again.CAChanged || again.ServerChanged || len(again.Changes) > 0 {
		t.Fatalf("a second call changes more: %+v, after %+v", again.Changes, r.Changes)
	}
}

// sameData compares Data, as a writer does that applies all keys.
func sameData(a, b map[string][]byte) bool { return maps.EqualFunc(a, b, bytes.Equal) }

func equalMaterial(a, b Material) bool { return sameData(a.CA, b.CA) && sameData(a.Server, b.Server) }

func copyMaterial(m Material) Material {
	deep := func(data map[string][]byte) map[string][]byte {
		out := maps.Clone(data)
		for key := range out {
			out[key] = bytes.Clone(out[key])
		}
		return out
	}
	return Material{CA: deep(m.CA), Server: deep(m.Server)}
}

func certificates(t testing.TB, data []byte) []*x509.Certificate {
	t.Helper()
	certs, err := parseCertificates(data)
	if err != nil {
		t.Fatal(err)
	}
	return certs
}

func reasonsOf(r Result) []Reason {
	var reasons []Reason
	for _, change := range r.Changes {
		reasons = append(reasons, change.Reason)
	}
	return reasons
}

func wantReasons(t *testing.T, r Result, want ...Reason) {
	t.Helper()
	if got := reasonsOf(r); !slices.Equal(got, want) {
		t.Errorf("changes are %+v, want the reasons %v", r.Changes, want)
	}
}

// everyPod is the proof that all pods have been started with what a result holds.
func everyPod(r Result) Proven {
	return Proven{BundleDigest: r.Leaf.Digest, LeafSerials: []string{r.Leaf.Serial, r.Leaf.Serial, r.Leaf.Serial}}
}

// noPrivateKey fails if a text holds part of a private key, in PEM or as bytes.
func noPrivateKey(t *testing.T, m Material, text string) {
	t.Helper()
	for _, data := range []map[string][]byte{m.CA, m.Server} {
		for _, key := range []string{KeyCAKey, KeyNextCAKey, KeyPrivateKey} {
			value := data[key]
			if len(value) == 0 {
				continue
			}
			lines := bytes.Split(bytes.TrimSpace(value), []byte("\n"))
			if strings.Contains(text, string(lines[len(lines)/2])) || strings.Contains(text, strings.Trim(fmt.Sprint(value), "[]")) {
				t.Fatalf("%q shows the private key %s", text, key)
			}
		}
	}
}

// issuer is a CA outside of this package, of any shape.
type issuer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newIssuer(t testing.TB, change func(*x509.Certificate), parent *issuer) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: fmt.Sprintf("CA %s", rand.Text())},
		NotBefore: epoch.Add(-10 * day), NotAfter: epoch.Add(590 * day),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if change != nil {
		change(template)
	}
	signer, parentCert := crypto.Signer(key), (*x509.Certificate)(nil)
	if parent != nil {
		signer, parentCert = parent.key, parent.cert
	}
	cert, err := sign(template, parentCert, signer, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{cert: cert, key: key}
}

// data is the Secret of a CA as a person would write it, with the key in SEC 1.
func (i *issuer) data(t testing.TB) map[string][]byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(i.key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		KeyCA:    encodeCertificates(i.cert),
		KeyCAKey: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}),
	}
}

// server is the Secret of a server that this CA has issued, with the key as OpenSSL
// writes it.
func (i *issuer) server(t testing.TB, names []string, change func(*x509.Certificate), chain ...*x509.Certificate) map[string][]byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		NotBefore: epoch.Add(-day), NotAfter: epoch.Add(90 * day), DNSNames: names,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}})
	return map[string][]byte{
		KeyCertificate: encodeCertificates(append([]*x509.Certificate{i.sign(t, template, key)}, chain...)...),
		KeyPrivateKey:  append(parameters, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})...),
		KeyCA:          encodeCertificates(i.cert),
	}
}

func (i *issuer) sign(t testing.TB, template *x509.Certificate, key crypto.Signer) *x509.Certificate {
	t.Helper()
	cert, err := sign(template, i.cert, i.key, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
