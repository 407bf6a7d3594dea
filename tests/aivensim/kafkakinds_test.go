// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"slices"
	"testing"

	"github.com/aiven/go-client-codegen/handler/kafka"
	"github.com/aiven/go-client-codegen/handler/kafkaconnect"
	"github.com/aiven/go-client-codegen/handler/kafkaschemaregistry"
	"github.com/aiven/go-client-codegen/handler/opensearch"
)

func TestKafkaNativeAndRegistryACLs(t *testing.T) {
	s := startRegistry(t)
	ctx := t.Context()
	in := &kafka.ServiceKafkaNativeAclAddIn{Operation: "Read", PatternType: "PREFIXED", PermissionType: "ALLOW", Principal: "User:app", ResourceName: "t", ResourceType: "Topic"}
	added, err := s.kafka.ServiceKafkaNativeAclAdd(ctx, testProject, "kafka", in)
	must(t, err)
	if added.Host != "*" || added.Id == "" {
		t.Errorf("added entry is %+v", added)
	}
	_, err = s.kafka.ServiceKafkaNativeAclAdd(ctx, testProject, "kafka", in)
	wantStatus(t, err, 409, "Identical")
	got, err := s.kafka.ServiceKafkaNativeAclGet(ctx, testProject, "kafka", added.Id)
	must(t, err)
	list, err := s.kafka.ServiceKafkaNativeAclList(ctx, testProject, "kafka")
	must(t, err)
	if *got != kafka.ServiceKafkaNativeAclGetOut(*added) || len(list.KafkaAcl) != 1 || len(s.get(t, "kafka", false).KafkaAcl) != 1 {
		t.Errorf("got %+v, list %+v", got, list)
	}
	must(t, s.kafka.ServiceKafkaNativeAclDelete(ctx, testProject, "kafka", added.Id))
	wantStatus(t, s.kafka.ServiceKafkaNativeAclDelete(ctx, testProject, "kafka", added.Id), 404, "not found")

	acls, err := s.registry.ServiceSchemaRegistryAclAdd(ctx, testProject, "kafka", &kafkaschemaregistry.ServiceSchemaRegistryAclAddIn{
		Permission: "schema_registry_read", Resource: "Subject:a*", Username: "app"})
	must(t, err)
	if len(acls) != 3 {
		t.Errorf("entries are %+v, want two built-in ones and a new one", acls)
	}
	_, err = s.registry.ServiceSchemaRegistryAclDelete(ctx, testProject, "kafka", *acls[2].Id)
	must(t, err)
	for _, o := range s.Objects() {
		if o.Kind != "project" && o.Kind != "service" {
			t.Errorf("left over: %+v", o)
		}
	}
}

func TestKafkaQuotas(t *testing.T) {
	s := startRegistry(t)
	ctx := t.Context()
	describe := func() *kafka.ServiceKafkaQuotaDescribeOut {
		t.Helper()
		out, err := s.kafka.ServiceKafkaQuotaDescribe(ctx, testProject, "kafka", kafka.ServiceKafkaQuotaDescribeUser("app"))
		must(t, err)
		return out
	}
	if got := describe(); *got != (kafka.ServiceKafkaQuotaDescribeOut{}) {
		t.Errorf("an absent quota is %+v", got)
	}
	must(t, s.kafka.ServiceKafkaQuotaCreate(ctx, testProject, "kafka", &kafka.ServiceKafkaQuotaCreateIn{User: new("app"), ConsumerByteRate: new(1024.0)}))
	must(t, s.kafka.ServiceKafkaQuotaCreate(ctx, testProject, "kafka", &kafka.ServiceKafkaQuotaCreateIn{User: new("app"), RequestPercentage: new(50.0)}))
	if got := describe(); got.ClientId != nil || *got.ConsumerByteRate != 1024 || *got.RequestPercentage != 50 || got.ProducerByteRate != nil {
		t.Errorf("quota is %+v", got)
	}
	wantStatus(t, s.kafka.ServiceKafkaQuotaCreate(ctx, testProject, "kafka", &kafka.ServiceKafkaQuotaCreateIn{User: new("app"), RequestPercentage: new(101.0)}), 400, "request_percentage")
	wantStatus(t, s.kafka.ServiceKafkaQuotaCreate(ctx, testProject, "kafka", &kafka.ServiceKafkaQuotaCreateIn{User: new("app")}), 400, "limit")
	must(t, s.kafka.ServiceKafkaQuotaDelete(ctx, testProject, "kafka", kafka.ServiceKafkaQuotaDeleteUser("app")))
	if got := describe(); got.User != nil {
		t.Errorf("a deleted quota is %+v", got)
	}
	wantStatus(t, s.Outside(testProject, "kafka").DeleteQuota("app", ""), 404, "not found")
}

func TestConnectors(t *testing.T) {
	s := startRegistry(t)
	ctx := t.Context()
	connect := kafkaconnect.NewHandler(s.doer)
	config := map[string]string{"name": "sink", "connector.class": "io.aiven.kafka.connect.http.HttpSinkConnector", "tasks.max": "2", "http.url": "https://example.com"}
	created, err := connect.ServiceKafkaConnectCreateConnector(ctx, testProject, "kafka", &config)
	must(t, err)
	if created.Plugin.Type != "sink" || len(created.Tasks) != 2 || created.Config["http.url"] == "" {
		t.Errorf("connector is %+v", created)
	}
	_, err = connect.ServiceKafkaConnectCreateConnector(ctx, testProject, "kafka", &config)
	wantStatus(t, err, 409, "already exists")
	must(t, s.SetConnectorState(testProject, "kafka", "sink", "FAILED", "boom"))
	status, err := connect.ServiceKafkaConnectGetConnectorStatus(ctx, testProject, "kafka", "sink")
	must(t, err)
	if status.State != "FAILED" || len(status.Tasks) != 2 || status.Tasks[1].Trace != "boom" {
		t.Errorf("status is %+v", status)
	}
	delete(config, "http.url")
	edited, err := connect.ServiceKafkaConnectEditConnector(ctx, testProject, "kafka", "sink", &config)
	must(t, err)
	if _, ok := edited.Config["http.url"]; ok {
		t.Error("an edit does not replace the configuration")
	}
	config["connector.class"] = "com.example.Absent"
	_, err = connect.ServiceKafkaConnectEditConnector(ctx, testProject, "kafka", "sink", &config)
	wantStatus(t, err, 400, "com.example.Absent")
	must(t, connect.ServiceKafkaConnectDeleteConnector(ctx, testProject, "kafka", "sink"))
	_, err = connect.ServiceKafkaConnectGetConnectorStatus(ctx, testProject, "kafka", "sink")
	wantStatus(t, err, 404, "sink")
}

func TestOpenSearchACL(t *testing.T) {
	s := startSim(t, Options{})
	s.create(t, "opensearch", "os", "startup-4")
	ctx, handler := t.Context(), opensearch.NewHandler(s.doer)
	first, err := handler.ServiceOpenSearchAclGet(ctx, testProject, "os")
	must(t, err)
	if first.Enabled || len(first.Acls) != 0 {
		t.Errorf("default configuration is %+v", first)
	}
	entry := opensearch.AclIn{Username: "app", Rules: []opensearch.RuleIn{{Index: "logs-*", Permission: "read"}}}
	set, err := handler.ServiceOpenSearchAclSet(ctx, testProject, "os", &opensearch.ServiceOpenSearchAclSetIn{
		OpensearchAclConfig: opensearch.OpensearchAclConfigIn{Enabled: true, Acls: []opensearch.AclIn{entry}}})
	must(t, err)
	if !set.Enabled || set.Acls[0].Rules[0].Index != "logs-*" {
		t.Errorf("configuration is %+v", set)
	}
	must(t, s.Outside(testProject, "os").SetOpenSearchACL(map[string]any{"enabled": false}))
	sv, _ := s.Project(testProject).Service("os")
	if sv.OpenSearchACL.Enabled || len(sv.OpenSearchACL.ACLs) != 1 {
		t.Errorf("disabled configuration is %+v", sv.OpenSearchACL)
	}
	_, err = handler.ServiceOpenSearchAclSet(ctx, testProject, "os", &opensearch.ServiceOpenSearchAclSetIn{
		OpensearchAclConfig: opensearch.OpensearchAclConfigIn{Acls: []opensearch.AclIn{entry, entry}}})
	wantStatus(t, err, 400, "twice")
}

func TestConnectionOfEveryType(t *testing.T) {
	tests := []struct {
		kind, plan string
		params     []string
		components []string
	}{
		{"mysql", "business-4", []string{"dbname", "host", "password", "port", "ssl-mode", "user"}, []string{"mysql"}},
		{"opensearch", "startup-4", []string{"host", "password", "port", "user"}, []string{"opensearch", "opensearch_dashboards"}},
		{"clickhouse", "startup-16", []string{"host", "password", "port", "user"}, []string{"clickhouse", "clickhouse_https", "clickhouse_mysql"}},
		{"grafana", "startup-1", []string{"host", "password", "port", "user"}, []string{"grafana"}},
		{"flink", "business-4", []string{"host", "password", "port", "user"}, []string{"flink"}},
		{"kafka_connect", "startup-4", []string{"host", "password", "port", "user"}, []string{"kafka_connect"}},
	}
	for _, tt := range tests {
		t.Run(tt.kind, func(t *testing.T) {
			s := startSim(t, Options{})
			s.create(t, tt.kind, "x", tt.plan)
			got := s.get(t, "x", true)
			var params, components []string
			for key, value := range got.ServiceUriParams {
				if value == "" {
					t.Errorf("%s is empty", key)
				}
				params = append(params, key)
			}
			for _, c := range got.Components {
				components = append(components, c.Component)
			}
			slices.Sort(params)
			if !slices.Equal(params, tt.params) || !slices.Equal(components, tt.components) || got.ServiceUri == "" || len(got.Users) != 1 {
				t.Errorf("params %q, components %q, URI %q, %d users", params, components, got.ServiceUri, len(got.Users))
			}
			info := got.ConnectionInfo
			lists := map[string]int{"mysql": len(info.Mysql), "opensearch": len(info.Opensearch), "clickhouse": len(info.Clickhouse),
				"grafana": len(info.Grafana), "flink": len(info.Flink), "kafka_connect": len(info.KafkaConnect)}
			if lists[tt.kind] == 0 || tt.kind == "mysql" && info.MysqlReplicaUri == nil {
				t.Errorf("connection_info is %+v", info)
			}
			if hidden := s.get(t, "x", false); hidden.ServiceUriParams["password"] != "" || hidden.Users[0].Password != "" {
				t.Error("a password is shown without include_secrets")
			}
		})
	}
}
