// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pki issues the certificates of the servers that tests start.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// certificateLifetime is longer than any server of a test lives.
const certificateLifetime = 30 * 24 * time.Hour

// Authority is a certificate authority.
type Authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	// PEM is the certificate.
	PEM []byte
}

// KeyPair is a PEM certificate and its key.
type KeyPair struct {
	Certificate []byte
	Key         []byte
}

// NewAuthority makes an authority whose certificate it signs itself.
func NewAuthority(commonName string) (*Authority, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	key, der, err := issue(template, nil)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Authority{certificate: certificate, key: key, PEM: encodePEM("CERTIFICATE", der)}, nil
}

// Server issues a certificate for a server with these addresses and names.
func (a *Authority) Server(addresses []net.IP, names ...string) (KeyPair, error) {
	return a.pair(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "server"},
		DNSNames:    names,
		IPAddresses: addresses,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// Client issues a certificate that Kubernetes reads as a user and its groups.
func (a *Authority) Client(user string, groups ...string) (KeyPair, error) {
	return a.pair(&x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (a *Authority) pair(template *x509.Certificate) (KeyPair, error) {
	key, der, err := issue(template, a)
	if err != nil {
		return KeyPair{}, err
	}
	encoded, err := EncodeKey(key)
	if err != nil {
		return KeyPair{}, err
	}
	return KeyPair{Certificate: encodePEM("CERTIFICATE", der), Key: encoded}, nil
}

// issue makes a key and a certificate for it, signed by the issuer or, if that
// is nil, by itself.
func issue(template *x509.Certificate, issuer *Authority) (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	template.SerialNumber = serial
	// Other clocks may be a little behind.
	template.NotBefore = now.Add(-time.Hour)
	template.NotAfter = now.Add(certificateLifetime)

	parent, signer := template, crypto.Signer(key)
	if issuer != nil {
		parent, signer = issuer.certificate, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	return key, der, err
}

// EncodeKey returns a private key as PKCS #8 PEM.
func EncodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return encodePEM("PRIVATE KEY", der), nil
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
