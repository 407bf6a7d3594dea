// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

const stagingAddress = "https://staging.example:8200"

// at has an object reach its server at an address, with an admin token of its own.
func at(address string) func(*openbaov1alpha1.OpenBaoCluster) {
	return func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization.Address = address
		c.Spec.Authorization.AdminTokenSecretRef = &openbaov1alpha1.SecretKeyReference{Name: c.Name + "-admin"}
	}
}

// tokenOf gives an object an admin token that a server knows.
func (f *fixture) tokenOf(name, value string, server *fakeServer) {
	f.t.Helper()
	for at, s := range f.servers {
		if s == server {
			address, _, _ := strings.Cut(strings.TrimPrefix(at, "https://"), "/")
			meant := f.meant
			f.meant = "https://" + address
			f.credential(name+"-admin", map[string]string{"token": value})
			f.meant = meant
		}
	}
	server.tokens[value] = true
}

// staging makes an object whose server was restored from a snapshot of that of prod,
// and gives it an admin token for it.
func (f *fixture) staging(mutate ...func(*openbaov1alpha1.OpenBaoCluster)) *fakeServer {
	f.t.Helper()
	f.servers[stagingAddress] = f.server().snapshot()
	f.tokenOf("staging", "s.staging", f.servers[stagingAddress])
	f.create("staging", 9, append([]func(*openbaov1alpha1.OpenBaoCluster){at(stagingAddress)}, mutate...)...)
	return f.servers[stagingAddress]
}

// TestTheHolderKeepsTheServer checks that no other object gets a server that is held:
// not an older one, not one with an admin token of the server, and not after a restart.
func TestTheHolderKeepsTheServer(t *testing.T) {
	for _, mode := range allModes {
		t.Run(string(mode), func(t *testing.T) {
			f := newFixture(t)
			f.create("prod", 0, inMode(mode))
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			if got := f.server().mark(); got.Audience != f.audienceOf("prod") || f.record("prod").Claim.Nonce != got.Nonce {
				t.Fatalf("the server has the mark %+v, and recorded is %+v", got, f.record("prod").Claim)
			}
			before := f.server().state()
			f.server().takeWrites()

			f.create("older", 9, at(address), withBackup)
			f.tokenOf("older", "s.older", f.server())
			f.restart()
			for range 3 {
				f.sync("older")
				c := f.expect("older", ReasonServerClaimed)
				if !strings.Contains(c.Message, "ns/prod") {
					t.Errorf("the message does not name the holder: %s", c.Message)
				}
				f.sync("prod")
				f.expect("prod", ReasonApplied)
				f.now = f.now.Add(copyRetry)
			}
			// It is told apart only where the holder can write a new mark.
			c := f.expect("older", ReasonServerClaimed)
			if same := strings.Contains(c.Message, "belongs to the OpenBaoCluster ns/prod"); same != (mode == openbaov1alpha1.AuthorizationEnforce) {
				t.Errorf("the message is %s", c.Message)
			}
			if got := f.server().takeWrites(); len(got) > 0 || !maps.Equal(f.server().state(), before) {
				t.Errorf("wrote %q", got)
			}
			if !f.server().tokens["s.older"] {
				t.Error("the token of the object that waits was revoked")
			}
			if got := f.server().mark().Audience; got != f.audienceOf("prod") {
				t.Errorf("the server has the mark of %s", got)
			}
			if record := f.record("older"); record.Claim != nil || len(record.Roles)+len(record.Policies)+len(record.Pending) > 0 {
				t.Errorf("recorded is %+v", record)
			}

			// Its end changes nothing there either.
			f.change("older", unrequest)
			f.sync("older")
			f.expect("older", ReasonNotRequested)
			if got := f.server().takeWrites(); len(got) > 0 {
				t.Errorf("wrote %q", got)
			}
		})
	}
}

// TestNamespacesOfAServer checks that objects may share a server if they are about
// different namespaces of it.
func TestNamespacesOfAServer(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	f.sync("prod")
	f.servers[address+"/team"] = newServer("id-1")
	f.create("team", 0, at(address), func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.Namespace = "team" })
	f.tokenOf("team", "s.team", f.servers[address+"/team"])
	f.sync("team")
	f.expect("team", ReasonApplied)
}

// TestServersThatRepeatAnID checks that the id of a cluster, which any server can
// repeat, gives nobody anything: neither a fake server nor one that is pointed at.
func TestServersThatRepeatAnID(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0, inMode(openbaov1alpha1.AuthorizationEnforce))
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	before := f.server().state()

	// The server of somebody else says that it is this one, and shows its mark.
	fake := newServer("id-1")
	fake.policies[authz.MarkPolicy] = f.server().policies[authz.MarkPolicy]
	f.servers["https://fake:8200"] = fake
	f.create("fake", 9, at("https://fake:8200"), inMode(openbaov1alpha1.AuthorizationEnforce))
	f.tokenOf("fake", "s.fake", fake)
	f.sync("fake")
	f.expect("fake", ReasonServerClaimed)
	f.sync("prod")
	f.expect("prod", ReasonApplied)
	f.now = f.now.Add(copySettle)
	f.sync("fake")
	f.expect("fake", ReasonApplied)
	// It is pointed at the server then, with what is recorded of its own.
	f.change("fake", at(address))
	for range 3 {
		f.sync("fake")
		f.expect("fake", ReasonSecretNotForServer)
		f.sync("prod")
		f.expect("prod", ReasonApplied)
	}
	if got := f.server().state(); !maps.Equal(got, before) || f.server().mark().Audience != f.audienceOf("prod") {
		t.Errorf("the server holds %v, with the mark %+v", got, f.server().mark())
	}
	if got := f.record("fake").Address; got != "https://fake:8200" {
		t.Errorf("the address %s is recorded, where nobody logged in", got)
	}
}

// TestStagingFromASnapshot checks that a copy of a server becomes its object's own
// once it is shown to be one, and that the original stays whose it is.
func TestStagingFromASnapshot(t *testing.T) {
	for _, marked := range []bool{true, false} {
		f := newFixture(t)
		f.create("prod", 0, inMode(openbaov1alpha1.AuthorizationEnforce))
		f.sync("prod")
		f.settle()
		copied := f.staging()
		// Its person removes what the snapshot brought along.
		clear(copied.roles)
		maps.DeleteFunc(copied.policies, func(name, _ string) bool { return name != authz.MarkPolicy || !marked })
		seen := copied.mark().Nonce

		f.sync("staging")
		c := f.expect("staging", ReasonServerClaimed)
		if !strings.Contains(c.Message, "ns/prod") || !strings.Contains(c.Message, "copy") {
			t.Errorf("the message is %s", c.Message)
		}
		if f.controller.loop.Len() != 1 {
			t.Error("the holder was not woken")
		}
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		if got := f.server().mark(); got.Nonce == seen || got.Nonce != f.record("prod").Claim.Nonce {
			t.Errorf("the server of the holder shows %+v", got)
		}
		// Standby nodes may still show the old one.
		f.sync("staging")
		f.expect("staging", ReasonServerClaimed)
		f.now = f.now.Add(copySettle)
		f.sync("staging")
		f.expect("staging", ReasonApplied)
		if got := copied.mark().Audience; got != f.audienceOf("staging") {
			t.Errorf("the copy has the mark of %s", got)
		}
		if got := f.server().takeWrites(); len(got) > 0 {
			t.Errorf("the original was changed: %q", got)
		}
		for range 2 {
			f.now = f.now.Add(time.Hour)
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			f.sync("staging")
			f.expect("staging", ReasonApplied)
		}
		if got := f.server().mark().Audience; got != f.audienceOf("prod") {
			t.Errorf("the original has the mark of %s", got)
		}
	}
}

// TestTheHolderCannotAnswer checks that the claimant waits then, that the condition
// says why and what helps, and that both ways that it names do.
func TestTheHolderCannotAnswer(t *testing.T) {
	waiting := func(t *testing.T, mode openbaov1alpha1.AuthorizationMode, prepare func(*fixture)) (*fixture, string) {
		f := newFixture(t)
		f.create("prod", 0, inMode(mode))
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		copied := f.staging()
		clear(copied.roles)
		maps.DeleteFunc(copied.policies, func(name, _ string) bool { return name != authz.MarkPolicy })
		prepare(f)
		f.sync("staging")
		f.sync("prod")
		f.now = f.now.Add(copyRetry)
		f.sync("staging")
		return f, f.expect("staging", ReasonServerClaimed).Message
	}
	for _, mode := range []openbaov1alpha1.AuthorizationMode{openbaov1alpha1.AuthorizationOnce, openbaov1alpha1.AuthorizationObserve} {
		f, message := waiting(t, mode, func(*fixture) {})
		if !strings.Contains(message, "in mode "+string(mode)+" only an admin token") || !strings.Contains(message, "bao policy write openbao-operator-claim") {
			t.Errorf("%s: the message is %s", mode, message)
		}
		f.admin("s.second")
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		if f.server().tokens["s.second"] {
			t.Error("the token still lives")
		}
		f.now = f.now.Add(copySettle)
		f.sync("staging")
		f.expect("staging", ReasonApplied)
	}

	f, message := waiting(t, openbaov1alpha1.AuthorizationEnforce, func(f *fixture) {
		f.server().fail = func(string) error { return class(openbao.Unavailable) }
	})
	if !strings.Contains(message, ReasonServerUnreachable) {
		t.Errorf("the message is %s", message)
	}
	// The command in the message.
	_, rest, _ := strings.Cut(message, "printf '%b' '")
	text, _, ok := strings.Cut(rest, "' | bao policy write openbao-operator-claim -")
	if !ok {
		t.Fatalf("there is no command in %s", message)
	}
	f.servers[stagingAddress].policies[authz.MarkPolicy] = strings.ReplaceAll(text, `\n`, "\n")
	f.sync("staging")
	f.expect("staging", ReasonApplied)
}

// TestMarksAfterARestore checks that the holder keeps its server when the mark is gone
// or older, and brings it up to date where it may.
func TestMarksAfterARestore(t *testing.T) {
	for name, restored := range map[string]func(f *fixture, s *fakeServer){
		"missing": func(_ *fixture, s *fakeServer) { delete(s.policies, authz.MarkPolicy) },
		"older": func(f *fixture, s *fakeServer) {
			s.policies[authz.MarkPolicy] = authz.Mark{Audience: f.audienceOf("prod"), Nonce: "8"}.Text()
		},
		"edited": func(_ *fixture, s *fakeServer) {
			s.policies[authz.MarkPolicy] += "\npath \"*\" { capabilities = [\"read\"] }"
		},
		"of an object that is gone": func(_ *fixture, s *fakeServer) {
			s.policies[authz.MarkPolicy] = authz.Mark{Audience: "bailiwick.dev/openbao/uid-of-x/gone", Nonce: "1"}.Text()
		},
	} {
		for _, mode := range allModes {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				f := newFixture(t)
				f.create("prod", 0, inMode(mode))
				f.sync("prod")
				f.expect("prod", ReasonApplied)
				before := f.server().mark()
				restored(f, f.server())
				f.restart()
				f.sync("prod")
				f.expect("prod", ReasonApplied)
				if mode != openbaov1alpha1.AuthorizationEnforce {
					f.change("prod", withBackup)
					f.admin("s.second")
					f.sync("prod")
					f.expect("prod", ReasonApplied)
				}
				if got := f.server().mark(); got != before || f.server().policies[authz.MarkPolicy] != before.Text() {
					t.Errorf("the mark is %q, want %+v", f.server().policies[authz.MarkPolicy], before)
				}
			})
		}
	}
}

// TestMarkOfNobody checks that a server that may be managed from elsewhere is left
// alone, and that the command makes it this object's.
func TestMarkOfNobody(t *testing.T) {
	for name, text := range map[string]string{
		"another Kubernetes cluster": authz.Mark{Audience: "bailiwick.dev/openbao/uid-elsewhere/prod", Nonce: "1"}.Text(),
		"something else":             `path "x" { capabilities = ["read"] }`,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.server().policies[authz.MarkPolicy] = text
			f.create("prod", 0)
			for range 2 {
				f.sync("prod")
				if c := f.expect("prod", ReasonServerClaimed); !strings.Contains(c.Message, "bao policy write openbao-operator-claim -") {
					t.Errorf("the message is %s", c.Message)
				}
				f.now = f.now.Add(time.Hour)
			}
			if got := f.server().takeWrites(); len(got) > 0 || f.server().policies[authz.MarkPolicy] != text || !f.server().tokens[adminToken] {
				t.Errorf("wrote %q", got)
			}
			f.server().policies[authz.MarkPolicy] = authz.Mark{Audience: f.audienceOf("prod"), Nonce: "2"}.Text()
			f.sync("prod")
			f.expect("prod", ReasonApplied)
		})
	}
}

// TestAnObjectIsCreatedAgain checks that one of the same name in the same namespace has
// the server of the one before, and one in a namespace that was created again has not.
func TestAnObjectIsCreatedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		namespace types.UID
		reason    string
	}{
		"the object":    {"uid-of-ns", ReasonApplied},
		"the namespace": {"uid-of-another", ReasonServerClaimed},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.create("prod", 0)
			f.sync("prod")
			old := f.get("prod")
			if err := f.clusters.Tracker().Delete(Resource, "ns", "prod"); err != nil {
				t.Fatal(err)
			}
			f.controller.handlers().OnDelete(old)
			f.namespaces["ns"] = tc.namespace
			f.admin("s.second")
			f.create("prod", 0, func(c *openbaov1alpha1.OpenBaoCluster) { c.UID = "uid-2" })
			f.sync("prod")
			f.expect("prod", tc.reason)
		})
	}
}

// TestTheEndOfAHolder checks that withdrawing removes the mark, last but for the
// mount, and wakes the object that waits, which then has the server.
func TestTheEndOfAHolder(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0, inMode(openbaov1alpha1.AuthorizationEnforce))
	f.sync("prod")
	f.create("next", 0, at(address))
	f.tokenOf("next", "s.next", f.server())
	f.sync("next")
	f.sync("prod")
	f.now = f.now.Add(copySettle)
	f.sync("next")
	f.expect("next", ReasonServerClaimed)

	// Without an admin token, a part stays, and so does the mark.
	f.change("prod", unrequest)
	f.sync("prod")
	if c := f.expect("prod", ReasonNotRequested); !strings.Contains(c.Message, "So does the mark") {
		t.Errorf("the message is %s", c.Message)
	}
	if got := f.server().mark().Audience; got != f.audienceOf("prod") {
		t.Errorf("the mark is of %s", got)
	}
	f.sync("next")
	f.expect("next", ReasonServerClaimed)

	f.server().takeWrites()
	f.giveAdmin("s.second")
	var order []string
	f.server().fail = func(op string) error {
		if strings.HasPrefix(op, "D") {
			order = append(order, op)
		}
		return nil
	}
	queued := f.controller.loop.Len()
	f.sync("prod")
	f.expect("prod", ReasonNotRequested)
	if n := len(order); n < 3 || order[n-2] != "DeletePolicy openbao-operator-claim" || order[n-1] != "DisableAuth jwt-operator" {
		t.Errorf("removed %q", order)
	}
	if got := f.server().policies; len(got) > 0 {
		t.Errorf("the policies %v stay", got)
	}
	if got := f.controller.loop.Len(); got != queued+1 {
		t.Errorf("%d objects are queued, and before %d", got, queued)
	}
	f.sync("next")
	f.expect("next", ReasonApplied)
	if got := f.server().mark().Audience; got != f.audienceOf("next") {
		t.Errorf("the mark is of %s", got)
	}
	if len(f.controller.copies.questions)+len(f.controller.copies.rotated) > 1 {
		t.Errorf("questions stay: %+v", f.controller.copies)
	}
}

// TestMarkWithoutAnythingElse checks that a mark that was written before everything
// else failed is removed as well.
func TestMarkWithoutAnythingElse(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	f.server().fail = func(op string) error {
		if strings.HasPrefix(op, "EnableAuth") {
			return class(openbao.PermissionDenied)
		}
		return nil
	}
	f.sync("prod")
	f.expect("prod", ReasonPermissionDenied)
	if f.server().mark().Audience == "" {
		t.Fatal("there is no mark")
	}
	f.server().fail = func(string) error { return nil }
	f.change("prod", unrequest)
	f.giveAdmin("s.second")
	f.sync("prod")
	f.expect("prod", ReasonNotRequested)
	if len(f.server().policies) > 0 || f.get("prod").Status.Authorization != nil {
		t.Errorf("the policies %v stay, and recorded is %+v", f.server().policies, f.get("prod").Status.Authorization)
	}
}

// TestQuestionsEndWithTheirObjects checks that nothing is kept for objects that are
// gone, and that asking is bounded.
func TestQuestionsEndWithTheirObjects(t *testing.T) {
	c, now := newCopyTests(), time.Unix(1000, 0)
	holder := peer{uid: "holder"}
	var asking []peer
	for _, uid := range []types.UID{"a", "b", "c", "d"} {
		asking = append(asking, peer{uid: uid})
		if got := c.ask(asking[len(asking)-1], holder, "there", "1", now); got != (uid != "d") {
			t.Errorf("%s: asked %t", uid, got)
		}
	}
	if _, open := c.asked("holder", now); !open {
		t.Error("nothing is asked")
	}
	c.answer("holder", "2", now)
	if test, _ := c.of(asking[0], holder, "there", now.Add(copySettle)); !test.Settled || test.Answer != "2" {
		t.Errorf("the answer is %+v", test)
	}
	if test, _ := c.of(asking[0], holder, "elsewhere", now); test.Asked {
		t.Error("what was asked about another server counts")
	}
	// An answer that was there long enough to be read makes room for another object.
	if c.ask(asking[3], holder, "there", "1", now.Add(copyRetry-1)) || !c.ask(asking[3], holder, "there", "1", now.Add(copyRetry)) {
		t.Error("there is no room, or too soon")
	}
	if n := len(c.toLocked("holder")); n != copiesAsked {
		t.Errorf("%d objects ask", n)
	}
	c.concluded("d")
	c.ask(asking[0], holder, "there", "1", now.Add(copyRetry))
	c.answer("holder", "2", now)
	// One that asks again and again gets an answer once a minute.
	c.ask(asking[0], holder, "there", "2", now)
	if taken, open := c.asked("holder", now.Add(copyRetry-1)); open || !slices.Contains(taken, "2") {
		t.Errorf("open %t, taken %q", open, taken)
	}
	if _, open := c.asked("holder", now.Add(copyRetry)); !open {
		t.Error("not asked after a minute")
	}
	c.concluded("a")
	c.forget("b")
	c.forget("holder")
	if len(c.questions)+len(c.rotated) > 0 {
		t.Errorf("kept is %+v", c)
	}
}

func TestServerReplaced(t *testing.T) {
	for _, mode := range allModes {
		t.Run(string(mode), func(t *testing.T) {
			f := newFixture(t)
			f.create("prod", 0, inMode(mode))
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			before := f.record("prod").DeepCopy()
			original := f.server()

			// What a server says without a login takes nothing from the record.
			f.servers[address] = newServer("id-2")
			for range 2 {
				f.sync("prod")
				if c := f.expect("prod", ReasonAdminTokenRequired); !strings.Contains(c.Message, "id-2") {
					t.Errorf("the message does not name the server: %s", c.Message)
				}
			}
			if got := f.record("prod"); got.Server != "id-1" || got.Digest != before.Digest || !slices.Equal(got.Roles, before.Roles) || got.Claim.Nonce != before.Claim.Nonce {
				t.Errorf("recorded is %+v", got)
			}
			f.servers[address] = original
			f.sync("prod")
			f.expect("prod", ReasonApplied)

			f.servers[address] = newServer("id-2")
			f.admin("s.second")
			f.sync("prod")
			if c := f.expect("prod", ReasonApplied); !strings.Contains(c.Message, "stays there") {
				t.Errorf("the message hides what stays: %s", c.Message)
			}
			if got := f.record("prod").Server; got != "id-2" {
				t.Errorf("recorded server %q", got)
			}
			// A server that does not answer does not undo what was written to it.
			f.server().fail = func(string) error { return class(openbao.Unavailable) }
			f.sync("prod")
			if got := f.record("prod"); got.Server != "id-2" || got.Digest != before.Digest {
				t.Errorf("recorded is %+v", got)
			}
		})
	}
}

func TestAddressOfTheSameServerChanges(t *testing.T) {
	for _, mode := range allModes {
		f := newFixture(t)
		f.create("prod", 0, inMode(mode))
		f.sync("prod")
		f.server().takeWrites()
		f.servers["https://moved:8200"] = f.server()
		f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.Address = "https://moved:8200" })
		f.sync("prod")
		f.expect("prod", ReasonApplied)
		if got := f.record("prod").Address; got != "https://moved:8200" {
			t.Errorf("%s: recorded address %q", mode, got)
		}
		if got := f.server().takeWrites(); len(got) > 0 {
			t.Errorf("%s: wrote %q", mode, got)
		}
	}
}

// TestAddressOfAnotherServer checks that, in mode Once, an address is not recorded
// where no identity is let in, whatever the server there says of itself.
func TestAddressOfAnotherServer(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	f.sync("prod")
	f.servers["https://moved:8200"] = newServer("id-1")
	f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) { c.Spec.Authorization.Address = "https://moved:8200" })
	f.sync("prod")
	f.expect("prod", ReasonProofFailed)
	if got := f.record("prod").Address; got != address {
		t.Errorf("recorded address %q", got)
	}
}

// TestRepeatedIDBlocksNobodyWithALogin checks that a server without a mark that lets in
// the bootstrapper of an object is that object's, whoever repeats its id: nobody may
// have an admin token for a server that initialized itself.
func TestRepeatedIDBlocksNobodyWithALogin(t *testing.T) {
	for _, mode := range []openbaov1alpha1.AuthorizationMode{openbaov1alpha1.AuthorizationObserve, openbaov1alpha1.AuthorizationEnforce} {
		t.Run(string(mode), func(t *testing.T) {
			f := newFixture(t)
			f.create("prod", 0, selfInit, inMode(mode))
			f.sync("prod")
			f.expect("prod", ReasonApplied)
			delete(f.server().policies, authz.MarkPolicy)
			f.restart()
			f.change("prod", func(c *openbaov1alpha1.OpenBaoCluster) {
				c.Status.Authorization, c.Status.Conditions = nil, nil
				c.Spec.Authorization.AdminTokenSecretRef = nil
			})

			fake := newServer("id-1")
			f.servers["https://fake:8200"] = fake
			f.create("fake", 9, at("https://fake:8200"))
			f.tokenOf("fake", "s.fake", fake)
			f.sync("fake")
			f.expect("fake", ReasonApplied)

			f.sync("prod")
			f.expect("prod", ReasonApplied)
		})
	}
}

// TestAnObjectEndsDuringItsSync checks that nothing is kept of an object that is deleted
// while it asks another one.
func TestAnObjectEndsDuringItsSync(t *testing.T) {
	f := newFixture(t)
	f.create("prod", 0)
	f.sync("prod")
	copied := f.staging()
	obj := f.get("staging")
	copied.fail = func(op string) error {
		if op == "ReadPolicy "+authz.MarkPolicy {
			if err := f.informer.GetIndexer().Delete(obj); err != nil {
				t.Error(err)
			}
			f.controller.handlers().OnDelete(obj)
		}
		return nil
	}
	f.sync("staging")
	if err := f.informer.GetIndexer().Delete(obj); err != nil {
		t.Fatal(err)
	}
	f.controller.sync(t.Context(), f.name("staging"))
	if n := len(f.controller.copies.questions); n > 0 {
		t.Errorf("%d objects ask", n)
	}
	if holder, ok := f.controller.claims.Holder(f.audienceOf("staging")); ok {
		t.Errorf("%s holds a claim", holder)
	}
}
