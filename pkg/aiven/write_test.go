// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"slices"
	"testing"

	"github.com/aiven/go-client-codegen/handler/clickhouse"
	"github.com/aiven/go-client-codegen/handler/kafka"
	"github.com/aiven/go-client-codegen/handler/kafkaconnect"
	"github.com/aiven/go-client-codegen/handler/kafkaschemaregistry"
	"github.com/aiven/go-client-codegen/handler/kafkatopic"
	"github.com/aiven/go-client-codegen/handler/opensearch"
	"github.com/aiven/go-client-codegen/handler/postgresql"
	"github.com/aiven/go-client-codegen/handler/service"
	"github.com/aiven/go-client-codegen/handler/vpc"
)

// capture records what a typed handler asks for, so that the paths below are
// those of the handlers and not ours.
type capture struct {
	operation, method, path string
	in                      any
}

func (c *capture) Do(_ context.Context, operation, method, path string, in any, _ ...[2]string) ([]byte, error) {
	c.operation, c.method, c.path, c.in = operation, method, path, in
	return []byte("{}"), nil
}

func TestWhatWritesConcern(t *testing.T) {
	ctx := t.Context()
	name, other := "s", "other"
	listed := newServiceSnapshot(&service.ServiceGetOut{ServiceIntegrations: []service.ServiceIntegrationOut{{ServiceIntegrationId: "id1"}}})
	for what, tc := range map[string]struct {
		call            func(d Doer)
		service, topics bool
	}{
		"create the service": {func(d Doer) {
			h := service.NewHandler(d)
			_, _ = h.ServiceCreate(ctx, "p", &service.ServiceCreateIn{ServiceName: "s"})
		}, true, true},
		"create another": {func(d Doer) {
			h := service.NewHandler(d)
			_, _ = h.ServiceCreate(ctx, "p", &service.ServiceCreateIn{ServiceName: "s2"})
		}, false, false},
		"update": {func(d Doer) {
			h := service.NewHandler(d)
			_, _ = h.ServiceUpdate(ctx, "p", "s", &service.ServiceUpdateIn{})
		}, true, true},
		"update another": {func(d Doer) {
			h := service.NewHandler(d)
			_, _ = h.ServiceUpdate(ctx, "p", "s2", &service.ServiceUpdateIn{})
		}, false, false},
		"other project": {func(d Doer) {
			h := service.NewHandler(d)
			_, _ = h.ServiceUpdate(ctx, "p2", "s", &service.ServiceUpdateIn{})
		}, false, false},
		"delete":        {func(d Doer) { h := service.NewHandler(d); _ = h.ServiceDelete(ctx, "p", "s") }, true, true},
		"tags":          {func(d Doer) { h := service.NewHandler(d); _ = h.ProjectServiceTagsReplace(ctx, "p", "s", nil) }, true, false},
		"upgrade check": {func(d Doer) { h := service.NewHandler(d); _, _ = h.ServiceTaskCreate(ctx, "p", "s", nil) }, false, false},
		"user":          {func(d Doer) { h := service.NewHandler(d); _ = h.ServiceUserDelete(ctx, "p", "s", "a/b c") }, true, false},
		"database":      {func(d Doer) { h := service.NewHandler(d); _ = h.ServiceDatabaseDelete(ctx, "p", "s", "d") }, true, false},
		"pool":          {func(d Doer) { h := postgresql.NewHandler(d); _ = h.ServicePGBouncerDelete(ctx, "p", "s", "x") }, true, false},
		"acl":           {func(d Doer) { h := kafka.NewHandler(d); _, _ = h.ServiceKafkaAclDelete(ctx, "p", "s", "x") }, true, false},
		"native acl":    {func(d Doer) { h := kafka.NewHandler(d); _ = h.ServiceKafkaNativeAclDelete(ctx, "p", "s", "x") }, true, false},
		"quota":         {func(d Doer) { h := kafka.NewHandler(d); _ = h.ServiceKafkaQuotaDelete(ctx, "p", "s") }, false, false},
		"registry acl": {func(d Doer) {
			h := kafkaschemaregistry.NewHandler(d)
			_, _ = h.ServiceSchemaRegistryAclDelete(ctx, "p", "s", "x")
		}, true, false},
		"schema": {func(d Doer) {
			h := kafkaschemaregistry.NewHandler(d)
			_ = h.ServiceSchemaRegistrySubjectDelete(ctx, "p", "s", "x")
		}, false, false},
		"topic": {func(d Doer) { h := kafkatopic.NewHandler(d); _ = h.ServiceKafkaTopicDelete(ctx, "p", "s", "x") }, false, true},
		"connector": {func(d Doer) {
			h := kafkaconnect.NewHandler(d)
			_ = h.ServiceKafkaConnectDeleteConnector(ctx, "p", "s", "x")
		}, false, false},
		"clickhouse user": {func(d Doer) { h := clickhouse.NewHandler(d); _ = h.ServiceClickHouseUserDelete(ctx, "p", "s", "x") }, true, false},
		"clickhouse query": {func(d Doer) {
			h := clickhouse.NewHandler(d)
			_, _ = h.ServiceClickHouseQuery(ctx, "p", "s", nil)
		}, false, false},
		"opensearch acl": {func(d Doer) { h := opensearch.NewHandler(d); _, _ = h.ServiceOpenSearchAclSet(ctx, "p", "s", nil) }, false, false},
		"integration from it": {func(d Doer) {
			h := service.NewHandler(d)
			_, _ = h.ServiceIntegrationCreate(ctx, "p", &service.ServiceIntegrationCreateIn{SourceService: &name, DestService: &other})
		}, true, false},
		"integration to it": {func(d Doer) {
			h := service.NewHandler(d)
			_, _ = h.ServiceIntegrationCreate(ctx, "p", &service.ServiceIntegrationCreateIn{SourceService: &other, DestService: &name})
		}, true, false},
		"integration elsewhere": {func(d Doer) {
			h := service.NewHandler(d)
			_, _ = h.ServiceIntegrationCreate(ctx, "p", &service.ServiceIntegrationCreateIn{SourceService: &other})
		}, false, false},
		"its integration": {func(d Doer) { h := service.NewHandler(d); _ = h.ServiceIntegrationDelete(ctx, "p", "id1") }, true, false},
		"no integration":  {func(d Doer) { h := service.NewHandler(d); _ = h.ServiceIntegrationDelete(ctx, "p", "id2") }, false, false},
		"vpc":             {func(d Doer) { h := vpc.NewHandler(d); _, _ = h.VpcDelete(ctx, "p", "x") }, false, false},
	} {
		t.Run(what, func(t *testing.T) {
			c := &capture{}
			tc.call(c)
			if !mutates(c.operation, c.method) {
				t.Fatalf("%s %s is taken for a read", c.method, c.path)
			}
			key := entryKey{project: "p", service: "s"}
			w, ok := parseWrite(c.operation, c.method, c.path, c.in)
			gotService := ok && serviceFacet{}.concerns(&w, key, listed)
			gotTopics := ok && topicsFacet{}.concerns(&w, key, &topicsSnapshot{})
			if gotService != tc.service || gotTopics != tc.topics {
				t.Errorf("%s %s: service %v, topics %v; want %v, %v", c.method, c.path, gotService, gotTopics, tc.service, tc.topics)
			}
		})
	}
}

func TestParseWriteUnescapes(t *testing.T) {
	c := &capture{}
	h := service.NewHandler(c)
	_ = h.ServiceUserDelete(t.Context(), "p", "s", "a/b c")
	w, ok := parseWrite(c.operation, c.method, c.path, c.in)
	if !ok || w.project != "p" || !slices.Equal(w.services, []string{"s"}) || !slices.Equal(w.rest, []string{"user", "a/b c"}) {
		t.Errorf("%+v, %v", w, ok)
	}
	for _, path := range []string{"", "/v1/project", "/v1/organization", "/v1/account/a/x"} {
		if w, ok := parseWrite("X", "POST", path, nil); ok {
			t.Errorf("%q concerns %+v", path, w)
		}
	}
}

func TestReadingPostsAreReads(t *testing.T) {
	c := &capture{}
	h := kafkatopic.NewHandler(c)
	_, _ = h.ServiceKafkaTopicListV2(t.Context(), "p", "s", nil)
	if mutates(c.operation, c.method) {
		t.Errorf("%s is taken for a write", c.operation)
	}
}
