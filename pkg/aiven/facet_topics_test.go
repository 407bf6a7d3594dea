// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aiven/go-client-codegen/handler/kafkatopic"
)

func TestTopics(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		for i := range 300 {
			w.api.topics["p/s"] = append(w.api.topics["p/s"], topic(fmt.Sprintf("t%03d", i), "ACTIVE"))
		}
		read := func(id string) *TopicsView {
			for range 100 {
				v, err := w.client(id).Topics("p", "s")
				if err == nil {
					return v
				}
				time.Sleep(100 * time.Millisecond)
			}
			t.Fatal("stays pending")
			return nil
		}
		v := read("t007")
		if tt, ok, err := v.Topic("t007"); !ok || err != nil || !tt.Config.Known() || tt.Partitions != 1 || !v.Exists() || len(v.Topics()) != 300 {
			t.Fatalf("topic %+v", tt)
		}
		for i := range 300 {
			if _, ok, err := read(fmt.Sprintf("t%03d", i)).Topic(fmt.Sprintf("t%03d", i)); !ok || err != nil {
				t.Fatal("a topic is missing")
			}
		}
		w.service("svc", "p", "s")
		for range 100 {
			if _, err := w.client("ca").CA("p"); err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		w.api.reset()
		time.Sleep(10 * time.Minute)
		// One service, one list, two pages and one CA; offsets moved, nobody cares.
		if n := w.api.count(""); n != 5 {
			t.Errorf("one poll cost %d requests: %v", n, w.api.requests)
		}
		for i := range 300 {
			if i != 7 && w.takeNotified(fmt.Sprintf("t%03d", i)) > 1 { // once, from being pending
				t.Fatal("notified of what did not change")
			}
		}
		w.takeNotified("t007")
		w.api.set(func() { w.api.latency = 100 * time.Millisecond })
		c := w.client("mine")
		topics := kafkatopic.NewHandler(c)
		if err := topics.ServiceKafkaTopicCreate(t.Context(), "p", "s", &kafkatopic.ServiceKafkaTopicCreateIn{TopicName: "mine"}); err != nil {
			t.Fatal(err)
		}
		after, err := c.Topics("p", "s")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := after.Topic("mine"); !errors.Is(err, ErrPending) {
			t.Errorf("the topic after its create: %v", err)
		}
		if _, ok, err := after.Topic("t007"); !ok || err != nil {
			t.Errorf("another topic after a create: %v", err)
		}
		if _, err := c.Service("p", "s"); err != nil {
			t.Errorf("the service after a topic's create: %v", err)
		}
		synctest.Wait()
		for range 100 {
			if w.takeNotified("mine") > 0 {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if _, ok, err := read("mine").Topic("mine"); !ok || err != nil {
			t.Errorf("the new topic is not there: %v", err)
		}
		if w.takeNotified("t007") != 0 {
			t.Error("notified of another topic's create")
		}
	})
}

// The settings of a thousand topics are not read again for each one that is
// created.
func TestOnlyNewTopicsAreDescribed(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		for i := range 300 {
			w.api.topics["p/s"] = append(w.api.topics["p/s"], topic(fmt.Sprintf("t%03d", i), "ACTIVE"))
		}
		if _, err := w.client("a").Topics("p", "s"); !errors.Is(err, ErrPending) {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		pages := func(do func()) int {
			t.Helper()
			w.api.reset()
			do()
			time.Sleep(5 * time.Second)
			return w.api.count("POST /v2/project/p/service/s/topic")
		}
		create := func(name string) func() {
			return func() {
				topics := kafkatopic.NewHandler(w.client(name))
				if err := topics.ServiceKafkaTopicCreate(t.Context(), "p", "s", &kafkatopic.ServiceKafkaTopicCreateIn{TopicName: name}); err != nil {
					t.Fatal(err)
				}
			}
		}
		known := func(name string) bool {
			v, err := w.client("a").Topics("p", "s")
			if err != nil {
				t.Fatal(err)
			}
			found, ok, err := v.Topic(name)
			return err == nil && ok && found.Config.Known()
		}
		if n := pages(create("new")); n != 1 || !known("new") || !known("t299") {
			t.Errorf("%d pages for one topic", n)
		}
		w.api.set(func() { w.api.topics["p/s"][7]["partitions"] = 9 })
		if n := pages(create("newer")); n != 1 || !known("newer") || !known("t007") {
			t.Errorf("%d pages for one topic and one that was changed", n)
		}
		if n := pages(func() { w.store.Refresh("p", "s") }); n != 2 {
			t.Errorf("%d pages after drift was reported", n)
		}
		time.Sleep(wholeGap)
		if n := pages(create("late")); n != 2 || !known("late") {
			t.Errorf("%d pages when all was read long ago", n)
		}
	})
}

// Writes to one topic after another never keep the others from being read, and
// a fetch that fails says so to who waits for it.
func TestATopicThatWasWrittenIsReadBack(t *testing.T) {
	running(t, nil, func(t *testing.T, w *world) {
		w.api.topics["p/s"] = []map[string]any{topic("old", "ACTIVE")}
		for w.pending("old", "old") {
			time.Sleep(100 * time.Millisecond)
		}
		w.api.reset()
		w.api.set(func() { w.api.latency = 100 * time.Millisecond })
		for i := range 50 {
			name := fmt.Sprintf("new-%d", i)
			topics := kafkatopic.NewHandler(w.client(name))
			if err := topics.ServiceKafkaTopicCreate(t.Context(), "p", "s", &kafkatopic.ServiceKafkaTopicCreateIn{TopicName: name}); err != nil {
				t.Fatal(err)
			}
			if w.pending("old", "old") {
				t.Fatal("another topic's create makes this one unknown")
			}
			if i > 20 && w.pending("new-0", "new-0") {
				t.Fatal("a topic is unknown for as long as others are written")
			}
		}
		if n := w.api.count("GET"); n > 12 {
			t.Errorf("5 s of creates were followed by %d reads", n)
		}
		time.Sleep(time.Minute)
		w.takeNotified("old")
		w.api.set(func() {
			w.api.fail = func(req *http.Request) *http.Response {
				if req.Method == http.MethodGet {
					return answer(http.StatusInternalServerError, map[string]any{"message": "broken"})
				}
				return nil
			}
		})
		topics := kafkatopic.NewHandler(w.client("old"))
		if err := topics.ServiceKafkaTopicUpdate(t.Context(), "p", "s", "old", &kafkatopic.ServiceKafkaTopicUpdateIn{}); err != nil {
			t.Fatal(err)
		}
		if !w.pending("old", "old") {
			t.Error("an update is not followed by a read")
		}
		time.Sleep(2 * time.Second)
		if w.takeNotified("old") == 0 {
			t.Error("not notified of a fetch that failed")
		}
		v, err := w.client("old").Topics("p", "s")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := v.Topic("old"); ClassOf(err) != Unavailable {
			t.Errorf("got %v, want the error of the fetch", err)
		}
	})
}

// pending reports whether the topic is unknown to a reader.
func (w *world) pending(id, name string) bool {
	v, err := w.client(id).Topics("p", "s")
	if err == nil {
		_, _, err = v.Topic(name)
	}
	return errors.Is(err, ErrPending)
}
