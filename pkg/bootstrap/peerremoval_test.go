// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
)

// runsServers returns a fixture with a cluster whose servers Bailiwick runs, and whose
// contract is written and proved.
func runsServers(t *testing.T, mode openbaov1alpha1.AuthorizationMode) *fixture {
	t.Helper()
	const own = "https://prod-active.ns.svc:8200"
	f := newFixture(t)
	f.servers[own] = f.server()
	f.accounts["bailiwick-system/bailiwick-servers"] = nil
	f.secret("prod-tls-server", map[string]string{"ca.crt": testCA})
	f.meantFor(own)
	f.create("prod", 0, inMode(mode), func(c *openbaov1alpha1.OpenBaoCluster) {
		c.Spec.Authorization.Address, c.Spec.Authorization.CASecretRef = "", nil
		c.Spec.Version, c.Spec.Storage, c.Spec.TLS = "2.6.2", &openbaov1alpha1.StorageSpec{}, &openbaov1alpha1.TLSSpec{}
		c.Status.Initialized = new(true)
	})
	f.sync("prod")
	f.authorizationReady(ReasonApplied)
	f.settle()
	return f
}

// removes says in the status which server leaves, as who runs the servers does. Gone is
// one that has left.
func (f *fixture) removes(server string, gone bool) {
	f.t.Helper()
	obj := f.get("prod").DeepCopy()
	obj.Status.Membership = nil
	if server != "" {
		since := metav1.NewTime(f.now)
		obj.Status.Membership = &openbaov1alpha1.MembershipStatus{Removing: &openbaov1alpha1.RemovingStatus{
			Server: server, Since: since, Reason: openbaov1alpha1.RemovalScaleDown,
		}}
		if gone {
			obj.Status.Membership.Removing.RemovedAt = &since
		}
	}
	updated, err := f.clusters.OpenBaoV1alpha1().OpenBaoClusters("ns").Update(f.t.Context(), obj, metav1.UpdateOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.informer.GetIndexer().Update(updated); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) mayRemove() (bool, string) {
	return authz.MayRemove(f.get("prod"), f.now, f.controller.opts.ProofInterval)
}

// TestPeerRemovalComesAndGoes checks that the identity is on the server exactly while a
// server is to be removed, that it is for that server, and that nothing else changes.
func TestPeerRemovalComesAndGoes(t *testing.T) {
	f := runsServers(t, openbaov1alpha1.AuthorizationEnforce)
	before := f.server().state()
	const policy, role = "policy " + authz.RemovePeerRole, "role " + authz.RemovePeerRole
	if ok, why := f.mayRemove(); ok {
		t.Errorf("a server may be removed before one is to be: %s", why)
	}
	for _, server := range []string{"prod-4", "prod-3"} {
		f.removes(server, false)
		if ok, _ := f.mayRemove(); ok {
			t.Errorf("%s may be removed before the identity is there", server)
		}
		f.sync("prod")
		f.authorizationReady(ReasonApplied)
		now := f.server().state()
		if !strings.Contains(now[policy], `"server_id" = ["`+server+`"]`) || !strings.Contains(now[role], "bailiwick-system:bailiwick-servers") {
			t.Fatalf("the server holds the policy %q and the role %q", now[policy], now[role])
		}
		delete(now, policy)
		delete(now, role)
		for name, want := range before {
			if now[name] != want || len(now) != len(before) {
				t.Errorf("%s was %q and is %q", name, want, now[name])
			}
		}
		record := f.record("prod")
		if !slices.Contains(record.Roles, authz.RemovePeerRole) || !slices.Contains(record.Policies, authz.RemovePeerRole) || record.Proved != "4/4" {
			t.Errorf("recorded are the roles %q, the policies %q, and %s are proved", record.Roles, record.Policies, record.Proved)
		}
		if got := f.identity(authz.RemovePeerRole); got.Server != server || got.State != openbaov1alpha1.Proved || got.Identity != "remove-peer" {
			t.Errorf("the identity is %+v", got)
		}
		if ok, why := f.mayRemove(); !ok {
			t.Errorf("%s may not be removed: %s", server, why)
		}
		f.settle()
		f.sync("prod")
		if got := f.server().takeWrites(); len(got) > 0 {
			t.Errorf("a second look writes %q", got)
		}
		f.now = f.now.Add(time.Minute)
	}
	f.removes("prod-3", true)
	f.settle()
	f.sync("prod")
	f.authorizationReady(ReasonApplied)
	if got, want := f.server().takeWrites(), []string{"DeleteRole bailiwick-remove-peer", "DeletePolicy bailiwick-remove-peer"}; !slices.Equal(got, want) {
		t.Errorf("the end of it takes %q, want %q", got, want)
	}
	record := f.record("prod")
	if slices.Contains(record.Roles, authz.RemovePeerRole) || slices.Contains(record.Policies, authz.RemovePeerRole) || record.Proved != "3/3" || len(record.Pending) > 0 {
		t.Errorf("left in the record are the roles %q, the policies %q, %s, %+v", record.Roles, record.Policies, record.Proved, record.Pending)
	}
	for name, text := range f.server().state() {
		if before[name] != text {
			t.Errorf("left is %s: %s", name, text)
		}
	}
}

// TestPeerRemovalOfNoServer checks that a name that is none leads to nothing.
func TestPeerRemovalOfNoServer(t *testing.T) {
	f := runsServers(t, openbaov1alpha1.AuthorizationEnforce)
	for _, server := range []string{"prod-9", "other-1", "prod-*", ""} {
		f.removes(server, false)
		f.sync("prod")
		f.authorizationReady(ReasonApplied)
		if got := f.server().takeWrites(); len(got) > 0 {
			t.Errorf("%q: it writes %q", server, got)
		}
	}
}

// TestPeerRemovalIsInterrupted checks that the identity is withdrawn whatever became of
// the answers to the writes, by a process that knows nothing but the record.
func TestPeerRemovalIsInterrupted(t *testing.T) {
	for _, lost := range []string{"WritePolicy", "WriteRole", "DeleteRole", "DeletePolicy"} {
		t.Run(lost, func(t *testing.T) {
			f := runsServers(t, openbaov1alpha1.AuthorizationEnforce)
			before := f.server().state()
			f.server().lose = func(op string) error {
				if strings.HasPrefix(op, lost+" ") {
					return class(openbao.Unavailable)
				}
				return nil
			}
			f.removes("prod-2", false)
			f.sync("prod")
			if strings.HasPrefix(lost, "Delete") {
				f.authorizationReady(ReasonApplied)
			}
			f.restart()
			f.removes("prod-2", true)
			f.sync("prod")
			f.server().lose = func(string) error { return nil }
			f.restart()
			f.sync("prod")
			f.authorizationReady(ReasonApplied)
			for name, text := range f.server().state() {
				if before[name] != text {
					t.Errorf("left is %s: %s", name, text)
				}
			}
		})
	}
}

// TestPeerRemovalWithoutAuthority checks the modes in which nothing is written without
// an admin token: the authorization stays as good as it is, nothing is asked for, and the
// identity is listed with what a person can do.
func TestPeerRemovalWithoutAuthority(t *testing.T) {
	for _, mode := range []openbaov1alpha1.AuthorizationMode{openbaov1alpha1.AuthorizationOnce, openbaov1alpha1.AuthorizationObserve} {
		t.Run(string(mode), func(t *testing.T) {
			f := runsServers(t, mode)
			proved := f.record("prod").Proved
			for range 2 {
				f.removes("prod-4", false)
				f.sync("prod")
				condition := f.authorizationReady(ReasonApplied)
				if condition.Status != metav1.ConditionTrue || !strings.Contains(condition.Message, authz.RemovePeerRole) {
					t.Errorf("AuthorizationReady is %+v", condition)
				}
				got := f.identity(authz.RemovePeerRole)
				if got.State != openbaov1alpha1.NotProved || got.Server != "prod-4" || !strings.Contains(got.Message, "spec.authorization.mode to Enforce") ||
					!strings.HasSuffix(got.Message, "run: bao operator raft remove-peer prod-4") {
					t.Errorf("the identity is %+v", got)
				}
				if ok, why := f.mayRemove(); ok || why != got.Message {
					t.Errorf("the server may be removed: %t, %q", ok, why)
				}
				if got := f.record("prod"); got.Proved != proved || len(got.Plan) > 0 {
					t.Errorf("%s are proved, before %s; the plan is %+v", got.Proved, proved, got.Plan)
				}
				f.now = f.now.Add(f.controller.opts.ProofInterval)
			}
			f.removes("prod-4", true)
			f.sync("prod")
			f.authorizationReady(ReasonApplied)
			if slices.ContainsFunc(f.record("prod").Identities, func(i openbaov1alpha1.IdentityStatus) bool { return i.Identity == "remove-peer" }) {
				t.Error("the identity is listed after the server has left")
			}
			if got := f.server().takeWrites(); len(got) > 0 {
				t.Errorf("it writes %q", got)
			}
		})
	}
}

// TestPeerRemovalIsProved checks that a role that lets others in, or gives other rights,
// does not count as proved.
func TestPeerRemovalIsProved(t *testing.T) {
	f := runsServers(t, openbaov1alpha1.AuthorizationEnforce)
	f.server().entities = map[string][]string{authz.RemovePeerRole: {"openbao-operator"}}
	f.removes("prod-1", false)
	f.sync("prod")
	f.authorizationReady(ReasonProofFailed)
	if ok, why := f.mayRemove(); ok || !strings.Contains(why, "openbao-operator") {
		t.Errorf("the server may be removed: %t, %q", ok, why)
	}
}

// TestPeerRemovalWalk walks through removals while writes are refused, lost, or carried
// out without an answer. What counts as proved is what the server holds, and when no
// server leaves any more, nothing of it is left.
func TestPeerRemovalWalk(t *testing.T) {
	seeds := uint64(8)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		w := &walk{fixture: runsServers(t, openbaov1alpha1.AuthorizationEnforce), random: rand.New(rand.NewPCG(seed, 7)), theirs: map[string]string{}}
		w.clusters.PrependReactor("patch", "openbaoclusters", func(clienttesting.Action) (bool, runtime.Object, error) {
			return w.apiDown, nil, errors.New("the process is gone")
		})
		before, proved := w.server().state(), 0
		for range 25 {
			server, gone := fmt.Sprintf("prod-%d", w.random.IntN(10)), w.random.IntN(3) == 0
			w.removes(server, gone)
			w.log = append(w.log, fmt.Sprintf("%s, gone: %t, %s", server, gone, w.weather()))
			w.sync("prod")
			if w.apiDown || w.random.IntN(5) == 0 {
				w.apiDown = false
				w.restart()
			}
			if ok, _ := w.mayRemove(); ok {
				proved++
				if text := w.server().policies[authz.RemovePeerRole]; gone || !strings.Contains(text, `["`+server+`"]`) {
					t.Fatalf("seed %d: proved is the removal of %s, and the server holds %q. The walk:\n%s", seed, server, text, strings.Join(w.log, "\n"))
				}
			}
			w.now = w.now.Add(time.Minute)
		}
		w.server().fail, w.server().lose, w.gateErr = func(string) error { return nil }, func(string) error { return nil }, nil
		w.removes("", false)
		w.sync("prod")
		w.authorizationReady(ReasonApplied)
		if got := w.server().state(); !maps.Equal(got, before) {
			t.Fatalf("seed %d: left is %v, there was %v. The walk:\n%s", seed, got, before, strings.Join(w.log, "\n"))
		}
		if proved == 0 {
			t.Errorf("seed %d: nothing was ever proved", seed)
		}
	}
}
