// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

const backupRole = "openbao-operator-backup"

func (f *fixture) identity(role string) openbaov1alpha1.IdentityStatus {
	f.t.Helper()
	for _, i := range f.record("prod").Identities {
		if i.Role == role {
			return i
		}
	}
	f.t.Fatalf("nothing is known of role %s", role)
	panic("unreachable")
}

func TestProof(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0, withBackup)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	record := f.record("prod")
	if record.Version != "2.6.2" {
		t.Errorf("the version is %q", record.Version)
	}
	if record.Proved != "2/2" || record.ProvedAt == nil || record.RefusalsProvedAt == nil {
		t.Errorf("recorded %+v", record)
	}
	got := f.identity(backupRole)
	if got.State != openbaov1alpha1.Proved || got.Identity != "backup" || got.Policy != backupRole || got.Message != "" ||
		got.Subject != "system:serviceaccount:ns:prod-backup-serviceaccount" || len(got.Missing)+len(got.Excess) > 0 {
		t.Errorf("got %+v", got)
	}
	if !slices.Contains(got.ViaDefault, "auth/token/lookup-self: read") {
		t.Errorf("rights via default are %q", got.ViaDefault)
	}
	if got := len(f.server().sessions); got != 0 {
		t.Errorf("%d tokens of proofs live on", got)
	}
	want := []string{"Login openbao-operator", "Logout openbao-operator", "Refused openbao-operator", "Refused openbao-operator", "Login " + backupRole, "Logout " + backupRole, "Refused " + backupRole, "Refused " + backupRole}
	if log := f.server().takeLog(); !slices.Equal(log, want) {
		t.Errorf("logins are %q, want %q", log, want)
	}

	// Rights are proved every hour, refusals once a day.
	f.now = f.now.Add(time.Hour)
	f.sync("prod")
	if log := f.server().takeLog(); count(log, "Login") != 2 || count(log, "Refused") != 0 {
		t.Errorf("after an hour: %q", log)
	}
	f.now = f.now.Add(23 * time.Hour)
	f.sync("prod")
	if log := f.server().takeLog(); count(log, "Login") != 2 || count(log, "Refused") != 4 {
		t.Errorf("after a day: %q", log)
	}
}

// TestProofFindsWhatIsWrong checks each way in which an identity can be wrong.
func TestProofFindsWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*fakeServer)
		says    string
		check   func(openbaov1alpha1.IdentityStatus) bool
	}{
		"excess": {
			prepare: func(s *fakeServer) { s.policies[backupRole] += "\npath \"sys/seal\" { capabilities = [\"sudo\"] }" },
			says:    "sys/seal: sudo",
			check: func(i openbaov1alpha1.IdentityStatus) bool {
				return slices.Equal(i.Excess, []string{"sys/seal: sudo"}) && len(i.Missing) == 0
			},
		},
		"missing": {
			prepare: func(s *fakeServer) { delete(s.policies, backupRole) },
			says:    "sys/storage/raft/snapshot: read",
			check: func(i openbaov1alpha1.IdentityStatus) bool {
				return slices.Equal(i.Missing, []string{"sys/storage/raft/snapshot: read"})
			},
		},
		"no way to ask": {
			prepare: func(s *fakeServer) { s.roles[backupRole]["token_no_default_policy"] = true },
			says:    "sys/capabilities-self",
		},
		"no login": {
			prepare: func(s *fakeServer) { s.roles[backupRole]["bound_subject"] = "else" },
			says:    "The ServiceAccount ns/prod-backup-serviceaccount cannot log in",
		},
		"no role": {
			prepare: func(s *fakeServer) { delete(s.roles, backupRole) },
			says:    "cannot log in",
		},
		"any audience": {
			prepare: func(s *fakeServer) {
				s.roles[backupRole]["bound_audiences"] = []any{"bailiwick.dev/openbao/uid-of-ns/prod", DecoyAudience}
			},
			says: `A token of its ServiceAccount for the audience "bailiwick.dev/decoy" could log in`,
		},
		"the decoy": {
			prepare: func(s *fakeServer) {
				s.roles[backupRole]["bound_subject"] = "system:serviceaccount:bailiwick-system:decoy"
			},
			says: "The ServiceAccount bailiwick-system/decoy could log in",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.create("prod", 0, withBackup)
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			f.settle()
			tc.prepare(f.server())
			f.now = f.now.Add(24 * time.Hour)
			f.sync("prod")
			c := f.expect("prod", ReasonProofFailed)
			got := f.identity(backupRole)
			if got.State != openbaov1alpha1.ProofMismatch || !strings.Contains(got.Message, tc.says) {
				t.Errorf("got %+v", got)
			}
			if !strings.Contains(c.Message, backupRole) || !strings.Contains(c.Message, tc.says) || !strings.Contains(c.Message, "create secret generic admin") {
				t.Errorf("the message is %s", c.Message)
			}
			if tc.check != nil && !tc.check(got) {
				t.Errorf("got %+v", got)
			}
			if got := f.record("prod").Proved; got != "1/2" {
				t.Errorf("proved are %s", got)
			}
			if name != "no way to ask" && len(f.server().sessions) > 0 {
				t.Errorf("tokens live on: %v", f.server().sessions)
			}

			// With another admin token it is written again.
			f.admin("s.second")
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			if f.server().tokens["s.second"] || f.record("prod").Proved != "2/2" {
				t.Errorf("after a new token: %+v", f.record("prod"))
			}
		})
	}
}

// TestNotProved checks that what cannot be tried fails nothing, and is tried again.
func TestNotProved(t *testing.T) {
	const account = "ns/prod-backup-serviceaccount"
	for name, tc := range map[string]struct {
		prepare func(*fixture)
		says    string
		mend    func(*fixture)
	}{
		"no ServiceAccount": {
			prepare: func(f *fixture) { delete(f.accounts, account) },
			says:    "kubectl -n ns create serviceaccount prod-backup-serviceaccount",
			mend:    func(f *fixture) { f.accounts[account] = nil },
		},
		"no right": {
			prepare: func(f *fixture) { f.accounts[account] = forbidden("no") },
			says:    "--resource-name=prod-backup-serviceaccount",
			mend:    func(f *fixture) { f.accounts[account] = nil },
		},
		"admission": {
			prepare: func(f *fixture) {
				f.accounts[account] = forbidden("ValidatingAdmissionPolicy 'x' denied request: run kubectl edit")
			},
			says: "run kubectl edit",
			mend: func(f *fixture) { f.accounts[account] = nil },
		},
		"no decoy": {
			prepare: func(f *fixture) { delete(f.accounts, "bailiwick-system/decoy") },
			says:    "create serviceaccount decoy",
			mend:    func(f *fixture) { f.accounts["bailiwick-system/decoy"] = nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			tc.prepare(f)
			f.create("prod", 0, withBackup)
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			if got := f.identity(backupRole); got.State != openbaov1alpha1.NotProved || !strings.Contains(got.Message, tc.says) {
				t.Errorf("got %+v", got)
			}
			f.settle()
			f.sync("prod")
			if log := f.server().takeLog(); len(log) > 0 {
				t.Errorf("logged in for what cannot be proved: %q", log)
			}
			for _, action := range f.clusters.Actions() {
				if action.GetVerb() == "patch" {
					t.Errorf("wrote to the object: %v", action)
				}
			}
			tc.mend(f)
			f.sync("prod")
			if got := f.record("prod").Proved; got != "2/2" {
				t.Errorf("proved are %s: %+v", got, f.record("prod").Identities)
			}
			if f.record("prod").RefusalsProvedAt == nil && name != "no decoy" {
				t.Error("refusals are not recorded")
			}
		})
	}
}

// TestInterruptedProof checks that a proof which cannot go on fails nothing, is
// tried again with backoff, and goes on where it stopped.
func TestInterruptedProof(t *testing.T) {
	for name, prepare := range map[string]func(*fixture) (mend func()){
		"server": func(f *fixture) func() {
			f.server().fail = func(op string) error {
				if op == "Login "+backupRole {
					return class(openbao.Unavailable)
				}
				return nil
			}
			return func() { f.server().fail = func(string) error { return nil } }
		},
		"API server": func(f *fixture) func() {
			f.accounts["ns/prod-backup-serviceaccount"] = errors.New("timeout")
			return func() { f.accounts["ns/prod-backup-serviceaccount"] = nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			mend := prepare(f)
			f.create("prod", 0, withBackup)
			outcome := f.sync("prod")
			f.expect("prod", ReasonApplied)
			if outcome.Err() == nil || outcome != reconcile.Retry(outcome.Err()) {
				t.Errorf("the outcome is %+v", outcome)
			}
			if f.record("prod").ProvedAt != nil {
				t.Error("recorded as proved")
			}
			mend()
			f.server().takeLog()
			f.sync("prod")
			if log := f.server().takeLog(); slices.Contains(log, "Login openbao-operator") {
				t.Errorf("began anew: %q", log)
			}
			if got := f.record("prod").Proved; got != "2/2" {
				t.Errorf("proved are %s", got)
			}
		})
	}
}

func TestProofOfAdditionalSubjects(t *testing.T) {
	f := newFixture(t)
	f.accounts["team/other"] = nil
	f.create("prod", 0, func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization.Audience = "prod"
		c.Spec.Authorization.AdditionalSubjects = []openbaov1alpha1.AdditionalSubject{{
			Role: "other", Identity: "operator", ServiceAccount: openbaov1alpha1.ServiceAccountReference{Namespace: "team", Name: "other"},
		}}
	})
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.identity("other"); got.State != openbaov1alpha1.Proved || got.Policy != "openbao-operator" || got.Identity != "operator" {
		t.Errorf("got %+v", got)
	}
}
