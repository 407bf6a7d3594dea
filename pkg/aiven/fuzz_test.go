// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/aiven/go-client-codegen/handler/kafka"
	"github.com/aiven/go-client-codegen/handler/service"
)

// oneAnswer is a Doer that answers everything alike.
type oneAnswer []byte

func (a oneAnswer) Do(context.Context, string, string, string, any, ...[2]string) ([]byte, error) {
	return a, nil
}

var serviceAnswers = []string{
	`{"service":{"service_name":"s","state":"RUNNING","users":[{"username":"a"},{"username":"a"}],"acl":[{"id":"1","username":"u","topic":"t","permission":"read"},{"username":"u"}]}}`,
	`{"service":{"service_name":"s","state":"UNHEARD_OF","databases":["d",""],"connection_pools":[{"pool_name":"p"}],"topics":[{"topic_name":"t"}]}}`,
	`{"service":{"service_name":"s","state":"REBUILDING","users":null,"service_integrations":[{}],"kafka_acl":[{"id":""}],"node_states":[{"progress_updates":[{}]}],"components":[{}],"backups":[{}]}}`,
	`{"service":null}`, `{"service":[]}`, `{}`, `[]`, `null`, `"x"`, `{"service":{"users":[null]}}`, ``, `{"service":{`,
}

// A service that is read twice is seen as unchanged in all of its parts.
func FuzzServiceSnapshot(f *testing.F) {
	for _, text := range serviceAnswers {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		var both [2]*serviceSnapshot
		for i := range both {
			got, err := serviceFacet{}.fetch(t.Context(), oneAnswer(answer), entryKey{project: "p", service: "s"}, nil)
			if err != nil {
				return
			}
			both[i] = got.(*serviceSnapshot)
		}
		first, second := both[0], both[1]
		second.adopt(first)
		parts := []part{{kind: partExists}}
		for _, kind := range []string{
			partCore, partState, partUsers, partDatabases, partPools, partACLs, partNativeACLs, partRegistryACLs,
			partIntegrations, partComponents, partNodes, partBackups,
		} {
			parts = append(parts, part{kind: kind})
		}
		for _, u := range first.users.all() {
			parts = append(parts, part{partUser, u.Username})
		}
		for _, a := range first.acls.all() {
			parts = append(parts, part{partACL, aclID(a)}, part{partACLMatch, aclPrefix(a.Username, a.Topic, a.Permission)})
		}
		for _, p := range parts {
			if first.identity(p) != second.identity(p) {
				t.Errorf("%v differs", p)
			}
		}
		second.settled()
		second.complete()
	})
}

// The same for topics; here the answer to both of their reads is the same.
func FuzzTopicsSnapshot(f *testing.F) {
	f.Add([]byte(`{"topics":[{"topic_name":"t","state":"ACTIVE","partitions":1,"config":{"retention_ms":{"value":1}}},{"topic_name":"t"}]}`))
	f.Add([]byte(`{"topics":[{"topic_name":"","config":{"a":null,"b":1}},null]}`))
	f.Add([]byte(`{"topics":{}}`))
	f.Add([]byte(`{"topics":[{"topic_name":"t","config":[]}]}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		var both [2]*topicsSnapshot
		for i := range both {
			got, err := topicsFacet{}.fetch(t.Context(), oneAnswer(answer), entryKey{project: "p", service: "s"}, nil)
			if err != nil {
				return
			}
			both[i] = got.(*topicsSnapshot)
		}
		first, second := both[0], both[1]
		second.adopt(first)
		for _, topic := range first.topics.all() {
			p := part{partTopic, topic.Name}
			if first.identity(p) != second.identity(p) {
				t.Errorf("%v differs", p)
			}
			// An error is an answer too.
			_, _ = topic.Config.Values()
		}
		second.settled()
	})
}

// The answer of a write may be anything; what was known before is then kept or
// read again.
func FuzzFold(f *testing.F) {
	writes := []write{
		{operation: "ServiceCreate"},
		{operation: "ServiceUpdate"},
		{operation: "ServiceUserCreate", in: &service.ServiceUserCreateIn{Username: "a"}},
		{operation: "ServiceUserCredentialsModify", rest: []string{"user", "a"}},
		{operation: "ServiceUserDelete", rest: []string{"user", "a"}},
		{operation: "ServiceKafkaAclAdd", in: &kafka.ServiceKafkaAclAddIn{Username: "u", Topic: "t", Permission: "read"}, rest: []string{"acl"}},
		{operation: "ServiceKafkaAclDelete", rest: []string{"acl", "1"}},
	}
	for i := range writes {
		for _, text := range serviceAnswers {
			f.Add(uint(i), []byte(text))
		}
		f.Add(uint(i), []byte(`{"user":{"username":"a","password":"b"}}`))
		f.Add(uint(i), []byte(`{"acl":[{"id":"2","username":"u","topic":"t","permission":"read"},{}]}`))
		f.Add(uint(i), []byte(`{"user":null,"acl":null}`))
	}
	f.Fuzz(func(t *testing.T, which uint, answer []byte) {
		got, err := serviceFacet{}.fetch(t.Context(), oneAnswer(serviceAnswers[0]), entryKey{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		w := writes[which%uint(len(writes))]
		change := serviceFacet{}.fold(&w, answer)
		if change == nil {
			return
		}
		for _, before := range []snapshot{got, &serviceSnapshot{}} {
			after, parts := change(before)
			if after == nil {
				t.Fatalf("%s: %q leaves no snapshot", w.operation, answer)
			}
			if hidden := unnamed(before, after, parts); len(hidden) > 0 {
				t.Errorf("%s: %q changes %v and names %v", w.operation, answer, hidden, parts)
			}
		}
	})
}

// Whatever Aiven answers with, its text is one short line without the token.
func FuzzClassify(f *testing.F) {
	const token = "the-api-token-47c1"
	f.Add(400, `{"message":"Invalid `+token+`","errors":[{"message":"x"},1]}`, "")
	f.Add(429, `{"message":"Slow\ndown"}`, "120")
	f.Add(503, `<html>`+token+`</html>`, "Fri, 31 Dec 1999 23:59:59 GMT")
	f.Add(403, `{"message":"the-api-the-api-token-47c1token-47c1"}`, "-1")
	f.Add(500, `{"message":"`+strings.Repeat("é", 5000)+`"}`, "99999999999999999999")
	f.Fuzz(func(t *testing.T, status int, body, retryAfter string) {
		res := &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {retryAfter}}}
		e := classify("Operation", http.MethodPost, res, []byte(body), secretsOf(token, nil))
		switch {
		case e.Class == "":
			t.Error("no class")
		case strings.Contains(e.Error(), token):
			t.Errorf("it shows the token: %v", e)
		case len(e.Message) > maxMessage || strings.ContainsAny(e.Message, "\n\r"):
			t.Errorf("message is %q", e.Message)
		case e.RetryAfter < 0 || e.RetryAfter > maxRetryAfter:
			t.Errorf("wait %s", e.RetryAfter)
		}
	})
}
