// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

const (
	restoreRole = "openbao-operator-restore"
	restoreJob  = "ns/prod-restore-serviceaccount"
)

// boundUID is the UID that the restore role on the server is bound to.
func (f *fixture) boundUID() string {
	claims, _ := f.server().roles[restoreRole]["bound_claims"].(map[string]any)
	return fmt.Sprint(claims["/kubernetes.io/serviceaccount/uid"])
}

var allModes = []openbaov1alpha1.AuthorizationMode{
	openbaov1alpha1.AuthorizationOnce, openbaov1alpha1.AuthorizationObserve, openbaov1alpha1.AuthorizationEnforce,
}

// TestRestoreIdentityChanged has the account that may restore created again: the new
// one gets nothing, which is reported, until an admin token says otherwise.
func TestRestoreIdentityChanged(t *testing.T) {
	for _, mode := range allModes {
		t.Run(string(mode), func(t *testing.T) {
			f := provedObject(t, withRestore, inMode(mode))
			old := "uid-of-" + restoreJob
			if f.boundUID() != old || f.record("prod").RestoreAccountUID != old {
				t.Fatalf("bound to %s, recorded %s", f.boundUID(), f.record("prod").RestoreAccountUID)
			}
			total := f.record("prod").Proved[2:]
			f.uids = map[string]string{restoreJob: "new"}
			for range 2 {
				f.sync("prod")
				c := f.expect("prod", ReasonRestoreIdentityChanged)
				for _, part := range []string{"its UID is new", "bound to " + old, "create secret generic admin"} {
					if !strings.Contains(c.Message, part) {
						t.Errorf("the message does not say %q: %s", part, c.Message)
					}
				}
			}
			if got := f.server().takeWrites(); len(got) > 0 || f.boundUID() != old {
				t.Errorf("wrote %q, bound to %s", got, f.boundUID())
			}
			// The others go on.
			f.now = f.now.Add(time.Hour)
			f.sync("prod")
			f.expect("prod", ReasonRestoreIdentityChanged)
			if got := f.identity(restoreRole); got.State != openbaov1alpha1.ProofMismatch {
				t.Errorf("got %+v", got)
			}
			f.expectProved(fmt.Sprintf("%c/%s", total[0]-1, total))

			f.admin("s.second")
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			if f.boundUID() != "new" || f.record("prod").RestoreAccountUID != "new" {
				t.Errorf("bound to %s, recorded %s", f.boundUID(), f.record("prod").RestoreAccountUID)
			}
			f.expectProved(total + "/" + total)
		})
	}
}

// TestRestoreIsNotWidened takes the claims from the role by hand: only an admin token
// writes them again.
func TestRestoreIsNotWidened(t *testing.T) {
	f := enforced(t, withRestore)
	f.secret("admin", nil)
	role := f.server().roles[restoreRole]
	role["bound_claims"], role["bound_subject"] = map[string]any{}, "system:serviceaccount:else:where"
	f.sync("prod")
	if c := f.expect("prod", ReasonAdminTokenRequired); !strings.Contains(c.Message, "role "+restoreRole+" differs in bound_claims") {
		t.Errorf("the message is %s", c.Message)
	}
	// What else was changed is repaired immediately.
	if got := f.server().roles[restoreRole]["bound_subject"]; got != "system:serviceaccount:ns:prod-restore-serviceaccount" {
		t.Errorf("the subject is %v", got)
	}
	f.admin("s.second")
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got, want := f.boundUID(), "uid-of-"+restoreJob; got != want {
		t.Errorf("bound to %s, want %s", got, want)
	}
}

// TestRestoreAccountUnknown checks that without the UID there is no role, and that
// the condition says what to do.
func TestRestoreAccountUnknown(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*fixture)
		says    string
		fix     func(*fixture)
	}{
		"no account": {
			prepare: func(f *fixture) { delete(f.accounts, restoreJob) },
			says:    "kubectl -n ns create serviceaccount prod-restore-serviceaccount",
			fix:     func(f *fixture) { f.accounts[restoreJob] = nil },
		},
		"no right": {
			prepare: func(f *fixture) {
				f.readErrs = map[string]error{restoreJob: apierrors.NewForbidden(corev1.Resource("serviceaccounts"), "x", nil)}
			},
			says: "--verb=get --resource=serviceaccounts --resource-name=prod-restore-serviceaccount",
			fix:  func(f *fixture) { f.readErrs = nil },
		},
	} {
		for _, mode := range allModes {
			t.Run(name+", "+string(mode), func(t *testing.T) {
				f := newFixture(t)
				tc.prepare(f)
				f.create("prod", 0, withRestore, inMode(mode))
				f.sync("prod")
				if c := f.expect("prod", ReasonRestoreAccountUnknown); !strings.Contains(c.Message, tc.says) {
					t.Errorf("the message is %s", c.Message)
				}
				if _, exists := f.server().roles[restoreRole]; exists || slices.Contains(f.record("prod").Roles, restoreRole) {
					t.Errorf("the role exists: %t, recorded are %q", exists, f.record("prod").Roles)
				}
				if got := f.identity(restoreRole); got.State != openbaov1alpha1.NotProved || !strings.Contains(got.Message, tc.says) {
					t.Errorf("got %+v", got)
				}
				tc.fix(f)
				f.sync("prod")
				f.expect("prod", ReasonAdminTokenRequired)
				f.admin("s.second")
				f.sync("prod")
				f.expect("prod", ReasonApplied)
				if got, want := f.boundUID(), "uid-of-"+restoreJob; got != want {
					t.Errorf("bound to %s, want %s", got, want)
				}
			})
		}
	}
}

// TestRestoreRoleOfAnEarlierVersion checks that a role without an account stays as
// it is while the UID can't be read, and is bound with the next admin token.
func TestRestoreRoleOfAnEarlierVersion(t *testing.T) {
	f := provedObject(t, withRestore)
	f.server().roles[restoreRole]["bound_claims"] = map[string]any{}
	obj := f.get("prod").DeepCopy()
	obj.Status.Authorization.RestoreAccountUID, obj.Status.Authorization.Digest = "", "sha256:of-the-earlier-version"
	if err := f.clusters.Tracker().Update(Resource, obj, "ns"); err != nil {
		t.Fatal(err)
	}
	if err := f.informer.GetIndexer().Update(obj); err != nil {
		t.Fatal(err)
	}
	f.restart()
	f.readErrs = map[string]error{restoreJob: apierrors.NewForbidden(corev1.Resource("serviceaccounts"), "x", nil)}
	f.sync("prod")
	// One token brings everything, so that what is missing for that is said first.
	c := f.expect("prod", ReasonAdminTokenRequired)
	if !strings.Contains(c.Message, "--verb=get --resource=serviceaccounts") || !strings.HasSuffix(c.Message, " --overwrite") {
		t.Errorf("the message is %s", c.Message)
	}
	if _, exists := f.server().roles[restoreRole]; !exists || !slices.Contains(f.record("prod").Roles, restoreRole) {
		t.Errorf("the role exists: %t, recorded are %q", exists, f.record("prod").Roles)
	}
	f.readErrs = nil
	f.admin("s.second")
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got, want := f.boundUID(), "uid-of-"+restoreJob; got != want {
		t.Errorf("bound to %s, want %s", got, want)
	}
	f.expectProved("3/3")
}

// TestRestoreIsAskedForInTime checks that taking backups alone says what a restore
// will need.
func TestRestoreIsAskedForInTime(t *testing.T) {
	f := provedObject(t)
	const says = "to add spec.restore later needs an admin token"
	if c := f.expect("prod", ReasonApplied); !strings.Contains(c.Message, says) {
		t.Errorf("the message is %s", c.Message)
	}
	f.change("prod", withRestore)
	f.admin("s.second")
	f.sync("prod")
	if c := f.expect("prod", ReasonApplied); strings.Contains(c.Message, says) {
		t.Errorf("the message is %s", c.Message)
	}
}

// TestAdditionalSubjectsCannotRestore checks an object that an earlier schema let in.
func TestAdditionalSubjectsCannotRestore(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0, withRestore, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization.AdditionalSubjects = []openbaov1alpha1.AdditionalSubject{{
			Role: "other", Identity: "restore", ServiceAccount: openbaov1alpha1.ServiceAccountReference{Name: "other"},
		}}
	})
	f.sync("prod")
	if c := f.expect("prod", ReasonInvalidSpec); !strings.Contains(c.Message, "spec.authorization.additionalSubjects[other].identity") {
		t.Errorf("the message is %s", c.Message)
	}
	if got := f.server().takeWrites(); len(got) > 0 {
		t.Errorf("wrote %q", got)
	}
}

// TestFirstStartWithoutTheRestoreAccount checks that the requests of a first start
// leave the role out, and that the condition says so.
func TestFirstStartWithoutTheRestoreAccount(t *testing.T) {
	f := newFixture(t)
	delete(f.accounts, restoreJob)
	selfInit := func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.SelfInit = &openbaov1alpha1.SelfInitSpec{Enabled: true}
	}
	f.server().fail = func(string) error { return class("Unavailable") }
	f.create("prod", 0, withRestore, selfInit)
	f.sync("prod")
	role := "auth/jwt-operator/role/" + restoreRole + "\""
	if text := f.init().Data[initKey]; strings.Contains(text, role) {
		t.Errorf("the requests have the role:\n%s", text)
	}
	c := f.expect("prod", ReasonServerUnreachable)
	for _, part := range []string{"leaves out the role " + restoreRole, "create serviceaccount prod-restore-serviceaccount"} {
		if !strings.Contains(c.Message, part) {
			t.Errorf("the message does not say %q: %s", part, c.Message)
		}
	}
	f.accounts[restoreJob] = nil
	f.sync("prod")
	if text := f.init().Data[initKey]; !strings.Contains(text, role) || !strings.Contains(text, "uid-of-"+restoreJob) {
		t.Errorf("the requests lack the role:\n%s", text)
	}
}
