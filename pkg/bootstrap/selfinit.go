// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"fmt"
	"slices"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// mayHoldByItself reports whether the server may hold the contract although no admin
// token ever wrote it: it can do so at its first start. What was recorded as written
// counts for more.
func (t firstStart) mayHoldByItself() bool {
	record := t.record()
	return (t.selfInits() || t.runsServers) && t.unproved == nil && record.Digest == "" &&
		len(record.Policies)+len(record.Roles)+len(record.Pending) == 0
}

// beginProofs has all identities tried by this sync.
func (t firstStart) beginProofs() {
	t.record().ProvedAt, t.record().RefusalsProvedAt = nil, nil
	t.proofs.of(t.name, t.obj.UID).end()
}

// acceptProofs records that the server holds the contract if every identity of it was
// let in by this sync, with the rights of the contract and no others. Mode Once has no
// login to read the server with, so that whose the policies, the roles and the config
// are is not known: they stay what the first start was to write, until a later login
// reads them. It returns the message of the condition, or err, which is why there is no
// admin token.
func (t firstStart) acceptProofs(err error) (string, error) {
	record := t.record()
	proved := 0
	for _, i := range record.Identities {
		if i.State == openbaov1alpha1.Proved && i.Digest == t.digest && i.ProvedAt.Equal(stamp(t.task)) {
			proved++
		}
	}
	if proved < len(t.contract.Grants) || t.interrupted != nil {
		t.notes = append(t.notes, fmt.Sprintf(
			"The server may hold the contract since its first start (spec.selfInit), but only %d of %d identities could be proved.", proved, len(t.contract.Grants)))
		return "", err
	}
	provedAt, refusalsProvedAt := record.ProvedAt, record.RefusalsProvedAt
	t.recordHeld()
	record.ProvedAt, record.RefusalsProvedAt = provedAt, refusalsProvedAt
	record.ConfigWritten, record.Policies, record.Roles = false, nil, nil
	record.Pending = pendingChanges(slices.DeleteFunc(authz.Diff(t.contract, authz.Observed{}, authz.Recorded{}), func(c authz.Change) bool {
		return c.Kind == authz.KindMount
	}))
	if len(t.keys.Keys) > 1 {
		// Only the one that signs now has shown itself.
		record.SigningKeys = nil
	}
	t.previous = nil
	t.signing().judgeKeys(nil)
	return t.appliedMessage() + " That is known from logins as its identities; it is what the server wrote at its first start (spec.selfInit).", nil
}
