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
	"fmt"
	"math/big"
	"net"
	"time"
)

// backdate is how far before its issue a certificate becomes valid, for clocks
// that are behind.
const backdate = time.Hour

const organization = "Bailiwick"

// authority is a CA with its key.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	// keyPEM is the key as the Secret holds it, which may be another encoding than
	// ours.
	keyPEM []byte
}

// newAuthority makes a CA for one cluster.
func newAuthority(n Names, life time.Duration, now time.Time) (*authority, error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, err
	}
	cert, err := sign(&x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName("OpenBao CA " + n.Cluster), Organization: []string{organization}},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(life),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		// It signs servers and no further CA.
		MaxPathLenZero: true,
	}, nil, key, key.Public())
	if err != nil {
		return nil, fmt.Errorf("make a CA: %w", err)
	}
	return &authority{cert: cert, key: key, keyPEM: keyPEM}, nil
}

// issue makes a key and a certificate of the servers, which ends with the CA at
// the latest.
func (a *authority) issue(n Names, dns []string, ips []net.IP, notAfter, now time.Time) (cert *x509.Certificate, keyPEM []byte, err error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	cert, err = sign(&x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName("OpenBao " + n.Cluster), Organization: []string{organization}},
		NotBefore:             now.Add(-backdate),
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		DNSNames:              dns,
		IPAddresses:           ips,
	}, a.cert, a.key, key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("sign the certificate of the servers with the CA in %s: %w", n.caSecret(), err)
	}
	return cert, keyPEM, nil
}

// signed tells whether this CA issued a certificate. A CA that was renewed with the
// same name and key has issued what its predecessor did.
func (a *authority) signed(cert *x509.Certificate) bool {
	return a != nil && bytes.Equal(cert.RawIssuer, a.cert.RawSubject) && cert.CheckSignatureFrom(a.cert) == nil
}

// ends returns when a certificate of the given life ends that this CA issues now.
func (a *authority) ends(life time.Duration, now time.Time) time.Time {
	end := now.Add(life).Truncate(time.Second)
	if a.cert.NotAfter.Before(end) {
		return a.cert.NotAfter
	}
	return end
}

// sign completes a template with a serial number and signs it; without a parent it
// is self-signed.
func sign(template, parent *x509.Certificate, key crypto.Signer, public crypto.PublicKey) (*x509.Certificate, error) {
	serial := make([]byte, 16)
	if _, err := rand.Read(serial); err != nil {
		return nil, fmt.Errorf("read random data: %w", err)
	}
	// A serial number is positive (RFC 5280, 4.1.2.2). With the second bit set all
	// have the same number of digits.
	serial[0] = serial[0]&0x7f | 0x40
	template.SerialNumber = new(big.Int).SetBytes(serial)
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func newKey() (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a private key: %w", err)
	}
	keyPEM, err := encodeKey(key)
	return key, keyPEM, err
}

// commonName cuts a name to the 64 characters that X.520 allows.
func commonName(name string) string {
	return name[:min(len(name), 64)]
}
