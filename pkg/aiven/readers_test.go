// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aiven/go-client-codegen/handler/kafka"
	"github.com/aiven/go-client-codegen/handler/kafkatopic"
	"github.com/aiven/go-client-codegen/handler/service"
)

// unnamed returns the parts that differ between two snapshots and are not among
// those that a change named.
func unnamed(before, after snapshot, named []part) (hidden []part) {
	if slices.Contains(named, part{kind: partAny}) {
		return nil
	}
	for _, p := range append(partsOf(before), partsOf(after)...) {
		if before.identity(p) != after.identity(p) && !slices.Contains(named, p) {
			hidden = append(hidden, p)
		}
	}
	return hidden
}

// partsOf returns all parts that a reader can look at.
func partsOf(snap snapshot) []part {
	parts := []part{{kind: partExists}}
	switch s := snap.(type) {
	case *topicsSnapshot:
		parts = append(parts, part{kind: partTopics})
		for _, t := range s.topics.all() {
			parts = append(parts, part{partTopic, t.Name})
		}
	case *serviceSnapshot:
		for _, kind := range []string{
			partCore, partState, partUsers, partDatabases, partPools, partACLs, partNativeACLs, partRegistryACLs,
			partIntegrations, partComponents, partNodes, partBackups,
		} {
			parts = append(parts, part{kind: kind})
		}
		for _, u := range s.users.all() {
			parts = append(parts, part{partUser, u.Username})
		}
		for _, d := range s.databases.all() {
			parts = append(parts, part{partDatabase, *d})
		}
		for _, p := range s.pools.all() {
			parts = append(parts, part{partPool, p.PoolName})
		}
		for _, a := range s.acls.all() {
			parts = append(parts, part{partACL, aclID(a)}, part{partACLMatch, aclPrefix(a.Username, a.Topic, a.Permission)})
		}
	}
	return parts
}

// Readers are told by the parts that a change names, so that one which is not
// named would never be heard of.
func TestChangesNameTheirParts(t *testing.T) {
	here := snapshot(newServiceSnapshot(bigService(3)))
	topics := snapshot(&topicsSnapshot{ofService: true, topics: newSet([]*Topic{{Name: "a"}, {Name: "b"}}, func(t *Topic) string { return t.Name })})
	for name, tc := range map[string]struct {
		facet  facet
		before snapshot
		w      write
		answer string
	}{
		"create a service": {serviceFacet{}, &serviceSnapshot{}, write{operation: "ServiceCreate"}, `{"service":{"service_name":"s","state":"REBUILDING","users":[{"username":"a"}]}}`},
		"update a service": {serviceFacet{}, here, write{operation: "ServiceUpdate"}, `{"service":{"service_name":"s","plan":"p2","state":"REBUILDING"}}`},
		"create a user":    {serviceFacet{}, here, write{operation: "ServiceUserCreate"}, `{"user":{"username":"new","password":"x"}}`},
		"modify a user": {serviceFacet{}, here, write{operation: "ServiceUserCredentialsModify", rest: []string{"user", "user1"}},
			`{"service":{"service_name":"s","state":"RUNNING","users":[{"username":"user1","password":"x"}]}}`},
		"add an acl": {serviceFacet{}, here, write{operation: "ServiceKafkaAclAdd", in: &kafka.ServiceKafkaAclAddIn{Username: "a", Topic: "t", Permission: "read"}},
			`{"acl":[{"id":"new","username":"a","topic":"t","permission":"read"}]}`},
		"delete an acl":  {serviceFacet{}, here, write{operation: "ServiceKafkaAclDelete", method: "DELETE", rest: []string{"acl", "acl1"}}, ``},
		"create a topic": {topicsFacet{}, topics, write{rest: []string{"topic"}, in: &kafkatopic.ServiceKafkaTopicCreateIn{TopicName: "new"}}, ``},
		"update a topic": {topicsFacet{}, topics, write{rest: []string{"topic", "a"}}, ``},
	} {
		apply := tc.facet.fold(&tc.w, []byte(tc.answer))
		if apply == nil {
			t.Errorf("%s: not folded", name)
			continue
		}
		after, parts := apply(tc.before)
		if after == tc.before || len(parts) == 0 {
			t.Errorf("%s: nothing changed, parts %v", name, parts)
		}
		if hidden := unnamed(tc.before, after, parts); len(hidden) > 0 {
			t.Errorf("%s: changed %v, named %v", name, hidden, parts)
		}
	}
}

func TestReadersFollowWhatIsLookedAt(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.service("a", "p", "s").User("old")
		w.service("b", "p", "s").User("bob")
		w.service("a", "p", "s").User("new")
		w.takeNotified("a")
		create := func(name string) {
			t.Helper()
			users := service.NewHandler(w.client("b"))
			if _, err := users.ServiceUserCreate(t.Context(), "p", "s", &service.ServiceUserCreateIn{Username: name}); err != nil {
				t.Fatal(err)
			}
		}
		create("old")
		if n := w.takeNotified("a"); n != 0 {
			t.Errorf("notified %d times of what an earlier sync looked at", n)
		}
		create("new")
		if n := w.takeNotified("a"); n != 1 {
			t.Errorf("notified %d times of what the last sync looked at", n)
		}
		w.store.mu.Lock()
		defer w.store.mu.Unlock()
		for _, e := range w.store.entries {
			seen := 0
			for watch := range e.watches {
				seen += len(watch.seen)
				for p := range watch.seen {
					if _, ok := e.readers[p][watch]; !ok {
						t.Errorf("the index lacks a reader of %v", p)
					}
				}
			}
			indexed := 0
			for _, of := range e.readers {
				indexed += len(of)
			}
			if indexed != seen {
				t.Errorf("%s: %d parts were looked at, the index has %d", e.key.facet, seen, indexed)
			}
		}
	})
}

// BenchmarkNotify is whom to tell of one user's create, in a service that many
// objects read: by the index of readers, and by comparing what each has seen.
func BenchmarkNotify(b *testing.B) {
	for _, n := range []int{300, 900, 3000} {
		before := newServiceSnapshot(bigService(n))
		e := &entry{watches: map[*watch]struct{}{}, readers: readers{}}
		for i := range n {
			w := &watch{subscriber: &subscriber{notify: func() {}}, seen: map[part]any{}}
			for _, p := range []part{{partExists, ""}, {partState, ""}, {partUser, fmt.Sprint("user", i)}} {
				w.seen[p] = before.identity(p)
				e.readers.add(p, w)
			}
			e.watches[w] = struct{}{}
		}
		after, parts := serviceFacet{}.fold(&write{operation: "ServiceUserCreate"}, []byte(`{"user":{"username":"user7","password":"x"}}`))(before)
		for name, notify := range map[string]func() int{
			"index": func() int { return len(e.readers.differing(after, parts)) },
			"all": func() (told int) {
				for w := range e.watches {
					if w.differs(after) {
						told++
					}
				}
				return told
			},
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if notify() != 1 {
						b.Fatal("another number of readers than one")
					}
				}
			})
		}
	}
}
