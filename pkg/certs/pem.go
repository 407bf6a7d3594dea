// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

const (
	certificateBlock = "CERTIFICATE"
	privateKeyBlock  = "PRIVATE KEY"
)

// BundleDigest returns a digest of the set of certificates in a PEM bundle, in
// hexadecimal. Their order and the text around them do not matter: two bundles
// with the same digest verify the same certificates. It is empty for data without
// certificates, or with one that does not parse.
func BundleDigest(bundle []byte) string {
	certs, err := parseCertificates(bundle)
	if err != nil {
		return ""
	}
	return digest(certs)
}

func digest(certs []*x509.Certificate) string {
	sorted := slices.SortedFunc(slices.Values(certs), func(a, b *x509.Certificate) int { return bytes.Compare(a.Raw, b.Raw) })
	hash := sha256.New()
	for _, cert := range slices.CompactFunc(sorted, (*x509.Certificate).Equal) {
		// DER carries its own length, so no separator is needed.
		hash.Write(cert.Raw)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// Serial returns the serial number of a certificate in lower-case hexadecimal, as
// [Info] and [Proven] carry it.
func Serial(cert *x509.Certificate) string {
	return cert.SerialNumber.Text(16)
}

// SerialOfPEM returns the serial number of the first certificate of PEM data, as
// [Serial] does.
func SerialOfPEM(data []byte) (string, error) {
	certs, err := parseCertificates(data)
	if err != nil {
		return "", err
	}
	return Serial(certs[0]), nil
}

// parseCertificates returns the certificates of PEM data, at least one. Blocks of
// other types are skipped.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != certificateBlock {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d does not parse: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("there is no PEM block of type CERTIFICATE")
	}
	return certs, nil
}

// parseKey returns the private key of PEM data: PKCS #8, SEC 1 or PKCS #1. Its
// errors are fixed texts, since those of the parsers are not ours to vouch for.
func parseKey(data []byte) (crypto.Signer, error) {
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("there is no PEM block with a private key (PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY)")
		}
		var key any
		var err error
		switch block.Type {
		case privateKeyBlock:
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		default:
			// OpenSSL writes EC PARAMETERS before the key.
			continue
		}
		if err != nil {
			return nil, errors.New("the private key does not parse")
		}
		signer, ok := key.(crypto.Signer)
		if !ok {
			return nil, errors.New("the private key cannot sign")
		}
		return signer, nil
	}
}

// keyMatches tells whether a certificate is about this key.
func keyMatches(cert *x509.Certificate, key crypto.Signer) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(cert.PublicKey)
}

func encodeCertificates(certs ...*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, cert := range certs {
		// Writing to a buffer does not fail.
		_ = pem.Encode(&out, &pem.Block{Type: certificateBlock, Bytes: cert.Raw})
	}
	return out.Bytes()
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, errors.New("the new private key cannot be encoded")
	}
	return pem.EncodeToMemory(&pem.Block{Type: privateKeyBlock, Bytes: der}), nil
}

// poolOf returns a pool of trust anchors.
func poolOf(certs []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, cert := range certs {
		pool.AddCert(cert)
	}
	return pool
}

// union returns the certificates of all lists once, in the order in which they
// first appear.
func union(lists ...[]*x509.Certificate) []*x509.Certificate {
	var all []*x509.Certificate
	for _, cert := range slices.Concat(lists...) {
		if !slices.ContainsFunc(all, cert.Equal) {
			all = append(all, cert)
		}
	}
	return all
}
