// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"fmt"
	"slices"
	"strings"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// peerRemoval shows what became of the identity that removes a server from its cluster.
// In mode Enforce it is part of the contract while it is wanted, and proved as the others.
type peerRemoval struct{ *task }

// wanted reports whether the contract has the identity.
func (t peerRemoval) wanted() bool {
	return slices.ContainsFunc(t.contract.Grants, func(g authz.Grant) bool { return g.Identity == authz.RemovePeer })
}

// withdrawn forgets what was found of the identity once it is not wanted any more, also
// where nothing could be tried since.
func (t peerRemoval) withdrawn() {
	if record := t.record(); record != nil && t.digest != "" && !t.wanted() {
		record.Identities = slices.DeleteFunc(record.Identities, func(i openbaov1alpha1.IdentityStatus) bool {
			return i.Identity == string(authz.RemovePeer)
		})
	}
}

// cannotWrite lists the identity, and what a person can do in its place, in the modes in
// which nothing is written without an admin token: asking for one would make the
// authorization look broken, which it is not.
func (t peerRemoval) cannotWrite() {
	record, name := t.record(), authz.ServerToRemove(t.obj)
	if record == nil || t.digest == "" || !t.runsServers || name == "" || t.enforces() {
		return
	}
	record.Identities = append(record.Identities, openbaov1alpha1.IdentityStatus{
		Role: authz.RemovePeerRole, Identity: string(authz.RemovePeer), Policy: authz.RemovePeerRole, Subject: t.opts.ServersSubject,
		Server: name, State: openbaov1alpha1.NotProved, Message: t.removeByHand(name),
	})
	slices.SortFunc(record.Identities, func(a, b openbaov1alpha1.IdentityStatus) int { return strings.Compare(a.Role, b.Role) })
}

// removeByHand says how a server leaves without the identity.
func (t peerRemoval) removeByHand(name string) string {
	field := "spec.authorization.mode"
	if t.obj.Spec.Authorization == nil {
		field = "the annotation " + openbaov1alpha1.AnnotationMode
	}
	return fmt.Sprintf("In mode %s Bailiwick may not write the role that removes the server %s from the cluster. "+
		"Set %s to Enforce, which takes an admin token once, or log in as somebody who may update sys/storage/raft/remove-peer and run: "+
		"bao operator raft remove-peer %s", t.settings.Mode, name, field, name)
}
