// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

func withUpgrade(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Upgrade = &openbaov1alpha1.UpgradeSpec{} }
func withRestore(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Restore = &openbaov1alpha1.RestoreSpec{} }

// provedObject has an object whose identities are proved.
func provedObject(t *testing.T, mutate ...func(*openbaov1alpha1.OpenBaoCluster)) *fixture {
	t.Helper()
	f := newFixture(t)
	f.create("prod", 0, append(mutate, withBackup)...)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.record("prod"); len(got.Identities) == 0 || got.Proved[:1] != got.Proved[2:] {
		t.Fatalf("proved are %s", got.Proved)
	}
	f.settle()
	return f
}

// expectProved checks how many identities count as proved.
func (f *fixture) expectProved(want string) {
	f.t.Helper()
	if got := f.record("prod").Proved; got != want {
		f.t.Errorf("proved are %s, want %s: %+v", got, want, f.record("prod").Identities)
	}
}

// TestTokenOfAProof checks what the answer to a login shows, and no list of
// capabilities does.
func TestTokenOfAProof(t *testing.T) {
	const kvAdmin = `path "kv/*" { capabilities = ["sudo", "create", "read", "update", "delete", "list"] }`
	for name, tc := range map[string]struct {
		prepare func(*fakeServer)
		says    string
		// others says that it is about one identity only.
		others bool
	}{
		"a policy of the entity": {
			prepare: func(s *fakeServer) {
				s.policies["kv-admin"] = kvAdmin
				s.entities = map[string][]string{backupRole: {"kv-admin"}}
			},
			says: "adds the policies kv-admin", others: true,
		},
		"a policy of the role": {
			prepare: func(s *fakeServer) {
				s.policies["kv-admin"] = kvAdmin
				s.roles[backupRole]["token_policies"] = []any{backupRole, "kv-admin"}
			},
			says: "The role gives its tokens the policies default, kv-admin, " + backupRole, others: true,
		},
		"a lease of a second": {prepare: func(s *fakeServer) { s.maxLease = time.Second }, says: "is 1s, which is too short"},
		"batch tokens":        {prepare: func(s *fakeServer) { s.tokenType = "batch" }, says: `of the type "batch"`},
		"a longer lease": {
			prepare: func(s *fakeServer) { s.roles[backupRole]["token_ttl"] = "7200s" }, says: "lease of the token is 2h0m0s", others: true,
		},
		"a second factor": {
			prepare: func(s *fakeServer) { s.mfa = map[string]bool{backupRole: true} }, says: "the server asks for a second factor", others: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := provedObject(t)
			tc.prepare(f.server())
			f.now = f.now.Add(24 * time.Hour)
			f.sync("prod")
			if c := f.expect("prod", ReasonProofFailed); !strings.Contains(c.Message, tc.says) {
				t.Errorf("the message is %s", c.Message)
			}
			if got := f.identity(backupRole); got.State != openbaov1alpha1.ProofMismatch || !strings.Contains(got.Message, tc.says) {
				t.Errorf("got %+v", got)
			}
			want := map[bool]string{true: "1/2", false: "0/2"}[tc.others]
			f.expectProved(want)
		})
	}
}

// TestUnrevokedTokens checks that a token which cannot be revoked is not followed by
// another in every sync, and that the restore identity gets none if others show it.
func TestUnrevokedTokens(t *testing.T) {
	t.Run("the mount", func(t *testing.T) {
		f := provedObject(t, withRestore)
		f.server().tokenType = "batch"
		f.now = f.now.Add(time.Hour)
		f.sync("prod")
		f.expect("prod", ReasonProofFailed)
		log := f.server().takeLog()
		if slices.Contains(log, "Login "+restoreRole) || count(log, "Login") != 2 {
			t.Errorf("the logins are %q", log)
		}
		if got := f.identity(restoreRole); got.State != openbaov1alpha1.NotProved || !strings.Contains(got.Message, "must not live on") {
			t.Errorf("got %+v", got)
		}
		if got := f.identity(backupRole); !strings.Contains(got.Message, "The token of this check lives until ") {
			t.Errorf("got %+v", got)
		}
		f.now = f.now.Add(10 * time.Minute)
		f.sync("prod")
		if log := f.server().takeLog(); count(log, "Login") > 0 {
			t.Errorf("the next sync: %q", log)
		}
		f.expectProved("0/3")

		f.server().tokenType = ""
		f.now = f.now.Add(time.Hour)
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		f.expectProved("3/3")
	})
	t.Run("the restore role", func(t *testing.T) {
		f := provedObject(t, withRestore)
		f.server().roles[restoreRole]["token_type"] = "batch"
		logins := 0
		for range 23 {
			f.now = f.now.Add(time.Hour)
			f.sync("prod")
			f.expect("prod", ReasonProofFailed)
			logins += count(f.server().takeLog(), "Login "+restoreRole)
		}
		if logins != 1 {
			t.Errorf("%d logins in a day", logins)
		}
		f.expectProved("2/3")
		f.admin("s.second")
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		f.expectProved("3/3")
	})
}

// TestEachIdentityByItself checks that one login which cannot be judged stops no
// other proof, and is reported once it lasts.
func TestEachIdentityByItself(t *testing.T) {
	status := func(c openbao.Class, code int) error {
		return &openbao.Error{Class: c, Op: "log in", StatusCode: code, Detail: "as told by the test"}
	}
	for name, tc := range map[string]struct {
		err  error
		says string
	}{
		"429":       {status(openbao.Throttled, 429), "(Throttled)"},
		"500":       {status(openbao.Unknown, 500), "as told by the test"},
		"503":       {status(openbao.Unavailable, 503), "(Unavailable)"},
		"no answer": {status(openbao.Unavailable, 0), "(Unavailable)"},
	} {
		t.Run(name, func(t *testing.T) {
			f := provedObject(t, withUpgrade)
			f.server().fail = func(op string) error {
				if op == "Login "+backupRole {
					return tc.err
				}
				return nil
			}
			since := f.now.Add(time.Hour)
			f.now = since
			for i := range 4 {
				outcome := f.sync("prod")
				f.expect("prod", ReasonApplied)
				lasting := f.now.Sub(since) >= lastingAfter && i >= lastingTries-1
				if (outcome.Err() == nil) != lasting {
					t.Errorf("sync %d: the outcome is %+v", i, outcome)
				}
				f.now = f.now.Add(2 * time.Minute)
			}
			for _, role := range []string{"openbao-operator", "openbao-operator-upgrade"} {
				if got := f.identity(role); got.State != openbaov1alpha1.Proved || got.ProvedAt.Time.Before(since) {
					t.Errorf("role %s was not proved again: %+v", role, got)
				}
			}
			got := f.identity(backupRole)
			if got.State != openbaov1alpha1.NotProved || !strings.Contains(got.Message, tc.says) || !strings.Contains(got.Message, "could not be tried since") {
				t.Errorf("got %+v", got)
			}
			f.expectProved("2/3")
			if c := f.expect("prod", ReasonApplied); !strings.Contains(c.Message, "Not proved") || !strings.Contains(c.Message, backupRole) {
				t.Errorf("the message is %s", c.Message)
			}

			// The others go on, and it is tried again from time to time.
			f.server().takeLog()
			f.now = f.now.Add(time.Hour)
			f.sync("prod")
			if log := f.server().takeLog(); count(log, "Login") != 2 {
				t.Errorf("an hour later: %q", log)
			}
			f.server().fail = func(string) error { return nil }
			f.sync("prod")
			f.expectProved("3/3")
		})
	}
}

// TestProofsAge checks that a proof does not outlive twice the interval, whatever
// keeps it from being made again.
func TestProofsAge(t *testing.T) {
	f := provedObject(t)
	f.issuerErr = forbidden("the API server")
	for _, tc := range []struct {
		after time.Duration
		want  string
	}{{time.Hour, "2/2"}, {2 * time.Hour, "2/2"}, {2*time.Hour + time.Minute, "0/2"}} {
		start := f.now
		f.now = start.Add(tc.after)
		f.sync("prod")
		f.expect("prod", ReasonIssuerUnavailable)
		f.expectProved(tc.want)
		if tc.want != "0/2" {
			f.now = start
		}
	}
	if got := f.identity(backupRole); got.State != openbaov1alpha1.NotProved || !strings.Contains(got.Message, "longer ago than twice the interval") {
		t.Errorf("got %+v", got)
	}
	f.issuerErr = nil
	f.sync("prod")
	f.expectProved("2/2")
}

// TestProofsOfAnotherContract checks that what was proved for one contract does not
// count for the next, which nothing was written for.
func TestProofsOfAnotherContract(t *testing.T) {
	f := provedObject(t)
	f.change("prod", withUpgrade)
	f.sync("prod")
	f.expect("prod", ReasonAdminTokenRequired)
	f.expectProved("0/3")
	if got := f.identity(backupRole); !strings.Contains(got.Message, "another contract") {
		t.Errorf("got %+v", got)
	}
	f.admin("s.second")
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	f.expectProved("3/3")
}

// TestProofsOfAnEarlierVersion checks that they do not count, since they checked less.
func TestProofsOfAnEarlierVersion(t *testing.T) {
	f := provedObject(t)
	recorded := f.get("prod").DeepCopy()
	for i := range recorded.Status.Authorization.Identities {
		recorded.Status.Authorization.Identities[i].ProvedAt, recorded.Status.Authorization.Identities[i].Digest = nil, ""
	}
	if _, err := f.clusters.OpenBaoV1alpha1().OpenBaoClusters("ns").UpdateStatus(t.Context(), recorded, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := f.informer.GetIndexer().Update(f.get("prod")); err != nil {
		t.Fatal(err)
	}
	f.restart()
	// Nothing says that it is proved while it can't be proved again.
	f.server().fail = func(op string) error {
		if strings.HasPrefix(op, "Login ") {
			return class(openbao.Throttled)
		}
		return nil
	}
	f.sync("prod")
	f.expectProved("0/2")
	f.server().fail = func(string) error { return nil }
	f.sync("prod")
	f.expectProved("2/2")
}

// TestOnceReportsTheServer checks that Ready says when nobody can use what was
// written, and that it stays written.
func TestOnceReportsTheServer(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*fakeServer)
		reason  string
	}{
		"unreachable": {func(s *fakeServer) { s.fail = func(string) error { return class(openbao.Unavailable) } }, ReasonServerUnreachable},
		"sealed":      {func(s *fakeServer) { s.health = openbao.Health{Initialized: true, Sealed: true} }, ReasonServerSealed},
		"empty":       {func(s *fakeServer) { s.health = openbao.Health{} }, ReasonServerNotInitialized},
	} {
		t.Run(name, func(t *testing.T) {
			f := provedObject(t)
			health, fail := f.server().health, f.server().fail
			tc.prepare(f.server())
			f.now = f.now.Add(time.Hour)
			outcome := f.sync("prod")
			if outcome.Err() == nil {
				t.Errorf("the outcome is %+v", outcome)
			}
			conditions := f.get("prod").Status.Conditions
			if c := meta.FindStatusCondition(conditions, openbaov1alpha1.ConditionReady); c.Status != metav1.ConditionFalse || c.Reason != tc.reason {
				t.Errorf("Ready is %+v", c)
			}
			if c := meta.FindStatusCondition(conditions, openbaov1alpha1.ConditionAuthorizationReady); c.Status != metav1.ConditionTrue || c.Reason != ReasonApplied {
				t.Errorf("AuthorizationReady is %+v", c)
			}
			if log := f.server().takeLog(); len(log) > 0 {
				t.Errorf("logged in: %q", log)
			}
			f.server().health, f.server().fail = health, fail
			f.sync("prod")
			f.expect("prod", ReasonApplied)
		})
	}
}

// TestMountIsGone checks that no condition says what only a record says, after
// somebody has disabled the mount, or enabled it again.
func TestMountIsGone(t *testing.T) {
	disable := func(s *fakeServer) {
		delete(s.mounts, authz.MountPath)
		s.config, s.roles, s.sessions = nil, map[string]map[string]any{}, map[string]fakeSession{}
	}
	for name, tc := range map[string]struct {
		change func(*fakeServer)
		keys   metav1.ConditionStatus
	}{
		"disabled": {disable, metav1.ConditionFalse},
		"enabled again": {func(s *fakeServer) {
			disable(s)
			s.mounts[authz.MountPath] = openbao.Mount{Type: "jwt"}
		}, metav1.ConditionUnknown},
		"other keys": {func(s *fakeServer) {
			s.config["jwt_validation_pubkeys"], s.sessions = []any{"else"}, map[string]fakeSession{}
		}, metav1.ConditionFalse},
	} {
		for _, mode := range []openbaov1alpha1.AuthorizationMode{
			openbaov1alpha1.AuthorizationOnce, openbaov1alpha1.AuthorizationObserve, openbaov1alpha1.AuthorizationEnforce,
		} {
			t.Run(string(mode)+", "+name, func(t *testing.T) {
				f := provedObject(t, inMode(mode))
				f.secret("admin", nil)
				tc.change(f.server())
				f.now = f.now.Add(time.Hour)
				f.sync("prod")
				check := func(when string) {
					t.Helper()
					obj := f.get("prod")
					if c := meta.FindStatusCondition(obj.Status.Conditions, openbaov1alpha1.ConditionReady); c.Status == metav1.ConditionTrue {
						t.Errorf("%s: Ready is %+v", when, c)
					}
					if c := meta.FindStatusCondition(obj.Status.Conditions, openbaov1alpha1.ConditionSigningKeysCurrent); c.Status != tc.keys {
						t.Errorf("%s: the keys are %s, %s: %s", when, c.Status, c.Reason, c.Message)
					}
				}
				check("at first")
				f.sync("prod")
				check("later")
				if mode == openbaov1alpha1.AuthorizationOnce {
					f.expectProved("0/2")
					// What was seen stays as long as nothing else is.
					f.server().fail = func(op string) error {
						if strings.HasPrefix(op, "Login ") {
							return class(openbao.Throttled)
						}
						return nil
					}
					f.sync("prod")
					check("while nothing can be seen")
					f.server().fail = func(string) error { return nil }
				}
				f.admin("s.second")
				f.sync("prod")
				f.expect("prod", ReasonApplied)
				f.expectKeys(metav1.ConditionTrue, ReasonCurrent)
			})
		}
	}
}
