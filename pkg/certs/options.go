// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"fmt"
	"time"
)

// Defaults of Options.
const (
	DefaultLeafLife = 365 * 24 * time.Hour
	DefaultCALife   = 10 * 365 * 24 * time.Hour
	DefaultOverlap  = 24 * time.Hour
)

// minCALife keeps a new CA, which is backdated by an hour, from looking as if a
// third of its life had passed already.
const minCALife = time.Hour

// Options are what Next depends on besides the Secrets.
type Options struct {
	Names Names
	// RotateBefore is how long before its end the certificate of the servers is
	// replaced: spec.tls.rotationPeriod. Zero means a third of LeafLife.
	RotateBefore time.Duration
	// LeafLife is the life of the servers' certificate. Zero means DefaultLeafLife.
	LeafLife time.Duration
	// CALife is the life of a CA. Zero means DefaultCALife.
	CALife time.Duration
	// Overlap is how long clients have to read the bundle: a new CA is published for
	// at least this long before it signs, and an old one stays for at least this
	// long after a certificate was issued. Zero means DefaultOverlap.
	Overlap time.Duration
	// Now is the time at which Next decides.
	Now time.Time
}

// complete fills in the defaults and refuses what would issue certificates again
// and again.
func (o Options) complete() (Options, error) {
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{{&o.LeafLife, DefaultLeafLife}, {&o.CALife, DefaultCALife}, {&o.Overlap, DefaultOverlap}} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	if o.RotateBefore == 0 {
		o.RotateBefore = o.LeafLife / 3
	}
	switch {
	case o.Now.IsZero():
		return o, fmt.Errorf("options without a time")
	case o.LeafLife < 0 || o.Overlap < 0:
		return o, fmt.Errorf("the life of certificates (%s) and the overlap (%s) cannot be negative", o.LeafLife, o.Overlap)
	case o.CALife < minCALife || o.CALife < o.LeafLife:
		return o, fmt.Errorf("the life of a CA is %s; it must be at least %s, and no shorter than that of the servers' certificate (%s)",
			o.CALife, minCALife, o.LeafLife)
	case o.RotateBefore < 0:
		return o, fmt.Errorf("spec.tls.rotationPeriod is %s; it cannot be negative", o.RotateBefore)
	case o.RotateBefore >= o.LeafLife:
		return o, fmt.Errorf("spec.tls.rotationPeriod is %s, and certificates live for %s: each would be replaced as soon as it is issued; "+
			"set a shorter time, 720h for example", o.RotateBefore, o.LeafLife)
	case o.RotateBefore+o.Overlap >= o.LeafLife:
		// The overlap is counted from the issue of the current certificate.
		return o, fmt.Errorf("spec.tls.rotationPeriod is %s, and certificates live for %s: each would be replaced before clients have had "+
			"%s to trust a new CA; set a time under %s, 720h for example", o.RotateBefore, o.LeafLife, o.Overlap, o.LeafLife-o.Overlap)
	}
	return o, nil
}
