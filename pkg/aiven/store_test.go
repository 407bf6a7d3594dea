// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aiven/go-client-codegen/handler/service"
)

const (
	getService = "GET /v1/project/p/service/s"
	pathS      = "/v1/project/p/service/s"
)

// running starts a world with one service in it, inside a bubble.
func running(t *testing.T, change func(*TransportOptions, *StoreOptions), test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		s := newService("s", "RUNNING")
		s["users"] = []any{user("alice", "pw-a"), user("bob", "pw-b")}
		s["databases"] = []any{"defaultdb"}
		api.services["p/s"] = s
		w := newWorld(t, api, change)
		defer w.stop()
		test(t, w)
	})
}

func mustPend(t *testing.T, w *world, id string) {
	t.Helper()
	if _, err := w.client(id).Service("p", "s"); !errors.Is(err, ErrPending) {
		t.Fatalf("got %v, want ErrPending", err)
	}
}

func TestReadersShareOneFetch(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.api.set(func() { w.api.latency = time.Second })
		for i := range 1000 {
			mustPend(t, w, fmt.Sprint("object", i))
		}
		time.Sleep(2 * time.Second)
		for i := range 1000 {
			id := fmt.Sprint("object", i)
			if w.takeNotified(id) != 1 {
				t.Fatalf("%s was not notified once", id)
			}
			v, err := w.client(id).Service("p", "s")
			if err != nil || !v.Exists() || v.State() != service.ServiceStateTypeRunning {
				t.Fatalf("%v", err)
			}
		}
		if n := w.api.count(""); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
}

func TestAbsenceIsData(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		delete(w.api.services, "p/s")
		v := w.service("a", "p", "s")
		if _, ok := v.User("alice"); v.Exists() || v.Service() != nil || v.State() != "" || ok || len(v.ACLs())+len(v.Nodes())+len(v.Databases()) > 0 {
			t.Error("a service that is absent shows something")
		}
		w.api.set(func() { w.api.services["p/s"] = newService("s", "RUNNING") })
		time.Sleep(10 * time.Minute)
		if w.takeNotified("a") == 0 || !w.service("a", "p", "s").Exists() {
			t.Error("its appearance was missed")
		}
	})
}

// Each object is told of a change in what it looked at, and of no other.
func TestNotifiesOnlyWhoseParts(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		look := map[string]func(*ServiceView){
			"alice":      func(v *ServiceView) { v.User("alice") },
			"bob":        func(v *ServiceView) { v.User("bob") },
			"carol":      func(v *ServiceView) { v.User("carol") }, // not there yet
			"users":      func(v *ServiceView) { v.Users() },
			"db":         func(v *ServiceView) { v.Database("defaultdb") },
			"db2":        func(v *ServiceView) { v.Database("two") },
			"databases":  func(v *ServiceView) { v.Databases() },
			"pool":       func(v *ServiceView) { v.Pool("pool") },
			"pools":      func(v *ServiceView) { v.Pools() },
			"acl":        func(v *ServiceView) { v.ACL("id1") },
			"acl match":  func(v *ServiceView) { v.FindACLs("alice", "t", "read") },
			"acls":       func(v *ServiceView) { v.ACLs() },
			"core":       func(v *ServiceView) { v.Service() },
			"state":      func(v *ServiceView) { v.State() },
			"components": func(v *ServiceView) { v.Components() },
			"nodes":      func(v *ServiceView) { v.Nodes() },
			"backups":    func(v *ServiceView) { v.Backups() },
		}
		steps := []struct {
			name   string
			change func(s map[string]any)
			want   []string
		}{
			{"nothing", func(map[string]any) {}, nil},
			{"what changes by itself", func(s map[string]any) {
				s["update_time"] = "2026-01-01T00:00:00Z"
				s["service_notifications"] = []any{map[string]any{"message": "hello"}}
			}, nil},
			{"a password", func(s map[string]any) { s["users"] = []any{user("bob", "pw-b"), user("alice", "new")} }, []string{"alice", "users"}},
			{"a user more", func(s map[string]any) {
				s["users"] = []any{user("alice", "new"), user("bob", "pw-b"), user("carol", "c")}
			}, []string{"carol", "users"}},
			{"a user less", func(s map[string]any) { s["users"] = []any{user("alice", "new"), user("carol", "c")} }, []string{"bob", "users"}},
			{"a database", func(s map[string]any) { s["databases"] = []any{"two", "defaultdb"} }, []string{"db2", "databases"}},
			{"a pool", func(s map[string]any) { s["connection_pools"] = []any{map[string]any{"pool_name": "pool"}} }, []string{"pool", "pools"}},
			{"an acl", func(s map[string]any) {
				s["acl"] = []any{map[string]any{"id": "id1", "username": "alice", "topic": "t", "permission": "read"}}
			}, []string{"acl", "acl match", "acls"}},
			{"another acl", func(s map[string]any) {
				s["acl"] = append([]any{map[string]any{"id": "id0", "username": "bob", "topic": "t", "permission": "read"}}, s["acl"].([]any)...)
			}, []string{"acls"}},
			{"the plan", func(s map[string]any) { s["plan"] = "p2" }, []string{"core"}},
			{"a component", func(s map[string]any) { s["components"] = []any{map[string]any{"component": "kafka"}} }, []string{"components"}},
			{"progress of a node", func(s map[string]any) {
				s["node_states"] = []any{map[string]any{"name": "n1", "state": "running", "progress_updates": []any{map[string]any{"current": 1}}}}
			}, []string{"nodes"}},
			{"more progress", func(s map[string]any) {
				s["node_states"] = []any{map[string]any{"name": "n1", "state": "running", "progress_updates": []any{map[string]any{"current": 2}}}}
			}, nil},
			{"a backup", func(s map[string]any) { s["backups"] = []any{map[string]any{"backup_name": "b"}} }, []string{"backups"}},
			{"the state", func(s map[string]any) { s["state"] = "POWEROFF" }, []string{"state", "core"}},
		}
		for id, f := range look {
			f(w.service(id, "p", "s"))
			w.takeNotified(id)
		}
		for _, step := range steps {
			w.api.set(func() { step.change(w.api.services["p/s"]) })
			w.store.Refresh("p", "s")
			time.Sleep(minGap)
			synctest.Wait()
			want := map[string]bool{}
			for _, id := range step.want {
				want[id] = true
			}
			for id, f := range look {
				if got := w.takeNotified(id) > 0; got != want[id] {
					t.Errorf("%s: %s notified: %v", step.name, id, got)
				}
				f(w.service(id, "p", "s"))
			}
		}
	})
}

// A reader whose view is older than what the Store holds by then must be told:
// no later snapshot would differ from what it has not seen.
func TestLookAtAnOldView(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		v := w.service("a", "p", "s")
		w.api.set(func() { w.api.services["p/s"]["users"] = []any{user("alice", "changed")} })
		w.store.Refresh("p", "s")
		time.Sleep(time.Second)
		w.takeNotified("a")
		v.Database("defaultdb")
		if w.takeNotified("a") != 0 {
			t.Error("notified of a part that is the same")
		}
		v.User("alice")
		if w.takeNotified("a") != 1 {
			t.Error("the change between the view and the look was lost")
		}
	})
}

func TestANewSyncReplacesWhatWasSeen(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.service("a", "p", "s").User("alice")
		w.service("a", "p", "s").User("bob")
		w.takeNotified("a")
		w.api.set(func() { w.api.services["p/s"]["users"] = []any{user("alice", "changed"), user("bob", "pw-b")} })
		w.store.Refresh("p", "s")
		time.Sleep(time.Second)
		if w.takeNotified("a") != 0 {
			t.Error("notified of what only an earlier sync looked at")
		}
	})
}

func TestPollAndJitter(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.service("a", "p", "s").User("alice")
		w.api.reset()
		time.Sleep(100 * time.Minute)
		if n := w.api.count(getService); n < 10 || n > 11 {
			t.Errorf("%d polls in 10 intervals", n)
		}
		w.takeNotified("a")
		w.api.set(func() { w.api.services["p/s"]["users"] = []any{} })
		time.Sleep(10 * time.Minute)
		if w.takeNotified("a") != 1 {
			t.Error("drift was not found within one poll interval")
		}
	})
}

func TestUnsettledServiceIsLookedAtSooner(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.api.services["p/s"]["state"] = "REBUILDING"
		w.service("a", "p", "s").State()
		w.api.reset()
		time.Sleep(60 * time.Second)
		// 1 + 1.5 + 2.25 + 3.4 + 5.1 + 7.6 + 10 + 10 + 10 s
		if n := w.api.count(getService); n < 8 || n > 10 {
			t.Errorf("%d reads in the first minute", n)
		}
		w.api.set(func() { w.api.services["p/s"]["state"] = "RUNNING" })
		time.Sleep(settling().Max)
		if w.takeNotified("a") == 0 {
			t.Error("not notified when it ran")
		}
		w.api.reset()
		time.Sleep(5 * time.Minute)
		if n := w.api.count(getService); n > 0 {
			t.Errorf("%d reads of a settled service", n)
		}
	})
}

func TestRecheck(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		reads := 0
		w.service("a", "p", "s").Recheck()
		w.takeNotified("a")
		start := time.Now()
		for time.Since(start) < 30*time.Second {
			time.Sleep(100 * time.Millisecond)
			if w.takeNotified("a") > 0 {
				reads++
				w.service("a", "p", "s").Recheck()
			}
		}
		if reads < 6 || reads > 7 { // 1 + 1.5 + 2.25 + 3.4 + 5.1 + 7.6 s, then 10
			t.Errorf("notified %d times in 30 s", reads)
		}
		time.Sleep(settling().Max)
		w.service("a", "p", "s") // content now
		w.api.reset()
		time.Sleep(5 * time.Minute)
		if n := w.api.count(getService); n > 0 {
			t.Errorf("%d reads after nobody asked any more", n)
		}
	})
}

func TestForgetDropsWhatNobodyReads(t *testing.T) {
	running(t, func(_ *TransportOptions, so *StoreOptions) { so.EventInterval = 15 * time.Second }, func(t *testing.T, w *world) {
		w.service("a", "p", "s")
		v := w.service("b", "p", "s")
		w.store.Forget("a")
		if len(w.store.entries) != 1 {
			t.Fatal("dropped while in use")
		}
		w.store.Forget("b")
		w.store.Forget("b")
		v.User("late") // a view that outlived its subscription is harmless
		v.Recheck()
		s := w.store
		s.mu.Lock()
		left := len(s.entries) + len(s.logs) + len(s.services) + len(s.subscribers) + len(s.tasks)
		s.mu.Unlock()
		if left != 0 {
			t.Errorf("%d things are left", left)
		}
		w.api.reset()
		time.Sleep(time.Hour)
		if n := w.api.count(""); n != 0 {
			t.Errorf("%d requests for nobody", n)
		}
	})
}

func TestEventLog(t *testing.T) {
	running(t, func(_ *TransportOptions, so *StoreOptions) { so.EventInterval = 15 * time.Second }, func(t *testing.T, w *world) {
		event := func(id, name string) map[string]any { return map[string]any{"id": id, "service_name": name} }
		w.api.services["p/s2"] = newService("s2", "RUNNING")
		w.api.events = []map[string]any{event("1", "s"), event("0", "s2")}
		broken := func(status int) func(*http.Request) *http.Response {
			return func(req *http.Request) *http.Response {
				if strings.HasSuffix(req.URL.Path, "/events") {
					return rawAnswer(status, `{"message":"no"}`)
				}
				return nil
			}
		}
		w.api.fail = broken(503)
		w.service("a", "p", "s").User("alice")
		w.service("b", "p", "s2")
		w.takeNotified("a")
		w.api.set(func() { w.api.fail = nil }) // the first read comes late
		time.Sleep(time.Minute)
		if n := w.api.count(getService); n != 2 { // s and s2, once each
			t.Fatalf("%d reads: old entries count for nothing", n)
		}
		w.api.reset()
		w.api.set(func() {
			w.api.services["p/s"]["users"] = []any{}
			w.api.events = []map[string]any{event("4", "s"), event("3", "s"), event("2", "gone"), event("1", "s")}
		})
		time.Sleep(15 * time.Second)
		if w.takeNotified("a") != 1 {
			t.Error("drift was not found by the event log")
		}
		time.Sleep(time.Minute)
		if n := w.api.count("GET /v1/project/p/service/"); n != 1 {
			t.Errorf("%d reads for the news of one service", n)
		}
		w.api.set(func() { w.api.fail = broken(403) })
		time.Sleep(time.Minute)
		w.api.reset()
		time.Sleep(time.Hour)
		if n := w.api.count("GET /v1/project/p/events"); n < 5 || n > 8 {
			t.Errorf("%d reads of a forbidden log in an hour", n)
		}
		if _, err := w.client("a").Service("p", "s"); err != nil {
			t.Errorf("a forbidden log affects others: %v", err)
		}
	})
}

// One token's slow fetches hold up no other's.
func TestReadBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTestTransport(t, TransportOptions{RoundTripper: newFakeAPI()})
		if _, err := NewStore(StoreOptions{Transport: tr, PollInterval: -1}); err == nil {
			t.Error("a negative interval was accepted")
		}
		if _, err := NewStore(StoreOptions{}); err == nil {
			t.Error("a store without a transport")
		}
		w := newWorld(t, newFakeAPI(), nil)
		w.stop()
		if _, err := w.client("a").Service("p", "s"); !errors.Is(err, ErrPending) {
			t.Errorf("got %v", err)
		}
	})
}

// Two calls during one fetch are followed by one more, and only one.
func TestRefreshDuringAFetch(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.service("a", "p", "s").User("alice")
		w.api.set(func() { w.api.latency = 2 * time.Second })
		w.store.Refresh("p", "s")
		time.Sleep(time.Second)
		w.takeNotified("a")
		w.api.reset()
		w.api.set(func() { w.api.services["p/s"]["users"] = []any{} })
		w.store.Refresh("p", "s")
		w.store.Refresh("p", "s")
		time.Sleep(time.Minute)
		if n := w.api.count(getService); n != 1 || w.takeNotified("a") != 1 {
			t.Errorf("%d fetches after the one under way, want 1", n)
		}
	})
}

func TestFetchesOfOneEntryKeepApart(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.service("a", "p", "s")
		w.api.reset()
		for range 100 {
			w.store.Refresh("p", "s")
			time.Sleep(50 * time.Millisecond)
		}
		if n := w.api.count(getService); n < 9 || n > 11 {
			t.Errorf("%d fetches in 5 s, want one per %v", n, minGap)
		}
	})
}

func TestUnreadSubscriptionsEnd(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.api.set(func() { w.api.services["p/s2"] = newService("s2", "RUNNING") })
		w.service("a", "p", "s")
		held := func(name string) bool {
			w.store.mu.Lock()
			defer w.store.mu.Unlock()
			return w.store.entries[entryKey{token: "ns/secret/key", facet: serviceFacetName, project: "p", service: name}] != nil
		}
		w.service("a", "p", "s2")
		if !held("s") {
			t.Fatal("one sync that stopped early ended a subscription")
		}
		for range maxIdleSyncs {
			w.service("a", "p", "s2")
		}
		if held("s") || !held("s2") {
			t.Error("what is not read any more is still polled")
		}
	})
}
