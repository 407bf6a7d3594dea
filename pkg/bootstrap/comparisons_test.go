// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package bootstrap

import (
	"errors"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clienttesting "k8s.io/client-go/testing"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao/openbaotest"
)

// startedServers returns a fixture with the object prod, whose servers hold the contract.
func startedServers(t *testing.T, mutate ...func(*openbaov1alpha1.OpenBaoCluster)) (*fixture, *fakeServer) {
	t.Helper()
	f := ownServers(t, append([]func(*openbaov1alpha1.OpenBaoCluster){selfInit}, mutate...)...)
	f.firstStart()
	f.serversReport(says(metav1.ConditionTrue, "Running"))
	f.serversReport(func(s *openbaov1alpha1.OpenBaoClusterStatus) { s.ClusterID, s.Initialized = "id-own", new(true) })
	f.sync("prod")
	if got := f.condition(openbaov1alpha1.ConditionAuthorizationReady); got.Status != metav1.ConditionTrue {
		t.Fatalf("AuthorizationReady is %s, %s: %s", got.Status, got.Reason, got.Message)
	}
	return f, f.servers[activeAddress]
}

// looks syncs prod every few minutes until d has passed, more often than it asks for.
func (f *fixture) looks(d time.Duration) {
	f.t.Helper()
	const every = 3 * time.Minute
	for range int(d / every) {
		f.now = f.now.Add(every)
		if outcome := f.sync("prod"); outcome.Err() != nil {
			f.t.Fatal(outcome.Err())
		}
	}
}

// asked returns how much was asked of a server since the last call.
func (s *fakeServer) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.requests
	s.requests = 0
	return n
}

// written counts the writes to the API server since the last call.
func (f *fixture) written() int {
	n := 0
	for _, actions := range [][]clienttesting.Action{f.clusters.Actions(), f.kubernetes.Actions()} {
		for _, a := range actions {
			if verb := a.GetVerb(); verb != "get" && verb != "list" && verb != "watch" && a.GetSubresource() != "token" {
				n++
			}
		}
	}
	f.clusters.ClearActions()
	f.kubernetes.ClearActions()
	return n
}

// TestAtRest has a cluster whose servers are as they should be for a day. What the process
// that runs them asks of them is in the test of the same name in pkg/controller/openbao.
func TestAtRest(t *testing.T) {
	f, srv := startedServers(t)
	srv.asked()
	f.written()
	const hours = 24
	f.looks(hours * time.Hour)
	perHour := float64(srv.asked()) / hours
	writes := float64(f.written()) / hours
	t.Logf("%.1f requests to the servers of a cluster, and %.2f writes, in an hour", perHour, writes)
	// A comparison, a proof of each identity and the logins are the least.
	if perHour > openbaotest.BootstrapAtRest || perHour < 15 {
		t.Errorf("%.1f requests in an hour, want from 15 to %d", perHour, openbaotest.BootstrapAtRest)
	}
	if writes > 1 {
		t.Errorf("%.2f writes in an hour, want one at most, the record of the proofs", writes)
	}
	if got := f.condition(openbaov1alpha1.ConditionAuthorizationReady); got.Status != metav1.ConditionTrue {
		t.Errorf("AuthorizationReady is %s, %s: %s", got.Status, got.Reason, got.Message)
	}
}

// TestWhatIsCompared has somebody change a policy behind the back of Bailiwick.
func TestWhatIsCompared(t *testing.T) {
	const role = "bailiwick-membership"
	for name, tc := range map[string]struct {
		// then is what happens after that.
		then func(f *fixture, srv *fakeServer)
		want bool
	}{
		"nothing, for a while":   {func(f *fixture, _ *fakeServer) { f.looks(45 * time.Minute) }, false},
		"nothing, for an hour":   {func(f *fixture, _ *fakeServer) { f.looks(66 * time.Minute) }, true},
		"a change of the spec":   {func(f *fixture, _ *fakeServer) { f.update(func(c *openbaov1alpha1.OpenBaoCluster) { c.Generation++ }) }, true},
		"somebody asks for it":   {func(f *fixture, _ *fakeServer) { f.update(annotate("bailiwick.dev/refresh", "1")) }, true},
		"another leader":         {func(f *fixture, _ *fakeServer) { f.update(leads("prod-2")) }, true},
		"the same one, again":    {func(f *fixture, _ *fakeServer) { f.update(leads("")); f.update(leads("prod-0")) }, true},
		"no leader":              {func(f *fixture, _ *fakeServer) { f.update(leads("")) }, false},
		"the echo of a write":    {func(f *fixture, _ *fakeServer) { f.update(annotate(openbaov1alpha1.AnnotationRecord, "x")) }, false},
		"another signing key":    {func(f *fixture, _ *fakeServer) { f.issuer.Keys = append(f.issuer.Keys, key("k2", "Qg==")) }, true},
		"the login is forgotten": {func(f *fixture, srv *fakeServer) { clear(srv.sessions); f.looks(45 * time.Minute) }, false},
		"a failed login": {func(f *fixture, srv *fakeServer) {
			srv.fail = func(op string) error {
				if op == "Login "+bootstrapperRole {
					return errors.New("not now")
				}
				return nil
			}
			f.now = f.now.Add(65 * time.Minute)
			f.sync("prod")
			srv.fail = func(string) error { return nil }
		}, true},
		"a login that could not be renewed": {func(f *fixture, srv *fakeServer) {
			srv.fail = func(op string) error {
				if op == "Login "+bootstrapperRole {
					return errors.New("not now")
				}
				return nil
			}
			f.now = f.now.Add(45 * time.Minute)
			f.sync("prod")
			srv.fail = func(string) error { return nil }
		}, true},
		"another process": {func(f *fixture, _ *fakeServer) { f.controller.comparisons = newComparisons() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			f, srv := startedServers(t)
			f.update(leads("prod-0"))
			f.sync("prod")
			srv.takeWrites()
			srv.policies[role] = "# nothing"
			tc.then(f, srv)
			f.sync("prod")
			if got := slices.Contains(srv.takeWrites(), "WritePolicy "+role); got != tc.want {
				t.Errorf("the policy was repaired: %t, want %t", got, tc.want)
			}
		})
	}
}

// TestComparedWhileWoken: what wakes an object during a sync is not taken for compared.
func TestComparedWhileWoken(t *testing.T) {
	f, srv := startedServers(t)
	f.controller.comparisons.forget(f.name("prod"))
	srv.fail = func(op string) error {
		if op == "AuthMounts" {
			f.update(func(c *openbaov1alpha1.OpenBaoCluster) { c.Generation++ })
		}
		return nil
	}
	f.sync("prod")
	srv.fail = func(string) error { return nil }
	srv.asked()
	f.sync("prod")
	if srv.asked() == 0 {
		t.Error("the servers were not compared for what had changed meanwhile")
	}
	srv.asked()
	f.sync("prod")
	if n := srv.asked(); n > 0 {
		t.Errorf("%d requests to servers that were just compared", n)
	}
}

// update has the controller see a change of prod.
func (f *fixture) update(change func(*openbaov1alpha1.OpenBaoCluster)) {
	f.t.Helper()
	before := f.get("prod")
	after := before.DeepCopy()
	change(after)
	updated, err := f.clusters.OpenBaoV1alpha1().OpenBaoClusters("ns").Update(f.t.Context(), after, metav1.UpdateOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.informer.GetIndexer().Update(updated); err != nil {
		f.t.Fatal(err)
	}
	f.controller.handlers().OnUpdate(before, updated)
}

func annotate(key, value string) func(*openbaov1alpha1.OpenBaoCluster) {
	return func(c *openbaov1alpha1.OpenBaoCluster) { metav1.SetMetaDataAnnotation(&c.ObjectMeta, key, value) }
}

func leads(name string) func(*openbaov1alpha1.OpenBaoCluster) {
	return func(c *openbaov1alpha1.OpenBaoCluster) { c.Status.ActiveLeader = name }
}
