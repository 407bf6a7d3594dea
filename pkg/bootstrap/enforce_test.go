// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/server"
)

func inMode(mode openbaov1alpha1.AuthorizationMode) func(*openbaov1alpha1.OpenBaoCluster) {
	return func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.Mode = mode }
}

// enforced returns a fixture whose server holds the contract, with a login held.
func enforced(t *testing.T, mutate ...func(*openbaov1alpha1.OpenBaoCluster)) *fixture {
	t.Helper()
	f := newFixture(t)
	f.create("prod", 0, append(mutate, inMode(openbaov1alpha1.AuthorizationEnforce))...)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	f.settle()
	return f
}

// settle forgets what happened so far.
func (f *fixture) settle() {
	f.server().takeWrites()
	f.server().takeLog()
	f.clusters.ClearActions()
	for len(f.events.Events) > 0 {
		<-f.events.Events
	}
}

// restart is what a new process knows: nothing.
func (f *fixture) restart() {
	f.controller.claims, f.controller.copies = reconcile.NewClaims(), newCopyTests()
	f.controller.written = reconcile.NewWrites[*openbaov1alpha1.OpenBaoCluster]()
	f.controller.records = newRecords(f.kubernetes.CoreV1().ConfigMaps("bailiwick-system"))
	f.controller.logins, f.controller.proofs, f.controller.inits = server.NewSessions(), newProofMemories(), newInits()
}

func (f *fixture) record(name string) *openbaov1alpha1.AuthorizationStatus {
	f.t.Helper()
	record := f.get(name).Status.Authorization
	if record == nil {
		f.t.Fatalf("%s has no record", name)
	}
	return record
}

func planOf(record *openbaov1alpha1.AuthorizationStatus) []string {
	var out []string
	for _, c := range record.Plan {
		out = append(out, string(c.Difference)+" "+c.Kind+" "+c.Name)
	}
	return out
}

// tamper changes the server by hand in every way that the bootstrapper may undo.
func tamper(s *fakeServer) {
	s.policies["openbao-operator-backup"] = `path "*" { capabilities = ["read"] }`
	delete(s.policies, "openbao-operator")
	s.roles["openbao-operator-backup"]["token_policies"] = []any{"root"}
	delete(s.roles, "openbao-operator")
	s.config["bound_issuer"] = "https://else"
}

func TestEnforceRepairs(t *testing.T) {
	f := enforced(t, withBackup)
	want := f.server().state()
	tamper(f.server())
	f.server().policies["team"] = "path \"x\" {}"
	f.server().roles["team"] = map[string]any{"bound_subject": "team"}
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.server().takeWrites(); !slices.Equal(got, []string{
		"WriteConfig jwt-operator", "WriteConfig jwt-operator", "WritePolicy openbao-operator", "WriteRole openbao-operator",
		"WritePolicy openbao-operator-backup", "WriteRole openbao-operator-backup",
	}) {
		t.Errorf("wrote %q", got)
	}
	got := f.server().state()
	maps.DeleteFunc(got, func(name, _ string) bool { return strings.HasSuffix(name, " team") })
	if !maps.Equal(got, want) {
		t.Errorf("the server holds %v, want %v", got, want)
	}
	if len(f.server().policies["team"]) == 0 || f.server().roles["team"]["bound_subject"] != "team" {
		t.Error("what someone else wrote was touched")
	}
	if plan := f.record("prod").Plan; len(plan) > 0 {
		t.Errorf("the plan is %+v", plan)
	}
	if event := <-f.events.Events; !strings.HasPrefix(event, "Normal Repaired") || !strings.Contains(event, "role openbao-operator is missing") {
		t.Errorf("got event %q", event)
	}
	if got := f.record("prod").Proved; got != "3/3" {
		t.Errorf("proved are %s: %+v", got, f.record("prod").Identities)
	}
}

func TestEnforceNeedsNoTokenForTheSpec(t *testing.T) {
	f := enforced(t)
	f.change("prod", withBackup)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.server().takeWrites(); !slices.Equal(got, []string{"WritePolicy openbao-operator-backup", "WriteRole openbao-operator-backup"}) {
		t.Errorf("wrote %q", got)
	}
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Backup = nil })
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.server().takeWrites(); !slices.Equal(got, []string{"DeleteRole openbao-operator-backup", "DeletePolicy openbao-operator-backup"}) {
		t.Errorf("wrote %q", got)
	}
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Upgrade = &openbaov1alpha1.UpgradeSpec{Strategy: openbaov1alpha1.UpgradeBlueGreen}
	})
	f.sync("prod")
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Upgrade.Strategy = openbaov1alpha1.UpgradeRollingUpdate
	})
	f.server().takeWrites()
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.server().takeWrites(); !slices.Equal(got, []string{"WritePolicy openbao-operator-upgrade"}) {
		t.Errorf("wrote %q", got)
	}
}

// TestEnforceLeavesItsOwnRights checks that the bootstrapper's policy and role are
// only written with an admin token.
func TestEnforceLeavesItsOwnRights(t *testing.T) {
	f := enforced(t, withBackup)
	f.server().policies[bootstrapperRole] += "\npath \"extra\" { capabilities = [\"read\"] }"
	delete(f.server().roles, "openbao-operator-backup")
	f.sync("prod")
	c := f.expect("prod", ReasonAdminTokenRequired)
	if !strings.Contains(c.Message, "policy "+bootstrapperRole+" differs") || !strings.Contains(c.Message, "kubectl -n ns create secret generic admin") {
		t.Errorf("the message is %s", c.Message)
	}
	if got := f.server().takeWrites(); !slices.Equal(got, []string{"WriteRole openbao-operator-backup"}) {
		t.Errorf("wrote %q", got)
	}
	if got := planOf(f.record("prod")); !slices.Equal(got, []string{"Differs policy " + bootstrapperRole}) {
		t.Errorf("the plan is %q", got)
	}
	f.admin("s.second")
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := f.server().takeWrites(); !slices.Equal(got, []string{"WritePolicy " + bootstrapperRole, "RevokeSelf"}) {
		t.Errorf("wrote %q", got)
	}
	if plan := f.record("prod").Plan; len(plan) > 0 {
		t.Errorf("the plan is %+v", plan)
	}
}

func TestEnforceReportsConflicts(t *testing.T) {
	f := enforced(t)
	f.server().roles["openbao-operator-backup"] = map[string]any{"bound_subject": "else"}
	f.change("prod", withBackup)
	f.sync("prod")
	if c := f.expect("prod", ReasonRoleConflict); !strings.Contains(c.Message, "bao delete auth/jwt-operator/role/openbao-operator-backup") {
		t.Errorf("the message is %s", c.Message)
	}
	if got := f.server().roles["openbao-operator-backup"]["bound_subject"]; got != "else" {
		t.Errorf("the role of someone else is bound to %v", got)
	}
	record := f.record("prod")
	if got := planOf(record); !slices.Equal(got, []string{"Conflict role openbao-operator-backup"}) {
		t.Errorf("the plan is %q", got)
	}
	if slices.Contains(record.Roles, "openbao-operator-backup") {
		t.Error("the role of someone else is recorded")
	}
}

func TestObserveReportsAndChangesNothing(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0, withBackup, inMode(openbaov1alpha1.AuthorizationObserve))
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	f.settle()
	tamper(f.server())
	f.server().config["bound_issuer"] = f.issuer.URL // so that logins go on
	before := f.server().state()
	f.sync("prod")
	if c := f.expect("prod", ReasonDrifted); !strings.Contains(c.Message, "role openbao-operator is missing") || !strings.Contains(c.Message, "Enforce") {
		t.Errorf("the message is %s", c.Message)
	}
	want := []string{
		"Missing policy openbao-operator", "Missing role openbao-operator",
		"Differs policy openbao-operator-backup", "Differs role openbao-operator-backup",
	}
	if got := planOf(f.record("prod")); !slices.Equal(got, want) {
		t.Errorf("the plan is %q, want %q", got, want)
	}
	if got := f.server().state(); !maps.Equal(got, before) || len(f.server().takeWrites()) > 0 {
		t.Errorf("the server was changed to %v", got)
	}

	// A used up token is not tried again, a new one mends it.
	f.sync("prod")
	f.expect("prod", ReasonDrifted)
	f.admin("s.second")
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if plan := f.record("prod").Plan; len(plan) > 0 || f.server().tokens["s.second"] {
		t.Errorf("the plan is %+v, and the tokens %v", plan, f.server().tokens)
	}
}

// TestSteadyStateIsQuiet checks that a look at a server that holds the contract
// writes nothing anywhere and needs no login.
func TestSteadyStateIsQuiet(t *testing.T) {
	for _, mode := range []openbaov1alpha1.AuthorizationMode{
		openbaov1alpha1.AuthorizationOnce, openbaov1alpha1.AuthorizationObserve, openbaov1alpha1.AuthorizationEnforce,
	} {
		t.Run(string(mode), func(t *testing.T) {
			f := newFixture(t)
			f.create("prod", 0, withBackup, inMode(mode))
			f.sync("prod")
			f.settle()
			for range 3 {
				f.now = f.now.Add(10 * time.Minute)
				f.sync("prod")
				f.expect("prod", ReasonApplied)
			}
			if writes, log := f.server().takeWrites(), f.server().takeLog(); len(writes)+len(log) > 0 {
				t.Errorf("wrote %q, logged in %q", writes, log)
			}
			for _, action := range f.clusters.Actions() {
				if action.GetVerb() == "patch" {
					t.Errorf("wrote to the object: %v", action)
				}
			}
		})
	}
}

func TestLoginIsKept(t *testing.T) {
	f := enforced(t)
	standing := func() []string {
		return slices.DeleteFunc(f.server().takeLog(), func(e string) bool { return !strings.HasSuffix(e, bootstrapperRole) })
	}
	// One login is used until two thirds of its hour; the proof after an hour logs
	// in for itself.
	f.now = f.now.Add(39 * time.Minute)
	f.sync("prod")
	if got := standing(); len(got) > 0 {
		t.Errorf("after 39 minutes: %q", got)
	}
	f.now = f.now.Add(2 * time.Minute)
	f.sync("prod")
	if got := standing(); !slices.Equal(got, []string{"Login " + bootstrapperRole, "Logout " + bootstrapperRole}) {
		t.Errorf("after 41 minutes: %q", got)
	}

	// One that the server forgot is replaced.
	f.server().sessions = map[string]fakeSession{}
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := standing(); !slices.Equal(got, []string{"Login " + bootstrapperRole}) {
		t.Errorf("after the server forgot: %q", got)
	}

	// One to another place is of no use.
	f.servers["https://other:8200"] = f.servers[address]
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.Address = "https://other:8200" })
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if got := standing(); !slices.Equal(got, []string{"Logout " + bootstrapperRole, "Login " + bootstrapperRole}) {
		t.Errorf("after the address changed: %q", got)
	}

	// In mode Once it is not needed, and neither when the object is gone.
	f.change("prod", inMode(openbaov1alpha1.AuthorizationOnce))
	f.sync("prod")
	if got := standing(); !slices.Equal(got, []string{"Logout " + bootstrapperRole}) {
		t.Errorf("in mode Once: %q", got)
	}
}

func TestLoginEndsWithTheObject(t *testing.T) {
	f := enforced(t)
	if err := f.informer.GetIndexer().Delete(f.get("prod")); err != nil {
		t.Fatal(err)
	}
	f.controller.sync(t.Context(), f.name("prod"))
	if got := f.server().sessions; len(got) > 0 {
		t.Errorf("sessions live on: %v", got)
	}
}

func TestLoginsEndWithTheProcess(t *testing.T) {
	f := enforced(t)
	f.controller.logins.EndAll(t.Context())
	if got := f.server().sessions; len(got) > 0 {
		t.Errorf("sessions live on: %v", got)
	}
}

// TestNoStandingIdentity checks what is said when the bootstrapper cannot log in.
func TestNoStandingIdentity(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*fixture)
		reason  string
		says    []string
	}{
		"no ServiceAccount": {
			prepare: func(f *fixture) { delete(f.accounts, "bailiwick-system/bootstrapper") },
			reason:  ReasonNoStandingIdentity, says: []string{"kubectl -n bailiwick-system create serviceaccount bootstrapper"},
		},
		"no right": {
			prepare: func(f *fixture) { f.accounts["bailiwick-system/bootstrapper"] = forbidden("no") },
			reason:  ReasonNoStandingIdentity, says: []string{"create role", "--resource-name=bootstrapper", "--serviceaccount=bailiwick-system:bailiwick"},
		},
		"policy": {
			prepare: func(f *fixture) {
				f.accounts["bailiwick-system/bootstrapper"] = forbidden("ValidatingAdmissionPolicy 'x' denied request")
			},
			reason: ReasonNoStandingIdentity, says: []string{"admission policy", "bailiwick.dev/openbao/uid-of-ns/prod"},
		},
		"role gone": {
			prepare: func(f *fixture) { delete(f.server().roles, bootstrapperRole) },
			reason:  ReasonNoStandingIdentity, says: []string{"bailiwick-system/bootstrapper", "create secret generic admin"},
		},
		"role without its policy": {
			prepare: func(f *fixture) { f.server().roles[bootstrapperRole]["token_policies"] = []any{"default"} },
			reason:  ReasonAdminTokenRequired, says: []string{"own identity"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := enforced(t)
			f.restart()
			tc.prepare(f)
			f.sync("prod")
			c := f.expect("prod", tc.reason)
			for _, part := range tc.says {
				if !strings.Contains(c.Message, part) {
					t.Errorf("the message does not say %q: %s", part, c.Message)
				}
			}
			if got := f.server().takeWrites(); len(got) > 0 {
				t.Errorf("wrote %q", got)
			}
			if !strings.HasPrefix(name, "role") {
				return
			}
			f.admin("s.second")
			f.sync("prod")
			f.expect("prod", ReasonApplied)
		})
	}
}

// TestDeadTokenIsNotTriedAgain checks that a token which the server does not know
// costs one request.
func TestDeadTokenIsNotTriedAgain(t *testing.T) {
	f := newFixture(t)
	delete(f.server().tokens, adminToken)
	f.create("prod", 0)
	f.sync("prod")
	first := f.expect("prod", ReasonAdminTokenInvalid)
	used := len(f.opts)
	f.sync("prod")
	if again := f.expect("prod", ReasonAdminTokenInvalid); again.Message != first.Message {
		t.Errorf("the message changed to %s", again.Message)
	}
	for _, o := range f.opts[used:] {
		if !o.Token.IsZero() {
			t.Error("the token was tried again")
		}
	}
	f.admin("s.second")
	f.sync("prod")
	f.expect("prod", ReasonApplied)
}

// crash stops a sync at the n-th write, counting those to the API server, and
// says whether there was one.
func (f *fixture) crash(n int) (restore func() bool) {
	writes := 0
	f.server().fail = func(op string) error {
		if strings.HasPrefix(op, "Write") || strings.HasPrefix(op, "Delete") || strings.HasPrefix(op, "Enable") || strings.HasPrefix(op, "Disable") {
			if writes++; writes > n {
				return class(openbao.Unavailable)
			}
		}
		return nil
	}
	return func() bool {
		f.server().fail = func(string) error { return nil }
		f.restart()
		return writes > n
	}
}

// TestCrashInRepair stops the repair at every write, and expects the next process
// to finish it.
func TestCrashInRepair(t *testing.T) {
	for n := 0; ; n++ {
		f := enforced(t, withBackup)
		want := f.server().state()
		tamper(f.server())
		f.server().config["bound_issuer"] = f.issuer.URL // so that a new process can log in
		restore := f.crash(n)
		outcome := f.sync("prod")
		if !restore() {
			if n != 4 {
				t.Errorf("there were %d writes, want 4", n)
			}
			return
		}
		if outcome == reconcile.Done() {
			t.Errorf("write %d: the outcome is done", n)
		}
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		if got := f.server().state(); !maps.Equal(got, want) {
			t.Errorf("write %d: the server holds %v, want %v", n, got, want)
		}
		if got := len(f.server().sessions); got > 2 {
			t.Errorf("write %d: %d sessions live on", n, got)
		}
	}
}

// TestCrashInSpecChange stops a change of the spec at every write, and takes it
// back in the next process.
func TestCrashInSpecChange(t *testing.T) {
	for n := 0; ; n++ {
		f := enforced(t)
		want := f.server().state()
		f.change("prod", withBackup)
		restore := f.crash(n)
		f.sync("prod")
		if !restore() {
			if n != 2 {
				t.Errorf("there were %d writes, want 2", n)
			}
			return
		}
		f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Backup = nil })
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		if got := f.server().state(); !maps.Equal(got, want) {
			t.Errorf("write %d: the server holds %v, want %v", n, got, want)
		}
	}
}

// TestNamesAreRecordedFirst checks that nothing is written to the server before
// the API server knows that it is ours.
func TestNamesAreRecordedFirst(t *testing.T) {
	f := enforced(t)
	f.change("prod", withBackup)
	f.clusters.PrependReactor("patch", "openbaoclusters", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("down")
	})
	if outcome := f.sync("prod"); outcome.Err() == nil {
		t.Error("no error")
	}
	if got := f.server().takeWrites(); len(got) > 0 {
		t.Errorf("wrote %q", got)
	}
}

// TestRestoredSnapshot checks that a server which went back in time, with other
// keys and without the login, is brought forward again, or says what it takes.
func TestRestoredSnapshot(t *testing.T) {
	f := enforced(t)
	f.server().sessions = map[string]fakeSession{}
	delete(f.server().roles, "openbao-operator")
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	if f.server().roles["openbao-operator"] == nil {
		t.Error("not repaired")
	}
	f.server().sessions = map[string]fakeSession{}
	f.server().config["jwt_validation_pubkeys"] = []any{secondKey.PEM}
	f.sync("prod")
	f.expect("prod", ReasonLockedOut)
	f.admin("s.second")
	f.sync("prod")
	f.expect("prod", ReasonApplied)
}
