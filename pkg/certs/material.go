// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Keys of the Secrets.
const (
	// KeyCA is the bundle that peers and clients trust. In the Secret of the CA it
	// begins with the CA that signs.
	KeyCA = "ca.crt"
	// KeyCAKey is the private key of the CA that signs.
	KeyCAKey = "ca.key"
	// KeyNextCA and KeyNextCAKey are the CA that will sign next. They exist from
	// publish to switch.
	KeyNextCA    = "next.crt"
	KeyNextCAKey = "next.key"
	// KeyCertificate and KeyPrivateKey are the certificate of the servers.
	KeyCertificate = "tls.crt"
	KeyPrivateKey  = "tls.key"
)

// Material is the Data of the two Secrets of a cluster. It holds private keys:
// printing it shows none.
type Material struct {
	// CA is the Data of the Secret <cluster>-tls-ca, nil if it does not exist.
	CA map[string][]byte
	// Server is the Data of the Secret <cluster>-tls-server, nil if it does not
	// exist.
	Server map[string][]byte
}

// String names the keys that exist, without their values.
func (m Material) String() string {
	return fmt.Sprintf("ca: %v, server: %v", keysOf(m.CA), keysOf(m.Server))
}

// GoString is String: %#v shows no private key either.
func (m Material) GoString() string { return m.String() }

func keysOf(data map[string][]byte) []string {
	var keys []string
	for _, key := range []string{KeyCA, KeyCAKey, KeyNextCA, KeyNextCAKey, KeyCertificate, KeyPrivateKey} {
		if len(data[key]) > 0 {
			keys = append(keys, key)
		}
	}
	return keys
}

// readSigning returns the CA that signs, nil if the Secret holds none, and all
// certificates of its bundle. What a person has broken is an error: a new CA in its
// place would be a guess.
func readSigning(data map[string][]byte, n Names, now time.Time) (*authority, []*x509.Certificate, error) {
	if len(data[KeyCA]) == 0 && len(data[KeyCAKey]) == 0 {
		return nil, nil, nil
	}
	broken := func(problem string) (*authority, []*x509.Certificate, error) {
		return nil, nil, fmt.Errorf("%s: %s; correct ca.crt and ca.key together, or delete the Secret: "+
			"a new CA is then made and published before it signs", n.caSecret(), problem)
	}
	bundle, err := parseCertificates(data[KeyCA])
	if err != nil {
		return broken("ca.crt: " + err.Error())
	}
	key, err := parseKey(data[KeyCAKey])
	if err != nil {
		return broken("ca.key: " + err.Error())
	}
	cert := newest(bundle, key)
	if cert == nil {
		return broken("ca.key belongs to none of the certificates in ca.crt")
	}
	if problem := checkCA(cert); problem != "" {
		return broken("the certificate in ca.crt that ca.key belongs to " + problem)
	}
	if now.Before(cert.NotBefore) {
		return broken(fmt.Sprintf("the CA in ca.crt is not valid before %s, and it is %s", stamp(cert.NotBefore), stamp(now)))
	}
	return &authority{cert: cert, key: key, keyPEM: data[KeyCAKey]}, bundle, nil
}

// readNext returns the CA that will sign next, nil if there is none. What is wrong
// with it is no error: nothing depends on it yet, and another one can be made.
func readNext(data map[string][]byte, now time.Time) (next *authority, problem string) {
	if len(data[KeyNextCA]) == 0 && len(data[KeyNextCAKey]) == 0 {
		return nil, ""
	}
	certs, err := parseCertificates(data[KeyNextCA])
	if err != nil {
		return nil, "next.crt: " + err.Error()
	}
	key, err := parseKey(data[KeyNextCAKey])
	if err != nil {
		return nil, "next.key: " + err.Error()
	}
	cert := newest(certs, key)
	if cert == nil {
		return nil, "next.key does not belong to the certificate in next.crt"
	}
	if problem := checkCA(cert); problem != "" {
		return nil, "the certificate in next.crt " + problem
	}
	if now.After(cert.NotAfter) {
		return nil, "the certificate in next.crt expired at " + stamp(cert.NotAfter)
	}
	return &authority{cert: cert, key: key, keyPEM: data[KeyNextCAKey]}, ""
}

// newest returns the certificate of this key that is valid for longest, nil if
// there is none. More than one exists where a CA was renewed with its key.
func newest(certs []*x509.Certificate, key crypto.Signer) *x509.Certificate {
	var found *x509.Certificate
	for _, cert := range certs {
		if keyMatches(cert, key) && (found == nil || cert.NotAfter.After(found.NotAfter)) {
			found = cert
		}
	}
	return found
}

// checkCA returns why a certificate cannot be the CA of a cluster. An intermediate
// CA is refused because the bundle would have to carry its issuers, which many TLS
// clients insist on.
func checkCA(cert *x509.Certificate) string {
	switch {
	case !cert.BasicConstraintsValid || !cert.IsCA:
		return "is not a CA"
	case cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return "may not sign certificates"
	case !bytes.Equal(cert.RawIssuer, cert.RawSubject) || cert.CheckSignatureFrom(cert) != nil:
		return "is not self-signed (for an issuer of your own, set spec.tls.mode to External)"
	}
	return ""
}

// readServer returns the certificate of the servers with the chain behind it. The
// error says why nobody can serve it.
func readServer(data map[string][]byte) ([]*x509.Certificate, error) {
	chain, err := parseCertificates(data[KeyCertificate])
	if err != nil {
		return nil, fmt.Errorf("tls.crt: %w", err)
	}
	key, err := parseKey(data[KeyPrivateKey])
	if err != nil {
		return nil, fmt.Errorf("tls.key: %w", err)
	}
	if !keyMatches(chain[0], key) {
		return nil, errors.New("tls.key does not belong to the certificate in tls.crt")
	}
	return chain, nil
}

// verify checks the chain of a server against a bundle, as its peers and clients
// do. It returns when the chain's trust anchor ends.
func verify(chain, bundle []*x509.Certificate, now time.Time) (time.Time, error) {
	verified, err := chain[0].Verify(x509.VerifyOptions{
		Roots: poolOf(bundle), Intermediates: poolOf(chain[1:]), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return time.Time{}, err
	}
	var end time.Time
	for _, path := range verified {
		if anchor := path[len(path)-1]; anchor.NotAfter.After(end) {
			end = anchor.NotAfter
		}
	}
	return end, nil
}

// usableCAs returns the CAs of a bundle that have not expired. Others verify
// nothing.
func usableCAs(certs []*x509.Certificate, now time.Time) []*x509.Certificate {
	return slices.DeleteFunc(slices.Clone(certs), func(cert *x509.Certificate) bool {
		return !cert.IsCA || now.After(cert.NotAfter)
	})
}

// stamp prints a time for people.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
