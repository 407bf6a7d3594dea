// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// ReasonUnmanagedRoles is the reason of the event about roles that are not Bailiwick's.
const ReasonUnmanagedRoles = "UnmanagedRoles"

// celPrefix is before the names of roles in CEL.
const celPrefix = "cel/"

// What cannot be checked in mode Once, which has no identity that reads.
const (
	onceReadsNoRoles = "fields of the roles that a login does not show, such as bound_claims and token_max_ttl: only the modes Observe and Enforce read the roles"
	onceListsNoRoles = "roles of the mount that are not Bailiwick's: only the modes Observe and Enforce list the roles"
)

// mountRoles lists all roles of the mount, those in CEL with "cel/" before their
// names. The list is nil if one of the two lists is denied, and denied names the path.
func mountRoles(ctx context.Context, server openbao.Interface) (names []string, denied string, err error) {
	names, err = server.ListRoles(ctx, authz.MountPath)
	if openbao.ClassOf(err) == openbao.PermissionDenied {
		return nil, authz.RolesPath(authz.MountPath), nil
	}
	if err != nil {
		return nil, "", err
	}
	inCEL, err := server.ListCELRoles(ctx, authz.MountPath)
	if openbao.ClassOf(err) == openbao.PermissionDenied {
		return nil, authz.CELRolesPath(authz.MountPath), nil
	}
	if err != nil {
		return nil, "", err
	}
	for _, name := range inCEL {
		names = append(names, celPrefix+name)
	}
	slices.Sort(names)
	return names, "", nil
}

// checkRoles records which roles of the mount are not Bailiwick's, and what cannot
// be checked. What was found stays while nothing can be read.
func (t *task) checkRoles(ctx context.Context) {
	record := t.record()
	if record == nil || t.digest == "" {
		return
	}
	if t.settings.Mode == openbaov1alpha1.AuthorizationOnce {
		// The last list is that of the admin token.
		record.Unknown = []string{onceReadsNoRoles, onceListsNoRoles}
	} else if held := t.logins.Get(t.name); !t.rests && held != nil && held.Target.Owner == t.obj.UID {
		if err := t.bootstrapperSession(t.server().use(held)).listRoles(ctx); err != nil {
			klog.FromContext(ctx).V(2).Info("Could not list the roles of the mount", "err", err)
		}
	}
	t.noteUnmanaged()
}

// listRoles lists the roles with a login that may.
func (s session) listRoles(ctx context.Context) error {
	names, denied, err := mountRoles(ctx, s.client)
	if err != nil {
		return err
	}
	record := s.record()
	record.Unknown = nil
	if denied != "" {
		record.Unknown = []string{fmt.Sprintf("roles of the mount that are not Bailiwick's: the login lacks the capability list on %s, "+
			"which an admin token writes into Bailiwick's own policy", denied)}
		return nil
	}
	ours := distinct(record.Roles, s.contract.RoleNames())
	record.UnmanagedRoles = nil
	for _, name := range names {
		if !slices.Contains(ours, name) {
			record.UnmanagedRoles = append(record.UnmanagedRoles, name)
		}
	}
	return nil
}

// noteUnmanaged reports roles that are not Bailiwick's: whoever may sign tokens for
// the mount, or log in with them, has rights that no contract knows.
func (t *task) noteUnmanaged() {
	others := t.record().UnmanagedRoles
	if len(others) == 0 {
		return
	}
	message := fmt.Sprintf("The mount %s has roles that are not Bailiwick's: %s. They are not checked, and the mount stays when nothing is requested any more.",
		authz.MountPath, strings.Join(others, ", "))
	t.notes = append(t.notes, message)
	var before []string
	if recorded := t.before.Status.Authorization; recorded != nil {
		before = recorded.UnmanagedRoles
	}
	if !slices.Equal(before, others) {
		t.events = append(t.events, func() { t.announce(corev1.EventTypeWarning, ReasonUnmanagedRoles, message) })
	}
}
