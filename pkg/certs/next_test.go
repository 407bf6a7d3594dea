// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// fresh returns what a first call makes.
func fresh(t *testing.T) Result {
	t.Helper()
	return mustNext(t, Material{}, Proven{}, testOptions(epoch))
}

func TestFirstCertificates(t *testing.T) {
	t.Parallel()
	r := fresh(t)
	wantReasons(t, r, CACreated, CertificateIssued)
	if !r.CAChanged || !r.ServerChanged || r.Waiting != "" {
		t.Errorf("the result is %+v", r)
	}
	ca, leaf := certificates(t, r.Material.CA[KeyCA])[0], certificates(t, r.Material.Server[KeyCertificate])[0]
	if !ca.NotBefore.Equal(epoch.Add(-time.Hour)) || !ca.NotAfter.Equal(epoch.Add(600*day)) || !ca.MaxPathLenZero {
		t.Errorf("the CA is valid from %s to %s, path length zero: %t", ca.NotBefore, ca.NotAfter, ca.MaxPathLenZero)
	}
	if !leaf.NotBefore.Equal(epoch.Add(-time.Hour)) || !leaf.NotAfter.Equal(epoch.Add(100*day)) || leaf.IsCA {
		t.Errorf("the certificate is valid from %s to %s, CA: %t", leaf.NotBefore, leaf.NotAfter, leaf.IsCA)
	}
	for _, cert := range []*x509.Certificate{ca, leaf} {
		if key, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
			t.Errorf("the key of %s is not of P-256", cert.Subject)
		}
		if serial := Serial(cert); len(serial) != 32 || serial != strings.ToLower(serial) {
			t.Errorf("the serial number is %s", serial)
		}
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: poolOf([]*x509.Certificate{ca}), CurrentTime: epoch, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"bao-active.vault.svc", "bao-8.bao.vault.svc.cluster.local", "localhost", "127.0.0.1", "::1"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if !r.LookAgain.Equal(epoch.Add(70 * day)) {
		t.Errorf("look again at %s", r.LookAgain)
	}
}

// Every reason to issue a certificate, and what is none.
func TestReissue(t *testing.T) {
	t.Parallel()
	other := fresh(t)
	for _, test := range []struct {
		name    string
		change  func(m *Material, o *Options)
		want    []Reason
		message string
	}{
		{"nothing", func(*Material, *Options) {}, nil, ""},
		{"just before rotation", func(_ *Material, o *Options) { o.Now = epoch.Add(70*day - time.Second) }, nil, ""},
		{"rotation", func(_ *Material, o *Options) { o.Now = epoch.Add(70 * day) }, []Reason{CertificateIssued}, "the last one ends at 2030-04-11T12:00:00Z"},
		{"default rotation", func(_ *Material, o *Options) { o.RotateBefore = 0; o.Now = epoch.Add(67 * day) }, []Reason{CertificateIssued}, "ends at"},
		{"before default rotation", func(_ *Material, o *Options) { o.RotateBefore = 0; o.Now = epoch.Add(66 * day) }, nil, ""},
		{"last second", func(_ *Material, o *Options) { o.Now = epoch.Add(100 * day) }, []Reason{CertificateIssued}, "ends at"},
		{"expired", func(_ *Material, o *Options) { o.Now = epoch.Add(100*day + time.Second) }, []Reason{CertificateIssued}, "expired at 2030-04-11T12:00:00Z"},
		{"name added", func(_ *Material, o *Options) { o.Names.Extra = []string{"x.example.com", "10.0.0.1"} }, []Reason{CertificateIssued}, "lacked x.example.com, 10.0.0.1"},
		{"other case", func(_ *Material, o *Options) { o.Names.Extra = []string{"BAO.vault.SVC", "0:0::1"} }, nil, ""},
		{"fewer names", func(_ *Material, o *Options) { o.Names.Ordinals = 3 }, nil, ""},
		{"no Secret", func(m *Material, _ *Options) { m.Server = nil }, []Reason{CertificateIssued}, "there was none"},
		{"empty Secret", func(m *Material, _ *Options) { m.Server = map[string][]byte{} }, []Reason{CertificateIssued}, "there was none"},
		{"no certificate", func(m *Material, _ *Options) { delete(m.Server, KeyCertificate) }, []Reason{CertificateIssued}, "no PEM block of type CERTIFICATE"},
		{"garbage", func(m *Material, _ *Options) {
			m.Server[KeyCertificate] = []byte("-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n")
		}, []Reason{CertificateIssued}, "does not parse"},
		{"no key", func(m *Material, _ *Options) { delete(m.Server, KeyPrivateKey) }, []Reason{CertificateIssued}, "tls.key: there is no PEM block"},
		{"other key", func(m *Material, _ *Options) { m.Server[KeyPrivateKey] = other.Material.Server[KeyPrivateKey] }, []Reason{CertificateIssued}, "does not belong"},
		{"issued by nobody known", func(m *Material, _ *Options) {
			m.Server = maps.Clone(other.Material.Server)
			m.Server[KeyCA] = m.CA[KeyCA]
		}, []Reason{CertificateIssued}, "no CA that is still valid verifies the last one"},
		{"clock set back", func(_ *Material, o *Options) { o.Now = epoch.Add(-time.Hour) }, nil, ""},
		{"other bundle", func(m *Material, _ *Options) { m.Server[KeyCA] = other.Material.Server[KeyCA] }, nil, ""},
		{"broken bundle", func(m *Material, _ *Options) { m.Server[KeyCA] = []byte("x") }, nil, ""},
		{"further keys", func(m *Material, _ *Options) { m.Server["note"] = []byte("x") }, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			first := fresh(t)
			m, o := copyMaterial(first.Material), testOptions(epoch)
			test.change(&m, &o)
			r, err := Next(m, everyPod(first), o)
			if err != nil {
				t.Fatal(err)
			}
			delete(m.Server, "note")
			checkResult(t, m, everyPod(first), o, r)
			wantReasons(t, r, test.want...)
			if issued := r.Leaf.Serial != first.Leaf.Serial; issued != (len(test.want) > 0) {
				t.Errorf("a new certificate: %t", issued)
			}
			if test.message != "" && (len(r.Changes) == 0 || !strings.Contains(r.Changes[0].Message, test.message)) {
				t.Errorf("the changes are %+v, without %q", r.Changes, test.message)
			}
			if !sameData(first.Material.CA, r.Material.CA) {
				t.Error("the CA changed")
			}
		})
	}
}

func TestReissueForClients(t *testing.T) {
	t.Parallel()
	ca := newIssuer(t, nil, nil)
	dns, _, err := SANs(testOptions(epoch).Names)
	if err != nil {
		t.Fatal(err)
	}
	serverOnly := func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	m := Material{CA: ca.data(t), Server: ca.server(t, dns, serverOnly)}
	r := mustNext(t, m, Proven{}, testOptions(epoch))
	wantReasons(t, r, CertificateIssued)
	if !strings.Contains(r.Changes[0].Message, "not for clients") {
		t.Errorf("the change is %+v", r.Changes)
	}
}

// A certificate never outlives its CA, and is not issued again because of that.
func TestCloseToTheEndOfTheCA(t *testing.T) {
	t.Parallel()
	r, o := fresh(t), testOptions(epoch)
	end := epoch.Add(600 * day)
	issued := 0
	for o.Now = epoch.Add(500 * day); o.Now.Before(end); o.Now = o.Now.Add(day) {
		// Nothing is proven, so that the CA stays.
		serial := r.Leaf.Serial
		r = mustNext(t, r.Material, Proven{}, o)
		if serial != r.Leaf.Serial {
			issued++
		}
		if r.Leaf.NotAfter.After(end) {
			t.Fatalf("the certificate ends at %s", r.Leaf.NotAfter)
		}
	}
	if issued > 2 {
		t.Errorf("%d certificates in 100 days", issued)
	}
}

// The three steps of a rotation, with what each of them waits for.
func TestRotation(t *testing.T) {
	t.Parallel()
	first := fresh(t)
	o := testOptions(epoch.Add(60 * day))
	o.CALife = 100 * day
	// A CA of 100 days, whose certificate was just renewed.
	ca, err := newAuthority(o.Names, 100*day, epoch)
	if err != nil {
		t.Fatal(err)
	}
	r := mustNext(t, Material{CA: map[string][]byte{KeyCA: encodeCertificates(ca.cert), KeyCAKey: ca.keyPEM}}, Proven{}, o)
	wantReasons(t, r, CertificateIssued)
	old := certificates(t, r.Material.CA[KeyCA])[0]

	// Publish.
	o.Now = epoch.Add(67 * day)
	r = mustNext(t, r.Material, everyPod(r), o)
	wantReasons(t, r, CAPublished)
	published := r
	bundle := certificates(t, r.Material.CA[KeyCA])
	if len(bundle) != 2 || !bundle[0].Equal(old) || string(r.Material.CA[KeyCAKey]) != string(ca.keyPEM) {
		t.Fatal("the next CA signs already")
	}
	if due := o.Now.Add(10 * day); !r.LookAgain.Equal(due) {
		t.Errorf("look again at %s, want %s", r.LookAgain, due)
	}
	next := bundle[1]

	// Every pod has it, and clients may not have read it.
	o.Now = o.Now.Add(10*day - time.Second)
	wantReasons(t, mustNext(t, r.Material, everyPod(r), o))
	// Clients have had time, and not every pod has it.
	o.Now = o.Now.Add(time.Second)
	for name, proven := range map[string]Proven{
		"nothing":      {},
		"the first":    everyPod(first),
		"only serials": {LeafSerials: everyPod(r).LeafSerials},
	} {
		waits := mustNext(t, r.Material, proven, o)
		wantReasons(t, waits)
		if !strings.Contains(waits.Waiting, "every pod has been started with the bundle") {
			t.Errorf("%s proven: waiting is %q", name, waits.Waiting)
		}
	}

	// A name is added meanwhile: the CA that pods trust signs.
	extra := o
	extra.Names.Extra = []string{"x.example.com"}
	renamed := mustNext(t, r.Material, Proven{}, extra)
	wantReasons(t, renamed, CertificateIssued)
	if certificates(t, renamed.Material.Server[KeyCertificate])[0].CheckSignatureFrom(old) != nil {
		t.Error("the certificate with the new name is not of the old CA")
	}

	// The Secret of the servers holds the last bundle again: a pod that starts now does
	// not trust the next CA, whatever the others have loaded.
	restored := copyMaterial(r.Material)
	restored.Server[KeyCA] = encodeCertificates(old)
	again, err := Next(restored, everyPod(r), o)
	if err != nil || !again.ServerChanged || !equalMaterial(again.Material, r.Material) {
		t.Errorf("changes are %+v, want the bundle and nothing else (%v)", again.Changes, err)
	}

	// Switch.
	r = mustNext(t, r.Material, everyPod(r), o)
	wantReasons(t, r, CASwitched, CertificateIssued)
	bundle = certificates(t, r.Material.CA[KeyCA])
	if len(bundle) != 2 || !bundle[0].Equal(next) || !bundle[1].Equal(old) || r.Material.CA[KeyNextCA] != nil {
		t.Fatal("the bundle is not the new CA and the old one")
	}
	if r.Leaf.Digest != published.Leaf.Digest {
		t.Error("the switch changes what pods must have loaded")
	}

	// Finish needs every pod, and the overlap.
	switched := o.Now
	o.Now = switched.Add(10*day - time.Second)
	wantReasons(t, mustNext(t, r.Material, everyPod(r), o))
	o.Now = switched.Add(10 * day)
	for name, proven := range map[string]Proven{
		"nothing": {BundleDigest: r.Leaf.Digest},
		"two":     {BundleDigest: r.Leaf.Digest, LeafSerials: []string{r.Leaf.Serial, published.Leaf.Serial}},
	} {
		waits := mustNext(t, r.Material, proven, o)
		wantReasons(t, waits)
		if !strings.Contains(waits.Waiting, r.Leaf.Serial) {
			t.Errorf("%s proven: waiting is %q", name, waits.Waiting)
		}
	}
	r = mustNext(t, r.Material, everyPod(r), o)
	wantReasons(t, r, CARetired)
	if bundle = certificates(t, r.Material.Server[KeyCA]); len(bundle) != 1 || !bundle[0].Equal(next) {
		t.Error("the old CA is still there")
	}
	if r.Waiting != "" {
		t.Errorf("waiting is %q", r.Waiting)
	}
}

// Each step of a rotation reaches one of the Secrets only, in either order, and the
// proof is lost meanwhile. The next call continues.
func TestHalfAStep(t *testing.T) {
	t.Parallel()
	o := testOptions(epoch)
	steady := fresh(t)
	o.Now = epoch.Add(450 * day)
	published := mustNext(t, steady.Material, Proven{}, o)
	o.Now = o.Now.Add(10 * day)
	switched := mustNext(t, published.Material, everyPod(published), o)
	wantReasons(t, switched, CASwitched, CertificateIssued)
	o.Now = o.Now.Add(10 * day)
	retired := mustNext(t, switched.Material, everyPod(switched), o)
	wantReasons(t, retired, CARetired)

	for _, test := range []struct {
		name          string
		before, after Result
		proven        Proven
	}{
		{"publish", steady, published, Proven{}},
		{"switch", published, switched, everyPod(published)},
		{"switch, proof lost", published, switched, Proven{}},
		{"finish", switched, retired, everyPod(switched)},
		{"finish, proof lost", switched, retired, Proven{}},
	} {
		for _, half := range []struct {
			name string
			have Material
		}{
			{"CA", Material{CA: test.after.Material.CA, Server: test.before.Material.Server}},
			{"server", Material{CA: test.before.Material.CA, Server: test.after.Material.Server}},
		} {
			t.Run(test.name+" of "+half.name, func(t *testing.T) {
				t.Parallel()
				r := mustNext(t, half.have, test.proven, o)
				// What pods have loaded from either Secret verifies what they serve.
				for _, bundle := range [][]byte{test.before.Material.Server[KeyCA], half.have.Server[KeyCA], r.Material.Server[KeyCA]} {
					if _, err := verify(certificates(t, r.Material.Server[KeyCertificate]), certificates(t, bundle), o.Now); err != nil {
						t.Error(err)
					}
				}
				// With the proofs that follow, it comes to its end.
				later := o
				for range 3 {
					later.Now = later.Now.Add(11 * day)
					r = mustNext(t, r.Material, everyPod(r), later)
				}
				if bundle := certificates(t, r.Material.CA[KeyCA]); r.Waiting != "" || len(bundle) != 1 || bundle[0].NotAfter.Before(epoch.Add(1000*day)) {
					t.Errorf("waiting is %q, and %d CAs remain", r.Waiting, len(bundle))
				}
			})
		}
	}
}

func TestExpiredCA(t *testing.T) {
	t.Parallel()
	o := testOptions(epoch.Add(3000 * day))
	steady := fresh(t)
	r := mustNext(t, steady.Material, everyPod(steady), o)
	wantReasons(t, r, CAExpired, CertificateIssued)
	if !strings.Contains(r.Changes[0].Message, "expired at 2031-08-24T12:00:00Z") || !strings.Contains(r.Changes[0].Message, "must read ca.crt again") {
		t.Errorf("the change is %+v", r.Changes[0])
	}
	if bundle := certificates(t, r.Material.CA[KeyCA]); len(bundle) != 1 {
		t.Errorf("the bundle has %d certificates", len(bundle))
	}

	// A CA that was published in time is used, since some clients have it.
	o.Now = epoch.Add(590 * day)
	published := mustNext(t, steady.Material, Proven{}, o)
	o.Now = epoch.Add(601 * day)
	r = mustNext(t, published.Material, Proven{}, o)
	wantReasons(t, r, CAExpired, CertificateIssued)
	if got, want := certificates(t, r.Material.CA[KeyCA])[0], certificates(t, published.Material.CA[KeyNextCA])[0]; !got.Equal(want) {
		t.Error("another CA than the published one signs")
	}
}

// A proof counts even if the overlap has not passed when the CA is about to end.
func TestLatePublication(t *testing.T) {
	t.Parallel()
	o := testOptions(epoch.Add(595 * day))
	published := mustNext(t, fresh(t).Material, Proven{}, o)
	wantReasons(t, published, CAPublished, CertificateIssued)
	wantReasons(t, mustNext(t, published.Material, Proven{}, o))
	wantReasons(t, mustNext(t, published.Material, everyPod(published), o), CASwitched, CertificateIssued)
}

// A person replaces or deletes the Secret of the CA: the new CA is published first.
func TestReplacedCA(t *testing.T) {
	t.Parallel()
	own := newIssuer(t, nil, nil).data(t)
	for _, test := range []struct {
		name   string
		ca     map[string][]byte
		reason Reason
	}{
		{"replaced", own, CAReplaced},
		{"deleted", nil, CACreated},
		{"emptied", map[string][]byte{KeyCA: {}}, CACreated},
		{"expired", newIssuer(t, func(c *x509.Certificate) { c.NotAfter = epoch.Add(-day) }, nil).data(t), CAExpired},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := testOptions(epoch)
			first := fresh(t)
			r := mustNext(t, Material{CA: test.ca, Server: first.Material.Server}, everyPod(first), o)
			if got := reasonsOf(r); len(got) == 0 || got[0] != test.reason || slices.Contains(got, CertificateIssued) {
				t.Fatalf("changes are %+v", r.Changes)
			}
			if r.Leaf.Serial != first.Leaf.Serial || r.Waiting == "" {
				t.Fatalf("a CA signs that no pod trusts; waiting is %q", r.Waiting)
			}
			if test.name == "replaced" && !bytes.Equal(r.Material.CA[KeyCAKey], own[KeyCAKey]) {
				t.Error("the person's key was changed")
			}
			// The last certificate is about to end, or lacks a name: it stays.
			late := o
			late.Now = epoch.Add(99 * day)
			late.Names.Extra = []string{"x.example.com"}
			if kept := mustNext(t, r.Material, Proven{}, late); kept.Leaf.Serial != first.Leaf.Serial {
				t.Error("a CA signs that no pod trusts")
			}
			// It has ended: nobody can verify it, so there is nothing to wait for.
			late.Now = epoch.Add(101 * day)
			wantReasons(t, mustNext(t, r.Material, Proven{}, late), CertificateIssued)

			r = mustNext(t, r.Material, everyPod(r), o)
			wantReasons(t, r, CertificateIssued)
			o.Now = epoch.Add(10 * day)
			r = mustNext(t, r.Material, everyPod(r), o)
			wantReasons(t, r, CARetired)
		})
	}
}

// A cluster changes from the mode External: its issuer stays trusted until every pod
// trusts the new CA.
func TestFromExternal(t *testing.T) {
	t.Parallel()
	root := newIssuer(t, nil, nil)
	intermediate := newIssuer(t, nil, root)
	server := intermediate.server(t, []string{"bao.vault.svc"}, nil, intermediate.cert)
	server[KeyCA] = encodeCertificates(root.cert)
	r := mustNext(t, Material{Server: server}, Proven{}, testOptions(epoch))
	wantReasons(t, r, CACreated)
	if !sameData(map[string][]byte{"c": server[KeyCertificate]}, map[string][]byte{"c": r.Material.Server[KeyCertificate]}) {
		t.Error("the chain has changed")
	}
	wantReasons(t, mustNext(t, r.Material, everyPod(r), testOptions(epoch)), CertificateIssued)
}

// A CA that was renewed with its name and key has issued what the last one did.
func TestRenewedCA(t *testing.T) {
	t.Parallel()
	ca := newIssuer(t, func(c *x509.Certificate) { c.NotAfter = epoch.Add(500 * day) }, nil)
	o := testOptions(epoch)
	first := mustNext(t, Material{CA: ca.data(t)}, Proven{}, o)
	renewed, err := sign(&x509.Certificate{
		Subject: ca.cert.Subject, NotBefore: epoch, NotAfter: epoch.Add(5000 * day),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, ca.key, ca.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	data := (&issuer{cert: renewed, key: ca.key}).data(t)
	// The person has left the last one in the file, in front.
	data[KeyCA] = append(encodeCertificates(ca.cert), data[KeyCA]...)
	r := mustNext(t, Material{CA: data, Server: first.Material.Server}, Proven{}, o)
	wantReasons(t, r)
	if !r.Leaf.CANotAfter.Equal(renewed.NotAfter) {
		t.Errorf("the CA ends at %s", r.Leaf.CANotAfter)
	}
}

func TestDiscardedNextCA(t *testing.T) {
	t.Parallel()
	first := fresh(t)
	usable := newIssuer(t, nil, nil).data(t)
	expired := newIssuer(t, func(c *x509.Certificate) { c.NotAfter = epoch.Add(-day) }, nil).data(t)
	for _, test := range []struct{ name, cert, key, want string }{
		{"no key", string(usable[KeyCA]), "", "next.key: there is no PEM block"},
		{"no certificate", "", string(usable[KeyCAKey]), "next.crt: there is no PEM block"},
		{"other key", string(usable[KeyCA]), string(expired[KeyCAKey]), "does not belong"},
		{"expired", string(expired[KeyCA]), string(expired[KeyCAKey]), "expired at 2029-12-31T12:00:00Z"},
		{"no CA", string(first.Material.Server[KeyCertificate]), string(first.Material.Server[KeyPrivateKey]), "is not a CA"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := copyMaterial(first.Material)
			m.CA[KeyNextCA], m.CA[KeyNextCAKey] = []byte(test.cert), []byte(test.key)
			r := mustNext(t, m, Proven{}, testOptions(epoch))
			wantReasons(t, r, NextCADiscarded)
			if len(r.Changes) == 1 && !strings.Contains(r.Changes[0].Message, test.want) {
				t.Errorf("the change is %+v, without %q", r.Changes, test.want)
			}
			noPrivateKey(t, m, r.Changes[0].Message)
		})
	}
	// What a person has placed there as a whole is rotated to.
	m := copyMaterial(first.Material)
	m.CA[KeyNextCA], m.CA[KeyNextCAKey] = usable[KeyCA], usable[KeyCAKey]
	r := mustNext(t, m, Proven{}, testOptions(epoch))
	wantReasons(t, r)
	if len(certificates(t, r.Material.Server[KeyCA])) != 2 {
		t.Error("the next CA was not published")
	}
	wantReasons(t, mustNext(t, r.Material, everyPod(r), testOptions(epoch.Add(day))), CASwitched, CertificateIssued)
}

// What only a person can repair is an error that names the place, and no guess.
func TestNextRefuses(t *testing.T) {
	t.Parallel()
	root := newIssuer(t, nil, nil)
	shaped := func(change func(*x509.Certificate)) map[string][]byte { return newIssuer(t, change, nil).data(t) }
	with := func(data map[string][]byte, key, value string) map[string][]byte {
		data[key] = []byte(value)
		return data
	}
	for _, test := range []struct {
		name    string
		ca      map[string][]byte
		options func(o *Options)
		want    string
	}{
		{"no key", with(root.data(t), KeyCAKey, ""), nil, "ca.key: there is no PEM block with a private key"},
		{"key in the wrong place", with(root.data(t), KeyCA, string(root.data(t)[KeyCAKey])), nil, "ca.crt: there is no PEM block of type CERTIFICATE"},
		{"no certificate", with(root.data(t), KeyCA, ""), nil, "ca.crt: there is no PEM block"},
		{"garbage key", with(root.data(t), KeyCAKey, "-----BEGIN PRIVATE KEY-----\nYWJj\n-----END PRIVATE KEY-----\n"), nil, "ca.key: the private key does not parse"},
		{"other key", with(root.data(t), KeyCAKey, string(shaped(nil)[KeyCAKey])), nil, "ca.key belongs to none of the certificates in ca.crt"},
		{"no CA", shaped(func(c *x509.Certificate) { c.IsCA = false }), nil, "is not a CA"},
		{"cannot sign", shaped(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }), nil, "may not sign certificates"},
		{"intermediate", newIssuer(t, nil, root).data(t), nil, "set spec.tls.mode to External"},
		{"not yet valid", shaped(func(c *x509.Certificate) { c.NotBefore = epoch.Add(day) }), nil, "is not valid before 2030-01-02T12:00:00Z"},
		{"forbids names", shaped(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.com"} }), nil, "would not be valid under the CA in Secret vault/bao-tls-ca"},
		{"name", nil, func(o *Options) { o.Names.Extra = []string{"a b"} }, `spec.tls.extraSANs[0] is "a b"`},
		{"rotationPeriod as long", nil, func(o *Options) { o.RotateBefore = 100 * day }, "spec.tls.rotationPeriod is 2400h0m0s, and certificates live for 2400h0m0s"},
		{"rotationPeriod too long", nil, func(o *Options) { o.RotateBefore = 90 * day }, "set a time under 2160h0m0s"},
		{"rotationPeriod negative", nil, func(o *Options) { o.RotateBefore = -1 }, "spec.tls.rotationPeriod is -1ns"},
		{"short CA", nil, func(o *Options) { o.CALife = 99 * day }, "the life of a CA is 2376h0m0s"},
		{"negative life", nil, func(o *Options) { o.LeafLife = -day }, "cannot be negative"},
		{"no time", nil, func(o *Options) { o.Now = time.Time{} }, "options without a time"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := testOptions(epoch)
			if test.options != nil {
				test.options(&o)
			}
			m := Material{CA: test.ca}
			_, err := Next(m, Proven{}, o)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("the error is %v, without %q", err, test.want)
			}
			if test.ca != nil && !strings.Contains(err.Error(), "Secret vault/bao-tls-ca") {
				t.Errorf("%q does not name the Secret", err)
			}
			noPrivateKey(t, m, err.Error())
		})
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	o := Options{Names: Names{Cluster: "c", Namespace: "n"}, Now: epoch}
	r := mustNext(t, Material{}, Proven{}, o)
	if !r.Leaf.NotAfter.Equal(epoch.Add(365*day)) || !r.Leaf.CANotAfter.Equal(epoch.Add(3650*day)) {
		t.Errorf("the certificate ends at %s and the CA at %s", r.Leaf.NotAfter, r.Leaf.CANotAfter)
	}
	if want := epoch.Add(365 * day * 2 / 3); !r.LookAgain.Equal(want) {
		t.Errorf("look again at %s, want %s", r.LookAgain, want)
	}
}

func TestPrintingShowsNoKey(t *testing.T) {
	t.Parallel()
	first := fresh(t)
	o := testOptions(epoch.Add(590 * day))
	r := mustNext(t, first.Material, Proven{}, o)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, value := range []any{r, &r, r.Material, &r.Material, []Material{r.Material}} {
			noPrivateKey(t, r.Material, fmt.Sprintf(format, value))
		}
	}
	if got := r.Material.String(); got != "ca: [ca.crt ca.key next.crt next.key], server: [ca.crt tls.crt tls.key]" {
		t.Errorf("it prints as %q", got)
	}
}

func TestBundleDigest(t *testing.T) {
	t.Parallel()
	a, b := encodeCertificates(newIssuer(t, nil, nil).cert), encodeCertificates(newIssuer(t, nil, nil).cert)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, []byte("# a comment\n")) }
	if BundleDigest(join(a, b)) != BundleDigest(join(b, a, b)) {
		t.Error("order and repetition matter")
	}
	if BundleDigest(a) == BundleDigest(b) || BundleDigest(a) == BundleDigest(join(a, b)) {
		t.Error("different bundles have one digest")
	}
	for _, none := range []string{"", "x", "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n"} {
		if got := BundleDigest([]byte(none)); got != "" {
			t.Errorf("the digest of %q is %q", none, got)
		}
	}
}
