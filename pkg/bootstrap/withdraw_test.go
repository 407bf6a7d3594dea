// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"maps"
	"slices"
	"strings"
	"testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// unrequest takes the request back, as a person does.
func unrequest(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization = nil }

// giveAdmin names the Secret of an admin token where there is no
// spec.authorization.
func (f *fixture) giveAdmin(value string) {
	f.t.Helper()
	f.admin(value)
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Annotations = map[string]string{openbaov1alpha1.AnnotationAdminTokenSecret: "admin"}
	})
}

func TestWithdrawWithTheLogin(t *testing.T) {
	f := enforced(t, withBackup)
	f.server().policies["team"] = "path \"x\" {}"
	f.change("prod", unrequest)
	f.sync("prod")
	c := f.expect("prod", ReasonNotRequested)
	for _, part := range []string{"stays on server id-1: policies " + bootstrapperRole, "annotate openbaocluster prod " + openbaov1alpha1.AnnotationAdminTokenSecret} {
		if !strings.Contains(c.Message, part) {
			t.Errorf("the message does not say %q: %s", part, c.Message)
		}
	}
	want := []string{
		"DeleteRole openbao-operator", "DeleteRole openbao-operator-backup", "DeletePolicy openbao-operator", "DeletePolicy openbao-operator-backup",
	}
	if got := f.server().takeWrites(); !slices.Equal(got, want) {
		t.Errorf("wrote %q, want %q", got, want)
	}
	if len(f.server().sessions) > 0 {
		t.Errorf("sessions live on: %v", f.server().sessions)
	}
	record := f.record("prod")
	if !slices.Equal(record.Roles, []string{bootstrapperRole}) || !slices.Equal(record.Policies, []string{bootstrapperRole}) || record.Digest != "" {
		t.Errorf("recorded %+v", record)
	}
	for _, c := range f.get("prod").Status.Conditions {
		if c.Type == openbaov1alpha1.ConditionSigningKeysCurrent {
			t.Errorf("there is still %+v", c)
		}
	}

	// The rest takes an admin token, and leaves only what others wrote.
	f.giveAdmin("s.second")
	f.sync("prod")
	f.expect("prod", ReasonNotRequested)
	want = []string{"DeleteRole " + bootstrapperRole, "DeletePolicy " + bootstrapperRole, "DisableAuth jwt-operator", "RevokeSelf"}
	if got := f.server().takeWrites(); !slices.Equal(got, want) {
		t.Errorf("wrote %q, want %q", got, want)
	}
	if got := f.server().state(); !maps.Equal(got, map[string]string{"mount token": "token", "policy team": "path \"x\" {}"}) {
		t.Errorf("the server holds %v", got)
	}
	if record := f.get("prod").Status.Authorization; record != nil {
		t.Errorf("recorded %+v", record)
	}
	used := len(f.opts)
	f.sync("prod")
	f.expect("prod", ReasonNotRequested)
	if len(f.opts) != used {
		t.Error("the server was asked again")
	}
}

// TestWithdrawLogsIn checks that a new process removes what the bootstrapper may,
// on the way to the server that is recorded.
func TestWithdrawLogsIn(t *testing.T) {
	f := enforced(t, withBackup)
	f.restart()
	f.change("prod", unrequest)
	f.sync("prod")
	f.expect("prod", ReasonNotRequested)
	if got := slices.Sorted(maps.Keys(f.server().roles)); !slices.Equal(got, []string{bootstrapperRole}) {
		t.Errorf("the server has the roles %q", got)
	}
}

// TestWithdrawKnowsTheAudience checks that a new process logs in with the audience
// that the spec no longer says.
func TestWithdrawKnowsTheAudience(t *testing.T) {
	f := enforced(t, withBackup, func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.Audience = "prod-bao" })
	f.restart()
	f.change("prod", unrequest)
	f.sync("prod")
	f.expect("prod", ReasonNotRequested)
	if got := slices.Sorted(maps.Keys(f.server().roles)); !slices.Equal(got, []string{bootstrapperRole}) {
		t.Errorf("the server has the roles %q", got)
	}
}

// TestWithdrawGoesTheSameWay checks that the server is reached as it was when the
// spec still said how.
func TestWithdrawGoesTheSameWay(t *testing.T) {
	for name, tc := range map[string]struct {
		spec   func(*openbaov1alpha1.AuthorizationSpec)
		record func(*openbaov1alpha1.AuthorizationStatus)
		// server is the name that the certificate is to carry.
		server string
	}{
		"a CA in a Secret":     {},
		"a CA in the spec":     {spec: func(a *openbaov1alpha1.AuthorizationSpec) { a.CABundle, a.CASecretRef = testCA, nil }},
		"a name of the server": {spec: func(a *openbaov1alpha1.AuthorizationSpec) { a.TLSServerName = "bao.internal" }, server: "bao.internal"},
		"a record of before": {
			spec: func(a *openbaov1alpha1.AuthorizationSpec) { a.CASecretRef = nil },
			record: func(r *openbaov1alpha1.AuthorizationStatus) {
				r.CABundle, r.CASecretRef, r.TLSServerName = "", nil, ""
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.secret("prod-tls-ca", map[string]string{"ca.crt": testCA})
			f.create("prod", 0, func(c *openbaov1alpha1.OpenBaoCluster) {
				if tc.spec != nil {
					tc.spec(c.Spec.Authorization)
				}
			})
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			if tc.record == nil {
				f.secret("prod-tls-ca", nil)
			}
			f.restart()
			f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
				unrequest(c)
				if tc.record != nil {
					tc.record(c.Status.Authorization)
				}
			})
			f.giveAdmin("s.second")
			f.opts = nil
			f.sync("prod")
			f.expect("prod", ReasonNotRequested)
			if got := f.server().state(); !maps.Equal(got, map[string]string{"mount token": "token"}) || len(f.opts) == 0 {
				t.Errorf("the server holds %v", got)
			}
			for _, o := range f.opts {
				if strings.TrimSpace(string(o.CABundle)) != strings.TrimSpace(testCA) || o.ServerName != tc.server || o.Address != address {
					t.Errorf("reached %s as %q with the CA %q", o.Address, o.ServerName, o.CABundle)
				}
			}
		})
	}
}

func TestWithdrawWithoutAuthority(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0, withBackup)
	f.sync("prod")
	before := f.server().state()
	f.change("prod", unrequest)
	used := len(f.opts)
	f.sync("prod")
	if c := f.expect("prod", ReasonNotRequested); !strings.Contains(c.Message, "roles openbao-operator, openbao-operator-backup of the mount jwt-operator") {
		t.Errorf("the message is %s", c.Message)
	}
	if got := f.server().state(); !maps.Equal(got, before) || len(f.opts) != used {
		t.Errorf("the server holds %v", got)
	}

	f.giveAdmin("s.second")
	f.sync("prod")
	f.expect("prod", ReasonNotRequested)
	if got := f.server().state(); !maps.Equal(got, map[string]string{"mount token": "token"}) {
		t.Errorf("the server holds %v", got)
	}
}

// TestWithdrawLeavesTheMount checks both reasons to leave it.
func TestWithdrawLeavesTheMount(t *testing.T) {
	t.Run("others use it", func(t *testing.T) {
		f := newFixture(t)
		f.create("prod", 0)
		f.sync("prod")
		f.server().roles["team"] = map[string]any{}
		f.change("prod", unrequest)
		f.giveAdmin("s.second")
		f.sync("prod")
		if c := f.expect("prod", ReasonNotRequested); !strings.Contains(c.Message, "other roles: team") {
			t.Errorf("the message is %s", c.Message)
		}
		if _, ok := f.server().roles["team"]; !ok || len(f.server().roles) != 1 {
			t.Errorf("the server has the roles %v", f.server().roles)
		}
	})
	t.Run("it was there before", func(t *testing.T) {
		f := newFixture(t)
		f.server().mounts["jwt-operator"] = openbao.Mount{Type: "jwt"}
		f.create("prod", 0)
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		f.change("prod", unrequest)
		f.giveAdmin("s.second")
		f.sync("prod")
		f.expect("prod", ReasonNotRequested)
		if _, ok := f.server().mounts["jwt-operator"]; !ok || len(f.server().roles) > 0 {
			t.Errorf("the server holds %v", f.server().state())
		}
	})
}

// TestCrashInRemoval stops the removal at every write, and expects the next
// process to finish it.
func TestCrashInRemoval(t *testing.T) {
	for n := 0; ; n++ {
		f := newFixture(t)
		f.create("prod", 0, withBackup)
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		f.change("prod", unrequest)
		f.giveAdmin("s.second")
		restore := f.crash(n)
		f.sync("prod")
		if !restore() {
			if n != 6 {
				t.Errorf("there were %d writes, want 6", n)
			}
			return
		}
		f.expect("prod", ReasonNotRequested)
		f.sync("prod")
		f.expect("prod", ReasonNotRequested)
		if got := f.server().state(); !maps.Equal(got, map[string]string{"mount token": "token"}) || f.server().tokens["s.second"] {
			t.Errorf("write %d: the server holds %v", n, got)
		}
		if record := f.get("prod").Status.Authorization; record != nil {
			t.Errorf("write %d: recorded %+v", n, record)
		}
	}
}

// TestWithdrawWithTheRightLogin checks that a login to another server than the recorded
// one removes nothing.
func TestWithdrawWithTheRightLogin(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0, inMode(openbaov1alpha1.AuthorizationEnforce), withBackup)
	f.sync("prod")
	f.expect("prod", ReasonApplied)

	// The address leads to a copy that nothing is known of yet, but that lets it in.
	copied := f.server().snapshot()
	copied.health.ClusterID = "id-2"
	delete(copied.policies, "openbao-operator-backup")
	copied.policies[authz.MarkPolicy] = `path "x" {}`
	f.servers["https://moved:8200"] = copied
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.SelfInit = &openbaov1alpha1.SelfInitSpec{Enabled: true}
		c.Spec.Authorization.Address = "https://moved:8200"
		c.Spec.Authorization.AdminTokenSecretRef = nil
	})
	f.sync("prod")
	f.expect("prod", ReasonServerClaimed)
	delete(copied.policies, authz.MarkPolicy)
	before := copied.state()

	f.secret("prod-tls-ca", map[string]string{"ca.crt": testCA})
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.SelfInit, c.Spec.Authorization = nil, nil })
	f.sync("prod")
	f.expect("prod", ReasonNotRequested)
	if got := copied.state(); !maps.Equal(got, before) {
		t.Errorf("the other server holds %v", got)
	}
	if got := f.server().roles; len(got) != 1 {
		t.Errorf("the server still has the roles %v", got)
	}
}

// TestMountOfAPersonAfterALostAnswer checks that a mount that somebody else enabled, while
// it was not known what had become of Bailiwick's own request, stays theirs.
func TestMountOfAPersonAfterALostAnswer(t *testing.T) {
	f := newFixture(t)
	f.server().fail = func(op string) error {
		if strings.HasPrefix(op, "EnableAuth") {
			return class(openbao.Unavailable)
		}
		return nil
	}
	f.create("prod", 0)
	f.sync("prod")
	f.server().fail = func(string) error { return nil }
	f.server().mounts["jwt-operator"] = openbao.Mount{Type: "jwt", Description: "a person's own"}
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	f.change("prod", unrequest)
	f.giveAdmin("s.second")
	f.sync("prod")
	f.expect("prod", ReasonNotRequested)
	if got := f.server().mounts["jwt-operator"]; got.Description != "a person's own" {
		t.Errorf("the mount is %+v", got)
	}
}
