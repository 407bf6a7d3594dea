// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// CheckExternal checks what an issuer has put into the Secret <cluster>-tls-server,
// given its Data, nil if the Secret does not exist. The certificate must carry the
// names of the Services and of the pods that n.Ordinals counts, as such or by a
// wildcard; n.Extra is not looked for. The error says what the issuer has to change.
//
// cert-manager documents the keys and ca.crt at
// https://cert-manager.io/docs/usage/certificate/.
func CheckExternal(server map[string][]byte, n Names, now time.Time) (Info, error) {
	fail := func(format string, args ...any) (Info, error) {
		return Info{}, fmt.Errorf("%s: %s", n.serverSecret(), fmt.Sprintf(format, args...))
	}
	if server == nil {
		return fail("it does not exist; have the issuer create it: with cert-manager, a Certificate with spec.secretName %q and %s",
			n.Cluster+"-tls-server", n.certManagerNames())
	}
	for _, key := range []string{KeyCertificate, KeyPrivateKey} {
		if len(server[key]) == 0 {
			return fail("the key %s is missing or empty; wait for the issuer, or correct what it writes", key)
		}
	}
	if len(server[KeyCA]) == 0 {
		return fail("the key ca.crt is missing or empty; servers need it to verify each other, so the issuer must put its CA there. " +
			"cert-manager does that for issuers of the types CA and Vault, and not for ACME, whose authorities cannot certify the names of pods")
	}
	bundle, err := parseCertificates(server[KeyCA])
	if err != nil {
		return fail("ca.crt: %v; it must hold the CA of the issuer in PEM", err)
	}
	chain, err := readServer(server)
	if err != nil {
		return fail("%v; have the issuer write tls.crt and tls.key together", err)
	}
	leaf := chain[0]
	if now.After(leaf.NotAfter) {
		return fail("the certificate in tls.crt expired at %s; renew it at the issuer (with cert-manager: cmctl renew)", stamp(leaf.NotAfter))
	}
	if now.Before(leaf.NotBefore) {
		return fail("the certificate in tls.crt is not valid before %s, and it is %s; wait, or correct the clock of the issuer",
			stamp(leaf.NotBefore), stamp(now))
	}
	anchor, err := verify(chain, bundle, now)
	if err != nil {
		return fail("ca.crt does not verify the certificate in tls.crt: %v; ca.crt must hold the CA that issued it, tls.crt any intermediate CA after "+
			"the certificate, and the certificate must allow server authentication", err)
	}
	if missing := n.missingExternal(leaf); len(missing) > 0 {
		return fail("the certificate in tls.crt lacks %s; have it issued for all of them: with cert-manager, a Certificate with %s",
			strings.Join(missing, ", "), n.certManagerNames())
	}
	return Info{Serial: Serial(leaf), NotAfter: leaf.NotAfter, CANotAfter: anchor, Digest: digest(bundle)}, nil
}

// missingExternal returns the names that clients and peers look for, and that a
// certificate does not cover.
func (n Names) missingExternal(leaf *x509.Certificate) []string {
	return slices.DeleteFunc(append(n.services(), n.pods()...), func(name string) bool {
		return leaf.VerifyHostname(name) == nil
	})
}

// certManagerNames prints the field of a Certificate of cert-manager that covers
// every name that is checked.
func (n Names) certManagerNames() string {
	return "spec.dnsNames [" + strings.Join(append(n.services(), n.podWildcard()), ", ") + "]"
}
