// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"slices"
	"strings"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// eventsOf takes the events with a reason.
func (f *fixture) eventsOf(reason string) (found []string) {
	for len(f.events.Events) > 0 {
		if event := <-f.events.Events; strings.Contains(event, " "+reason+" ") {
			found = append(found, event)
		}
	}
	return found
}

// TestUnmanagedRoles checks that roles of somebody else are reported, those in CEL
// included, and once.
func TestUnmanagedRoles(t *testing.T) {
	for _, mode := range []openbaov1alpha1.AuthorizationMode{openbaov1alpha1.AuthorizationObserve, openbaov1alpha1.AuthorizationEnforce} {
		t.Run(string(mode), func(t *testing.T) {
			f := provedObject(t, inMode(mode))
			if got := f.record("prod"); len(got.UnmanagedRoles)+len(got.Unknown) > 0 {
				t.Errorf("at first: %q, unknown %q", got.UnmanagedRoles, got.Unknown)
			}
			f.server().roles["admins"] = map[string]any{}
			f.server().celRoles = []string{"anyone"}
			f.sync("prod")
			c := f.expect("prod", ReasonApplied)
			want := []string{"admins", "cel/anyone"}
			if got := f.record("prod").UnmanagedRoles; !slices.Equal(got, want) {
				t.Errorf("unmanaged are %q, want %q", got, want)
			}
			if !strings.Contains(c.Message, "roles that are not Bailiwick's: admins, cel/anyone.") {
				t.Errorf("the message is %s", c.Message)
			}
			if events := f.eventsOf(ReasonUnmanagedRoles); len(events) != 1 || !strings.HasPrefix(events[0], "Warning") {
				t.Errorf("the events are %q", events)
			}
			f.sync("prod")
			if events := f.eventsOf(ReasonUnmanagedRoles); len(events) > 0 {
				t.Errorf("again: %q", events)
			}
			delete(f.server().roles, "admins")
			f.server().celRoles = nil
			f.sync("prod")
			if got := f.record("prod").UnmanagedRoles; len(got) > 0 {
				t.Errorf("after they are gone: %q", got)
			}
		})
	}
}

// TestUnmanagedRolesAreUnknown checks that what cannot be listed is said to be so.
func TestUnmanagedRolesAreUnknown(t *testing.T) {
	t.Run("Once", func(t *testing.T) {
		f := newFixture(t)
		f.server().mounts[authz.MountPath] = f.server().mounts["token"]
		delete(f.server().mounts, authz.MountPath)
		f.create("prod", 0)
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		if got := f.record("prod").Unknown; len(got) != 2 {
			t.Errorf("unknown are %q", got)
		}
	})
	// The policy of an earlier version lacks the right.
	t.Run("without the grant", func(t *testing.T) {
		f := provedObject(t, inMode(openbaov1alpha1.AuthorizationEnforce))
		f.secret("admin", nil)
		policy := f.server().policies[bootstrapperRole]
		for _, path := range []string{authz.CELRolesPath(authz.MountPath), authz.RolesPath(authz.MountPath)} {
			f.server().policies[bootstrapperRole] = strings.Replace(policy, "path \""+path+"\"", "path \"else\"", 1)
			f.sync("prod")
			f.expect("prod", ReasonAdminTokenRequired)
			if got := f.record("prod").Unknown; len(got) != 1 || !strings.Contains(got[0], "the capability list on "+path+",") {
				t.Errorf("unknown are %q", got)
			}
		}
		f.admin("s.second")
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		if got := f.record("prod").Unknown; len(got) > 0 {
			t.Errorf("with the grant: %q", got)
		}
	})
}

// TestMountWithOtherRolesStays checks that a mount is not removed with the roles of
// somebody else in it, whatever kind they are of.
func TestMountWithOtherRolesStays(t *testing.T) {
	for name, tc := range map[string]struct {
		add  func(*fakeServer)
		says string
	}{
		"a role":        {func(s *fakeServer) { s.roles["admins"] = map[string]any{} }, "other roles: admins."},
		"a role in CEL": {func(s *fakeServer) { s.celRoles = []string{"anyone"} }, "other roles: cel/anyone."},
	} {
		t.Run(name, func(t *testing.T) {
			f := provedObject(t)
			tc.add(f.server())
			f.change("prod", unrequest)
			f.giveAdmin("s.second")
			f.sync("prod")
			if c := f.expect("prod", ReasonNotRequested); !strings.Contains(c.Message, tc.says) {
				t.Errorf("the message is %s", c.Message)
			}
			if f.server().mounts[authz.MountPath].Type != "jwt" {
				t.Error("the mount was removed")
			}
		})
	}
}
