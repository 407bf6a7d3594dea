// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aiven/go-client-codegen/handler/kafka"
	"github.com/aiven/go-client-codegen/handler/service"
)

func TestFetchDuringAWriteDoesNotSatisfy(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.service("a", "p", "s").Database("two")
		w.api.set(func() { w.api.latency = 2 * time.Second })
		w.store.Refresh("p", "s")
		time.Sleep(time.Second) // the fetch has seen the state, its answer is on the way
		c := w.client("a")
		w.api.set(func() { w.api.latency = 0 })
		if err := w.do(c, "ServiceDatabaseCreate", "POST", pathS+"/db", &service.ServiceDatabaseCreateIn{Database: "two"}); err != nil {
			t.Fatal(err)
		}
		mustPend(t, w, "a")
		time.Sleep(time.Second)
		synctest.Wait() // the old fetch has ended
		time.Sleep(minGap)
		if w.takeNotified("a") == 0 {
			t.Fatal("not notified")
		}
		v, err := w.client("a").Service("p", "s")
		if err != nil || !v.Database("two") {
			t.Fatalf("the write can't be seen: %v", err)
		}
	})
}

func TestWritesWithoutAnAnswerAreReadOnce(t *testing.T) {
	running(t, func(to *TransportOptions, _ *StoreOptions) { to.MaxWait = time.Minute }, func(t *testing.T, w *world) {
		w.service("x", "p", "s")
		w.api.reset()
		w.api.set(func() { w.api.latency = 100 * time.Millisecond })
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				id := fmt.Sprint("db", i)
				c := w.client(id)
				if err := w.do(c, "ServiceDatabaseCreate", "POST", pathS+"/db", &service.ServiceDatabaseCreateIn{Database: id}); err != nil {
					t.Error(err)
				}
				if !w.service(id, "p", "s").Database(id) {
					t.Errorf("%s is not there", id)
				}
			})
		}
		wg.Wait()
		if n := w.api.count(getService); n > 4 {
			t.Errorf("100 writes at once were followed by %d reads", n)
		}
	})
}

func TestFolds(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.service("a", "p", "s").User("new")
		w.service("b", "p", "s").User("bob")
		w.api.reset()
		c := w.client("a")
		services, acls := service.NewHandler(c), kafka.NewHandler(c)
		if _, err := services.ServiceUserCreate(t.Context(), "p", "s", &service.ServiceUserCreateIn{Username: "new"}); err != nil {
			t.Fatal(err)
		}
		list, err := acls.ServiceKafkaAclAdd(t.Context(), "p", "s", &kafka.ServiceKafkaAclAddIn{Username: "new", Topic: "t", Permission: "read"})
		if err != nil {
			t.Fatal(err)
		}
		v, err := w.client("a").Service("p", "s")
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := v.User("new"); !ok || u.Password != "created" {
			t.Error("the user is not in the snapshot")
		}
		if found := v.FindACLs("new", "t", "read"); len(found) != 1 || *found[0].Id != list[0].Id {
			t.Errorf("the ACL is not in the snapshot: %v", found)
		}
		if a, ok := v.ACL(list[0].Id); !ok || a.Topic != "t" {
			t.Error("the ACL is not found by its id")
		}
		if _, ok := v.User("bob"); !ok {
			t.Error("the others are gone")
		}
		if n := w.api.count(getService); n != 0 {
			t.Errorf("%d reads for writes whose answers say it all", n)
		}
		if w.takeNotified("b") != 0 {
			t.Error("notified somebody else")
		}
		if err := w.do(c, "ServiceUserDelete", "DELETE", pathS+"/user/new", nil); err != nil {
			t.Fatal(err)
		}
		mustPend(t, w, "a")
		if _, ok := w.service("a", "p", "s").User("new"); ok {
			t.Error("the deleted user is there")
		}
	})
}

func TestFoldSurvivesAnOlderFetch(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.service("a", "p", "s").User("new")
		w.api.set(func() { w.api.latency = 2 * time.Second })
		w.store.Refresh("p", "s")
		time.Sleep(time.Second)
		w.api.set(func() { w.api.latency = 0 })
		c := w.client("a")
		handler := service.NewHandler(c)
		if _, err := handler.ServiceUserCreate(t.Context(), "p", "s", &service.ServiceUserCreateIn{Username: "new"}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			v, err := w.client("a").Service("p", "s")
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := v.User("new"); !ok {
				t.Fatal("the older fetch undid the write")
			}
			time.Sleep(time.Second)
		}
		// A fetch that began later has the last word.
		w.api.set(func() { w.api.services["p/s"]["users"] = []any{} })
		w.store.Refresh("p", "s")
		time.Sleep(time.Second)
		if _, ok := w.service("a", "p", "s").User("new"); ok {
			t.Error("the fold outlived a newer fetch")
		}
	})
}

func TestServiceCreateIsFolded(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.service("other", "p", "s").State()
		if w.service("a", "p", "new").Exists() {
			t.Fatal("exists")
		}
		w.service("child", "p", "new").Exists()
		w.takeNotified("child")
		w.api.reset()
		handler := service.NewHandler(w.client("a"))
		if _, err := handler.ServiceCreate(t.Context(), "p", &service.ServiceCreateIn{ServiceName: "new", Plan: "p", ServiceType: "kafka"}); err != nil {
			t.Fatal(err)
		}
		v, err := w.client("a").Service("p", "new")
		if err != nil || v.State() != service.ServiceStateTypeRebuilding {
			t.Fatalf("after the create: %v", err)
		}
		if w.takeNotified("child") != 1 {
			t.Error("the child was not woken")
		}
		if _, err := w.client("other").Service("p", "s"); err != nil {
			t.Errorf("another service went stale: %v", err)
		}
		w.api.set(func() { w.api.services["p/new"]["state"] = "RUNNING" })
		time.Sleep(2 * time.Second)
		if w.service("child", "p", "new").State() != service.ServiceStateTypeRunning {
			t.Error("its start was missed")
		}
		if n := w.api.count(getService + "s"); n != 0 {
			t.Errorf("%d reads of the other service", n)
		}
	})
}

func TestFailedWriteIsReadAgain(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.service("a", "p", "s")
		w.api.set(func() {
			w.api.fail = func(req *http.Request) *http.Response {
				if req.Method == "POST" {
					return rawAnswer(200, `{"user":`)
				}
				return nil
			}
		})
		if err := w.do(w.client("a"), "ServiceUserCreate", "POST", pathS+"/user", &service.ServiceUserCreateIn{Username: "x"}); ClassOf(err) != Unknown {
			t.Fatalf("got %v", err)
		}
		mustPend(t, w, "a")
		w.service("a", "p", "s")
	})
}
