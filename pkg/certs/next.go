// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Proven is what the caller knows of the pods that run. What it does not know stays
// empty, which only makes Next wait.
type Proven struct {
	// BundleDigest is the digest of the bundle that every running pod has loaded,
	// see [BundleDigest]. Servers read the bundle when they start, so that a pod that
	// started before the Secret held this bundle has not loaded it.
	BundleDigest string
	// LeafSerials are the serial numbers of the certificates that the running pods
	// serve, see [Serial], one at least for every pod: an empty list proves nothing.
	LeafSerials []string
}

// Reason classifies a Change, for events.
type Reason string

// The reasons of changes.
const (
	// CACreated: there was no CA.
	CACreated Reason = "CACreated"
	// CAReplaced: the CA in the Secret is not the one that signed the certificate of
	// the servers. It is published before it signs.
	CAReplaced Reason = "CAReplaced"
	// CAPublished: the next CA was made and joined the bundle.
	CAPublished Reason = "CAPublished"
	// CASwitched: the next CA signs from now on.
	CASwitched Reason = "CASwitched"
	// CAExpired: the CA had expired, so that another one signs without overlap.
	CAExpired Reason = "CAExpired"
	// NextCADiscarded: what the Secret held as the next CA is of no use.
	NextCADiscarded Reason = "NextCADiscarded"
	// CARetired: old CAs left the bundle.
	CARetired Reason = "CARetired"
	// CertificateIssued: the servers have a new certificate.
	CertificateIssued Reason = "CertificateIssued"
)

// Change is something that Next has changed.
type Change struct {
	Reason Reason
	// Message says what changed and why, in a sentence for people.
	Message string
}

// Info describes the certificate of the servers.
type Info struct {
	// Serial is its serial number, see [Serial].
	Serial string
	// NotAfter is when it ends.
	NotAfter time.Time
	// CANotAfter is when the CA ends that it was verified with.
	CANotAfter time.Time
	// Digest is that of the bundle, see [BundleDigest]. A pod that has loaded another
	// one must be restarted before the CA can change.
	Digest string
}

// Result is what Next has decided.
type Result struct {
	// Material is what both Secrets should hold. Keys that it lacks should not exist.
	Material Material
	// CAChanged and ServerChanged tell which Secret must be written. Write the CA
	// first: it holds the key of what the other one is signed with.
	CAChanged, ServerChanged bool
	// Changes say what changed and why. They hold once the Secrets are written.
	Changes []Change
	// Waiting says which proof is missing to go on with a change of the CA, empty if
	// none is.
	Waiting string
	// LookAgain is when time alone changes the decision, always after Options.Now.
	LookAgain time.Time
	// Leaf describes the certificate in Material.
	Leaf Info
}

// Next returns what the Secrets should hold now, given what they hold and what is
// proven of the pods. Called with its own result and nothing else new, it changes
// nothing; only a switch comes one call later if the bundle of the servers had been
// altered. An error means that a person must act, and that the Secrets should stay
// as they are; it names the field or the Secret.
func Next(have Material, proven Proven, options Options) (Result, error) {
	o, err := options.complete()
	if err != nil {
		return Result{}, err
	}
	d := decision{Options: o, have: have, proven: proven}
	if d.dns, d.ips, err = SANs(o.Names); err != nil {
		return Result{}, err
	}
	if d.signing, d.published, err = readSigning(have.CA, o.Names, o.Now); err != nil {
		return Result{}, err
	}
	var problem string
	if d.next, problem = readNext(have.CA, o.Now); problem != "" {
		d.change(NextCADiscarded, "Removed the next CA from %s: %s.", o.Names.caSecret(), problem)
	}
	d.readLeaf()
	if err := d.chooseAuthorities(); err != nil {
		return Result{}, err
	}
	d.chooseBundle()
	if err := d.chooseLeaf(); err != nil {
		return Result{}, err
	}
	d.retire()
	return d.result()
}

// decision is the state of one call of Next.
type decision struct {
	Options
	have   Material
	proven Proven
	dns    []string
	ips    []net.IP

	signing, next *authority
	// published is the bundle that the Secret of the CA holds, and served the one of
	// the servers.
	published, served []*x509.Certificate
	// bundle is what both should hold.
	bundle []*x509.Certificate
	// chain is the certificate of the servers, with what it was delivered with. It is
	// nil if nobody can verify it, and leafProblem says why.
	chain       []*x509.Certificate
	leafProblem string
	// issued is set once the certificate was made by this call.
	issued bool
	keyPEM []byte

	changes []Change
	waiting string
	times   []time.Time
}

func (d *decision) change(reason Reason, format string, args ...any) {
	d.changes = append(d.changes, Change{Reason: reason, Message: fmt.Sprintf(format, args...)})
}

// at has Next called again at a time, if that is in the future.
func (d *decision) at(t time.Time) { d.times = append(d.times, t) }

// readLeaf reads the certificate of the servers. It is kept only if somebody can
// verify it: otherwise there is nothing to be careful about.
func (d *decision) readLeaf() {
	if len(d.have.Server[KeyCertificate]) == 0 && len(d.have.Server[KeyPrivateKey]) == 0 {
		d.leafProblem = "there was none"
		return
	}
	d.served, _ = parseCertificates(d.have.Server[KeyCA])
	chain, err := readServer(d.have.Server)
	if err != nil {
		d.leafProblem = err.Error()
		return
	}
	if d.Now.Before(chain[0].NotBefore) {
		d.leafProblem = "the last one is not valid before " + stamp(chain[0].NotBefore)
		return
	}
	if d.Now.After(chain[0].NotAfter) {
		d.leafProblem = "the last one expired at " + stamp(chain[0].NotAfter)
		return
	}
	trusted := slices.Concat(d.published, d.served)
	if d.next != nil {
		trusted = append(trusted, d.next.cert)
	}
	if _, err := verify(chain, usableCAs(trusted, d.Now), d.Now); err != nil {
		d.leafProblem = "no CA that is still valid verifies the last one"
		return
	}
	d.chain, d.keyPEM = chain, d.have.Server[KeyPrivateKey]
}

// chooseAuthorities decides which CA signs, and which one will.
func (d *decision) chooseAuthorities() error {
	if d.signing == nil || d.Now.After(d.signing.cert.NotAfter) {
		if err := d.replaceUnusable(); err != nil {
			return err
		}
	}
	if d.next != nil {
		d.switchToNext()
	}
	if worn(d.signing.cert, d.Now) && (d.next == nil || worn(d.next.cert, d.Now)) {
		next, err := newAuthority(d.Names, d.CALife, d.Now)
		if err != nil {
			return err
		}
		d.next = next
		d.at(d.switchDue())
		d.change(CAPublished, "The CA of the servers ends at %s. Published the next CA; it signs once every pod trusts it.",
			stamp(d.signing.cert.NotAfter))
	}
	d.at(wornAt(d.signing.cert))
	return nil
}

// replaceUnusable finds a CA in place of one that is absent or has expired.
func (d *decision) replaceUnusable() error {
	reason, why := CACreated, d.Names.caSecret()+" held none."
	if d.signing != nil {
		reason, why = CAExpired, "The last one expired at "+stamp(d.signing.cert.NotAfter)+" before it was rotated. Clients must read ca.crt again."
	}
	if d.next != nil && !d.Now.Before(d.next.cert.NotBefore) {
		d.signing, d.next = d.next, nil
		d.change(reason, "The next CA becomes the CA of the servers. %s", why)
		return nil
	}
	made, err := newAuthority(d.Names, d.CALife, d.Now)
	if err != nil {
		return err
	}
	d.signing = made
	d.change(reason, "Made a CA for the servers. %s", why)
	return nil
}

// switchToNext has the next CA sign once it was published for long enough, and every
// pod has proved to trust it.
func (d *decision) switchToNext() {
	if due := d.switchDue(); d.Now.Before(due) {
		d.at(due)
		return
	}
	if !d.trusted(d.currentBundle()) {
		d.waiting = "The next CA was published. It signs once every pod has been started with the bundle that holds it."
		return
	}
	d.change(CASwitched, "Every pod trusts the next CA. It signs from now on.")
	d.signing, d.next = d.next, nil
}

// switchDue returns from when on the next CA may sign, if it is trusted.
func (d *decision) switchDue() time.Time {
	due := d.next.cert.NotBefore.Add(backdate + d.Overlap)
	// Close to the end of the old CA, what clients have read matters less.
	if last := d.signing.cert.NotAfter.Add(-d.Overlap); last.Before(due) {
		due = last
	}
	if d.next.cert.NotBefore.After(due) {
		return d.next.cert.NotBefore
	}
	return due
}

// trusted tells whether every pod, and every pod that starts now, has this bundle.
func (d *decision) trusted(bundle []*x509.Certificate) bool {
	return d.proven.BundleDigest != "" && d.proven.BundleDigest == digest(bundle) && digest(d.served) == digest(bundle)
}

// currentBundle returns what must be trusted with the CAs as they are now.
func (d *decision) currentBundle() []*x509.Certificate {
	first := []*x509.Certificate{d.signing.cert}
	if d.next != nil {
		first = append(first, d.next.cert)
	}
	others := d.published
	if d.chain != nil && !d.signing.signed(d.chain[0]) {
		// The CA of the running pods may be known from their own Secret only, where
		// that of the CA was replaced or deleted.
		others = slices.Concat(others, d.served)
	}
	return union(first, usableCAs(others, d.Now))
}

func (d *decision) chooseBundle() {
	d.bundle = d.currentBundle()
	if d.chain == nil || d.signing.signed(d.chain[0]) {
		return
	}
	if _, err := verify(d.chain, usableCAs(d.published, d.Now), d.Now); err != nil && len(d.published) > 0 {
		d.change(CAReplaced, "The CA in %s is not the one that the certificate of the servers was signed with. "+
			"Both are published; the new one signs once every pod trusts it.", d.Names.caSecret())
	}
}

// chooseLeaf issues a certificate if it has a reason to, and if pods can verify what
// the CA signs.
func (d *decision) chooseLeaf() error {
	reason := d.reasonToIssue()
	if reason == "" {
		return nil
	}
	cert, keyPEM, err := d.signing.issue(d.Names, d.dns, d.ips, d.signing.ends(d.LeafLife, d.Now), d.Now)
	if err != nil {
		return err
	}
	chain := []*x509.Certificate{cert}
	// A CA that a person brought can forbid names, for example.
	if _, err := verify(chain, d.bundle, d.Now); err != nil {
		return fmt.Errorf("a certificate of the servers would not be valid under the CA in %s: %w; use a CA without such limits, "+
			"or delete the Secret: a new CA is then made and published before it signs", d.Names.caSecret(), err)
	}
	d.chain, d.keyPEM, d.issued = chain, keyPEM, true
	d.change(CertificateIssued, "Issued a certificate for the servers, valid until %s: %s.", stamp(cert.NotAfter), reason)
	return nil
}

func (d *decision) reasonToIssue() string {
	if d.chain == nil {
		return d.leafProblem
	}
	leaf := d.chain[0]
	if !d.signing.signed(leaf) {
		if d.trusted(d.bundle) {
			return "the CA that signed the last one has been replaced"
		}
		d.waiting = "The CA was replaced. It signs the certificate of the servers once every pod has been started with the bundle that holds it."
		return ""
	}
	if missing := missingNames(leaf, d.dns, d.ips); len(missing) > 0 {
		return "the last one lacked " + strings.Join(missing, ", ")
	}
	if !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return "the last one was not for clients, and servers present it to each other"
	}
	due := leaf.NotAfter.Add(-d.RotateBefore)
	// A CA close to its end issues nothing that lives longer.
	if !d.Now.Before(due) && d.signing.ends(d.LeafLife, d.Now).After(leaf.NotAfter) {
		return "the last one ends at " + stamp(leaf.NotAfter)
	}
	return ""
}

// retire drops old CAs from the bundle once every pod serves a certificate of the
// CA that signs.
func (d *decision) retire() {
	leaf := d.chain[0]
	keep := []*x509.Certificate{d.signing.cert}
	if d.next != nil {
		keep = append(keep, d.next.cert)
	}
	if len(keep) == len(d.bundle) || !d.signing.signed(leaf) {
		return
	}
	due := leaf.NotBefore.Add(backdate + d.Overlap)
	if d.Now.Before(due) {
		d.at(due)
		return
	}
	serial := Serial(leaf)
	other := func(served string) bool { return served != serial }
	if len(d.proven.LeafSerials) == 0 || slices.ContainsFunc(d.proven.LeafSerials, other) {
		if d.waiting == "" {
			d.waiting = "Old CAs stay in the bundle until every pod serves the certificate with the serial number " + serial + "."
		}
		return
	}
	d.change(CARetired, "Every pod serves a certificate of the current CA. Removed %d older from the bundle that clients trust.", len(d.bundle)-len(keep))
	d.bundle = keep
}

func (d *decision) result() (Result, error) {
	leaf := d.chain[0]
	anchor, err := verify(d.chain, d.bundle, d.Now)
	if err != nil {
		return Result{}, fmt.Errorf("%s: the certificate in tls.crt is not valid: %w; delete the Secret to have one issued", d.Names.serverSecret(), err)
	}
	bundle := encodeCertificates(d.bundle...)
	result := Result{
		Material: Material{
			CA:     map[string][]byte{KeyCA: bundle, KeyCAKey: d.signing.keyPEM},
			Server: map[string][]byte{KeyCA: bundle, KeyPrivateKey: d.keyPEM, KeyCertificate: d.have.Server[KeyCertificate]},
		},
		Changes: d.changes,
		Waiting: d.waiting,
		Leaf:    Info{Serial: Serial(leaf), NotAfter: leaf.NotAfter, CANotAfter: anchor, Digest: digest(d.bundle)},
	}
	if d.next != nil {
		result.Material.CA[KeyNextCA] = encodeCertificates(d.next.cert)
		result.Material.CA[KeyNextCAKey] = d.next.keyPEM
	}
	if d.issued {
		result.Material.Server[KeyCertificate] = encodeCertificates(leaf)
	}
	result.CAChanged = differs(d.have.CA, result.Material.CA)
	result.ServerChanged = differs(d.have.Server, result.Material.Server)

	if due := leaf.NotAfter.Add(-d.RotateBefore); d.signing.ends(d.LeafLife, due).After(leaf.NotAfter) {
		d.at(due)
	}
	for _, cert := range append(slices.Clone(d.bundle), leaf) {
		// A certificate is valid up to and including its last second.
		d.at(cert.NotAfter.Add(time.Second))
	}
	for _, t := range d.times {
		if t.After(d.Now) && (result.LookAgain.IsZero() || t.Before(result.LookAgain)) {
			result.LookAgain = t
		}
	}
	return result, nil
}

// differs compares the keys that this package knows. Others are not ours.
func differs(have, want map[string][]byte) bool {
	return slices.ContainsFunc([]string{KeyCA, KeyCAKey, KeyNextCA, KeyNextCAKey, KeyCertificate, KeyPrivateKey}, func(key string) bool {
		return !bytes.Equal(have[key], want[key])
	})
}

// missingNames returns the names and addresses that a certificate should carry and
// does not.
func missingNames(leaf *x509.Certificate, dns []string, ips []net.IP) []string {
	var missing []string
	for _, name := range dns {
		if !slices.ContainsFunc(leaf.DNSNames, func(have string) bool { return strings.EqualFold(have, name) }) {
			missing = append(missing, name)
		}
	}
	for _, ip := range ips {
		if !containsIP(leaf.IPAddresses, ip) {
			missing = append(missing, ip.String())
		}
	}
	return missing
}

// worn tells whether less than a third of a CA's life is left.
func worn(cert *x509.Certificate, now time.Time) bool { return !now.Before(wornAt(cert)) }

func wornAt(cert *x509.Certificate) time.Time {
	return cert.NotAfter.Add(-cert.NotAfter.Sub(cert.NotBefore) / 3)
}
