// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import "time"

const (
	// LockTerm is how long an operation holds the lock of its cluster without renewing it.
	LockTerm = 2 * time.Minute
	// lockRenewal is after which time it is renewed.
	lockRenewal = LockTerm / 4
)

// Lock is the lock of a cluster's operations, of which one is under way at a time. The
// zero value is one that nobody has ever held.
type Lock struct {
	// Holder is the UID of the operation that holds it, empty if none does.
	Holder string
	// Fence counts how often it was taken. It is the fencing number of its holder.
	Fence int32
	// RenewedAt is when the holder last confirmed it.
	RenewedAt time.Time
}

// heldBy reports whether an operation holds the lock. That is so after its term, too, for
// as long as nobody else has taken it.
func (l Lock) heldBy(operation string) bool { return operation != "" && l.Holder == operation }

// free reports whether another operation may take it.
func (l Lock) free(now time.Time) bool {
	return l.Holder == "" || !now.Before(l.RenewedAt.Add(LockTerm))
}

// stale reports whether its holder is to renew it.
func (l Lock) stale(now time.Time) bool { return !now.Before(l.RenewedAt.Add(lockRenewal)) }
