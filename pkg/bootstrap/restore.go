// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/internal/text"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

// Reasons of the condition AuthorizationReady about the restore identity.
const (
	// ReasonRestoreIdentityChanged: the ServiceAccount that the restore role is bound
	// to was deleted, and another has its name.
	ReasonRestoreIdentityChanged = "RestoreIdentityChanged"
	// ReasonRestoreAccountUnknown: the UID of the ServiceAccount that the restore role
	// is to be bound to is not known, so that the role was not written.
	ReasonRestoreAccountUnknown = "RestoreAccountUnknown"
)

// restoreAccount is what a sync knows about the ServiceAccount of the restore
// identity, as far as the object asks for one.
type restoreAccount struct {
	// uid is the UID that the role is to be bound to, empty if none is known.
	uid string
	// problem says why the UID is not known, and what to do.
	problem string
	// changed says that the account is not the one that the role is bound to, and found
	// is its UID.
	changed *need
	found   string
}

// restoreIdentity finds the account of the restore role, which is bound to its UID.
type restoreIdentity struct{ *task }

// findRestoreAccount reads the UID of the ServiceAccount that may restore. The
// recorded one counts until an admin token is there to bind the role to another: whoever
// may delete and create ServiceAccounts in a namespace must not get the right to
// restore by that.
func (t restoreIdentity) findRestoreAccount(ctx context.Context) {
	t.restore = restoreAccount{}
	if t.obj.Spec.Restore == nil {
		return
	}
	recorded := ""
	if record := t.record(); record != nil {
		recorded = record.RestoreAccountUID
	}
	t.restore.uid = recorded
	who := server.Account{Namespace: t.obj.Namespace, Name: authz.RestoreAccount(t.obj)}
	found, err := t.opts.ServiceAccounts.ServiceAccounts(who.Namespace).Get(ctx, who.Name, metav1.GetOptions{})
	switch {
	case err != nil && recorded != "":
		// The role stays bound to the account that it is bound to. Whether that is
		// still there shows when it logs in.
	case err != nil:
		t.restore.problem = t.restoreUnknown(who, err)
	case recorded == "" || string(found.UID) == recorded:
		t.restore.uid = string(found.UID)
	default:
		t.restore.found = string(found.UID)
		t.restore.changed = &need{ReasonRestoreIdentityChanged, fmt.Sprintf(
			"The ServiceAccount %s was deleted and created again: its UID is %s, and the restore role is bound to %s, so that nobody can restore. "+
				"If the new account is meant to, an admin token binds the role to it.", who, found.UID, recorded)}
		if _, err := t.tokens().adminToken(ctx, *t.restore.changed); err == nil {
			t.restore.uid = t.restore.found
		}
	}
}

// restoreUnknown says why the UID of the account is not known.
func (t restoreIdentity) restoreUnknown(who server.Account, err error) string {
	role := fmt.Sprintf("The role of the restore identity is bound to the UID of the ServiceAccount %s, and is not written as long as that is not known. ", who)
	switch {
	case apierrors.IsNotFound(err):
		return role + fmt.Sprintf("The ServiceAccount does not exist. If nothing else makes it, run: kubectl -n %s create serviceaccount %s", who.Namespace, who.Name)
	case apierrors.IsForbidden(err):
		own, _ := accountOf(t.opts.OperatorSubject)
		name := "bailiwick-read-" + who.Name
		return role + fmt.Sprintf("Bailiwick may not read it. Run: kubectl -n %s create role %s --verb=get --resource=serviceaccounts --resource-name=%s && "+
			"kubectl -n %s create rolebinding %s --role=%s --serviceaccount=%s:%s",
			who.Namespace, name, who.Name, who.Namespace, name, name, own.Namespace, own.Name)
	}
	return role + text.Sentence(fmt.Sprintf("It cannot be read: %v", err))
}

// restoreProblem is err, or if there is none, what is wrong with the account of the
// restore identity.
func (t restoreIdentity) restoreProblem(err error) error {
	changed := t.restore.changed
	if changed != nil && t.record() != nil && t.record().RestoreAccountUID == t.restore.found {
		// An admin token has bound the role to the new account in this sync.
		return err
	}
	switch {
	case changed != nil && err == nil:
		return t.tokens().adminTokenRequired(*changed, nil)
	case changed != nil:
		t.notes = append(t.notes, changed.why)
	case t.restore.problem != "" && err == nil:
		problem := &reconcile.Problem{Reason: ReasonRestoreAccountUnknown, Message: t.restore.problem}
		problem.Next = reconcile.Retry(problem)
		return problem
	case t.restore.problem != "":
		t.notes = append(t.notes, t.restore.problem)
	}
	return err
}

// recordRoles records the roles that are Bailiwick's on a server that holds the
// contract. A role that awaits its account is so only if it was before.
func (t *task) recordRoles() {
	record := t.record()
	possible := t.contract.RoleNames()
	before := slices.DeleteFunc(slices.Clone(record.Roles), func(name string) bool { return !slices.Contains(possible, name) })
	record.Roles = distinct(t.contract.WritableRoleNames(), before)
	record.RestoreAccountUID = ""
	if grant, ok := t.contract.Restore(); ok {
		record.RestoreAccountUID = grant.Role.AccountUID
	}
}

// noteRestore says, where backups are taken, what a restore will need.
func (t restoreIdentity) noteRestore() {
	if t.obj.Spec.Backup != nil && t.obj.Spec.Restore == nil {
		t.notes = append(t.notes, "spec.backup is set and spec.restore is not: to add spec.restore later needs an admin token.")
	}
}
