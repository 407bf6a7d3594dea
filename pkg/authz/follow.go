// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// FollowInput is what is known of the signing keys.
type FollowInput struct {
	// Published are the usable keys that the API server publishes now. None at
	// all says nothing, and leaves everything as it is recorded.
	Published []Key
	// Recorded are the keys of the last time.
	Recorded []openbaov1alpha1.SigningKeyStatus
	Now      time.Time
	// Overlap is how long a key that is no longer published stays accepted.
	Overlap time.Duration
	// DropOld drops the keys that are no longer published immediately.
	DropOld bool
	// KeepOld keeps them beyond the overlap, unless DropOld says otherwise: where only
	// an admin token can drop them, their end is no reason to ask for one.
	KeepOld bool
}

// FollowResult says which keys a server must accept.
type FollowResult struct {
	// Keys are the keys that the config must hold, ordered by id.
	Keys []Key
	// Status is to be recorded, ordered by id. It does not change while the
	// published keys stay the same and no overlap ends.
	Status []openbaov1alpha1.SigningKeyStatus
	// NextExpiry is when the next overlap ends; it is zero if none is running.
	NextExpiry time.Time
}

// FollowKeys carries the signing keys over a change of what is published: a key
// that vanishes stays for the overlap, since tokens that it signed live on. A key
// that comes back under its id with another value replaces the old one immediately.
func FollowKeys(in FollowInput) FollowResult {
	now := metav1.NewTime(in.Now).Rfc3339Copy()
	recorded := map[string]openbaov1alpha1.SigningKeyStatus{}
	for _, k := range in.Recorded {
		recorded[k.ID] = k
	}
	var result FollowResult
	published := map[string]bool{}
	values := map[string]bool{}
	for _, k := range slices.SortedFunc(slices.Values(in.Published), compareKeys) {
		if values[k.PEM] {
			continue
		}
		values[k.PEM] = true
		result.Keys = append(result.Keys, k)
		if published[k.ID] {
			// Two keys with one id: both are accepted, one can be recorded.
			continue
		}
		published[k.ID] = true
		status := openbaov1alpha1.SigningKeyStatus{ID: k.ID, Algorithm: k.Algorithm, PEM: k.PEM, FirstSeen: &now}
		if old, ok := recorded[k.ID]; ok && old.FirstSeen != nil && (old.PEM == k.PEM || old.PEM == "") {
			status.FirstSeen = old.FirstSeen
		}
		result.Status = append(result.Status, status)
	}
	for _, old := range in.Recorded {
		if published[old.ID] || values[old.PEM] || old.PEM == "" {
			continue
		}
		if len(in.Published) > 0 {
			if old.LastSeen == nil || old.LastSeen.After(now.Time) {
				old.LastSeen = &now
			}
			expiry := old.LastSeen.Add(in.Overlap)
			ended := !expiry.After(in.Now)
			if in.DropOld || ended && !in.KeepOld {
				continue
			}
			if !ended && (result.NextExpiry.IsZero() || expiry.Before(result.NextExpiry)) {
				result.NextExpiry = expiry
			}
		}
		result.Keys = append(result.Keys, Key{ID: old.ID, Algorithm: old.Algorithm, PEM: old.PEM})
		result.Status = append(result.Status, old)
	}
	slices.SortFunc(result.Keys, compareKeys)
	slices.SortFunc(result.Status, func(a, b openbaov1alpha1.SigningKeyStatus) int { return cmp.Compare(a.ID, b.ID) })
	return result
}
