// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aiven/go-client-codegen/handler/kafka"
	"github.com/aiven/go-client-codegen/handler/service"
)

func TestSet(t *testing.T) {
	text := func(s string) *string { return &s }
	self := func(s *string) string { return *s }
	names := func(s *set[string]) string {
		var all []string
		for _, item := range s.all() {
			all = append(all, *item)
		}
		return strings.Join(all, " ")
	}
	var none *set[string]
	if none.get("a") != nil || none.all() != nil || none.prefixed("a") != nil || names(none.with("a", text("a"))) != "a" || none.without("a") != nil {
		t.Error("a nil set is not an empty one")
	}
	s := newSet([]*string{text("b"), text("a"), text("b"), text("ab")}, self)
	if names(s) != "a ab b" {
		t.Errorf("sorted: %s", names(s))
	}
	more, less := s.with("aa", text("aa")), s.without("ab")
	if names(more) != "a aa ab b" || names(less) != "a b" || names(s) != "a ab b" {
		t.Errorf("with: %s, without: %s, original: %s", names(more), names(less), names(s))
	}
	if got := more.prefixed("aa"); len(got) != 1 || len(more.prefixed("a")) != 3 || len(more.prefixed("z")) != 0 {
		t.Errorf("prefixed: %v", got)
	}
	same := newSet([]*string{text("ab"), text("b"), text("a")}, self)
	if same.adopt(s) != s {
		t.Error("an equal set is not the earlier one")
	}
	changed := newSet([]*string{text("ab"), text("b")}, self)
	if got := changed.adopt(s); got == s || got.get("b") != s.get("b") {
		t.Error("an equal item of another set is not the earlier one")
	}
}

// Answers of writes that ran at once arrive in any order; the lists in them
// must not undo each other.
func TestFoldsOfConcurrentWrites(t *testing.T) {
	acl := func(id, user string) string {
		return fmt.Sprintf(`{"id":%q,"username":%q,"topic":"t","permission":"read"}`, id, user)
	}
	add := func(user string, entries ...string) change {
		w := &write{operation: "ServiceKafkaAclAdd", method: "POST", rest: []string{"acl"}, in: &kafka.ServiceKafkaAclAddIn{Username: user, Topic: "t", Permission: "read"}}
		return serviceFacet{}.fold(w, []byte(`{"acl":[`+strings.Join(entries, ",")+`]}`))
	}
	remove := func(id string) change {
		w := &write{operation: "ServiceKafkaAclDelete", method: "DELETE", rest: []string{"acl", id}}
		return serviceFacet{}.fold(w, []byte(`{"acl":[]}`))
	}
	id := "1"
	start := newServiceSnapshot(&service.ServiceGetOut{Acl: []service.AclOut{{Id: &id, Username: "old", Topic: "t", Permission: "read"}}})
	folds := []change{
		add("a", acl("1", "old"), acl("2", "a")),
		add("b", acl("1", "old"), acl("2", "a"), acl("3", "b")),
		remove("1"),
	}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		var snap snapshot = start
		for _, i := range order {
			snap, _ = folds[i](snap)
		}
		s := snap.(*serviceSnapshot)
		var ids []string
		for _, a := range s.aclIDs.all() {
			ids = append(ids, aclID(a))
		}
		if !slices.Equal(ids, []string{"2", "3"}) || len(s.acls.all()) != 2 {
			t.Errorf("order %v: %v", order, ids)
		}
	}
	if len(start.acls.all()) != 1 {
		t.Error("a fold changed the snapshot it began with")
	}
}

func TestAnswersThatCarryTooLittle(t *testing.T) {
	for name, tc := range map[string]struct {
		w      write
		answer string
	}{
		"no password":           {write{operation: "ServiceUserCreate"}, `{"user":{"username":"a","password":null}}`},
		"no user":               {write{operation: "ServiceUserCreate"}, `{}`},
		"not JSON":              {write{operation: "ServiceUserCreate"}, `<`},
		"modify without users":  {write{operation: "ServiceUserCredentialsModify", rest: []string{"user", "a"}}, `{"service":{"service_name":"s","state":"RUNNING"}}`},
		"modify of another":     {write{operation: "ServiceUserCredentialsModify", rest: []string{"user", "a"}}, `{"service":{"service_name":"s","state":"RUNNING","users":[{"username":"b","password":"x"}]}}`},
		"update without answer": {write{operation: "ServiceUpdate"}, `{}`},
		"created and running":   {write{operation: "ServiceCreate"}, `{"service":{"service_name":"s","state":"RUNNING"}}`},
		"acl not in the list":   {write{operation: "ServiceKafkaAclAdd", in: &kafka.ServiceKafkaAclAddIn{Username: "a"}}, `{"acl":[]}`},
		"unknown operation":     {write{operation: "ServiceDatabaseCreate"}, `{}`},
	} {
		if (serviceFacet{}).fold(&tc.w, []byte(tc.answer)) != nil {
			t.Errorf("%s: folded", name)
		}
	}
}

func TestServiceUpdateKeepsConnectionDetails(t *testing.T) {
	before := newServiceSnapshot(&service.ServiceGetOut{
		ServiceName: "s", Plan: "p1", ServiceUri: "kafka://secret", Tags: map[string]string{"a": "b"},
		ServiceUriParams: map[string]string{"password": "x"}, Users: []service.UserOut{{Username: "a", Password: "x"}},
	})
	f := serviceFacet{}.fold(&write{operation: "ServiceUpdate"}, []byte(`{"service":{"service_name":"s","plan":"p2","state":"REBUILDING","users":[]}}`))
	changed, _ := f(before)
	after := changed.(*serviceSnapshot)
	if after.core.Plan != "p2" || after.settled() || after.core.ServiceUri != "kafka://secret" || after.core.ServiceUriParams["password"] != "x" || after.core.Tags["a"] != "b" || after.users.get("a") == nil {
		t.Errorf("%+v", after.core)
	}
	absent := &serviceSnapshot{}
	if still, _ := f(absent); still != snapshot(absent) {
		t.Error("an update made an absent service exist")
	}
}

func TestSchedule(t *testing.T) {
	for range 1000 {
		if d := jittered(time.Minute); d > time.Minute || d < 54*time.Second {
			t.Fatalf("jittered %v", d)
		}
	}
	var q taskQueue
	now := time.Now()
	a, b, c := &task{index: -1}, &task{index: -1}, &task{index: -1}
	if !q.set(a, now.Add(2)) || !q.set(b, now.Add(1)) || q.set(c, now.Add(3)) || !q.set(c, now) {
		t.Error("the first of the queue is not the next due")
	}
	q.remove(b)
	if q.popDue(now.Add(-1)) != nil || q.popDue(now) != c || q.popDue(now.Add(5)) != a || q.popDue(now.Add(5)) != nil {
		t.Error("the order of the queue is wrong")
	}
}

func bigService(n int) *service.ServiceGetOut {
	out := &service.ServiceGetOut{ServiceName: "s", State: "RUNNING"}
	for i := range n {
		id, cert := fmt.Sprint("acl", i), strings.Repeat("c", 1500)
		out.Users = append(out.Users, service.UserOut{Username: fmt.Sprint("user", i), Password: "password", AccessCert: &cert, AccessKey: &cert})
		out.Acl = append(out.Acl, service.AclOut{Id: &id, Username: fmt.Sprint("user", i), Topic: fmt.Sprint("topic", i), Permission: "read"})
	}
	return out
}

// BenchmarkAdopt is the comparison of all parts after one poll.
func BenchmarkAdopt(b *testing.B) {
	for _, n := range []int{300, 3000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			earlier := newServiceSnapshot(bigService(n))
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				now := newServiceSnapshot(bigService(n))
				b.StartTimer()
				now.adopt(earlier)
				if now.users != earlier.users {
					b.Fatal("not the same")
				}
			}
		})
	}
}

// BenchmarkDiffers is what one subscriber costs after one poll.
func BenchmarkDiffers(b *testing.B) {
	s := newServiceSnapshot(bigService(3000))
	w := &watch{seen: map[part]any{}}
	for _, p := range []part{{partExists, ""}, {partState, ""}, {partUser, "user7"}, {partACL, "acl7"}} {
		w.seen[p] = s.identity(p)
	}
	b.ReportAllocs()
	for b.Loop() {
		if w.differs(s) {
			b.Fatal("differs from itself")
		}
	}
}

// BenchmarkFold is one user's create in a service with many.
func BenchmarkFold(b *testing.B) {
	var s snapshot = newServiceSnapshot(bigService(3000))
	f := serviceFacet{}.fold(&write{operation: "ServiceUserCreate"}, []byte(`{"user":{"username":"new","password":"x"}}`))
	b.ReportAllocs()
	for b.Loop() {
		f(s)
	}
}
