// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"slices"
	"testing"

	"github.com/aiven/go-client-codegen/handler/service"
)

// TestOutsideKinds changes one object of every kind from outside. Each change is
// one entry of the event log, or two where the change has two requests.
func TestOutsideKinds(t *testing.T) {
	s := startRegistry(t)
	for kind, plan := range map[string]string{"clickhouse": "startup-16", "opensearch": "startup-4", "pg": "startup-4", "mysql": "startup-4"} {
		s.create(t, kind, kind, plan)
	}
	_, err := s.service.ServiceCreate(t.Context(), testProject, &service.ServiceCreateIn{ServiceName: "pg2", ServiceType: "pg", Plan: "startup-4"})
	must(t, err)
	k, ch, p, org := s.Outside(testProject, "kafka"), s.Outside(testProject, "clickhouse"), s.OutsideProject(testProject), s.OutsideOrganization(DefaultOrganizationID)
	var vpcID, endpointID, integrationID string
	service := func(name string) Service {
		sv, _ := s.Project(testProject).Service(name)
		return sv
	}
	sink := map[string]string{"name": "c", "connector.class": "io.aiven.connect.jdbc.JdbcSinkConnector"}
	native := map[string]any{"operation": "Read", "pattern_type": "LITERAL", "permission_type": "ALLOW", "principal": "User:u", "resource_name": "t", "resource_type": "Topic"}
	step := map[string]any{"source_project_name": testProject, "source_service_name": "pg", "destination_project_name": testProject, "destination_service_name": "pg2"}
	changes := []struct {
		name   string
		change func() error
		events int
	}{
		{"native ACL", func() error { return k.AddNativeACL(native) }, 1},
		{"registry ACL", func() error { return k.AddRegistryACL("schema_registry_read", "Config:", "u") }, 1},
		{"quota", func() error { return k.SetQuota(map[string]any{"user": "u", "consumer_byte_rate": 1}) }, 1},
		{"schema", func() error { return k.AddSchema("s", map[string]any{"schema": `"int"`}) }, 1},
		{"compatibility", func() error { return k.SetCompatibility("s", "FULL") }, 1},
		{"connector", func() error { return k.CreateConnector(sink) }, 1},
		{"connector update", func() error { return k.UpdateConnector("c", sink) }, 1},
		{"OpenSearch ACL", func() error {
			return s.Outside(testProject, "opensearch").SetOpenSearchACL(map[string]any{"enabled": true})
		}, 1},
		{"ClickHouse database", func() error { return ch.CreateClickHouseDatabase("d") }, 1},
		{"ClickHouse user", func() error { return ch.CreateClickHouseUser("u") }, 1},
		{"ClickHouse password", func() error { return ch.ResetClickHouseUser("u", "") }, 1},
		{"ClickHouse role", func() error { return ch.QueryClickHouse("CREATE ROLE r") }, 1},
		{"MySQL database", func() error {
			return s.Console("POST", "/v1/project/acme/service/mysql/db", map[string]any{"database": "d"})
		}, 1},
		{"VPC", func() (err error) { vpcID, err = p.CreateVPC(defaultCloud, "10.0.0.0/24"); return err }, 1},
		{"endpoint", func() (err error) {
			endpointID, err = p.CreateEndpoint(map[string]any{"endpoint_name": "e", "endpoint_type": "datadog", "user_config": map[string]any{"datadog_api_key": "a"}})
			return err
		}, 1},
		{"endpoint update", func() error { return p.UpdateEndpoint(endpointID, map[string]any{"datadog_api_key": "b"}) }, 1},
		{"integration", func() (err error) {
			integrationID, err = p.CreateIntegration(map[string]any{"integration_type": "datadog", "source_service": "pg", "dest_endpoint_id": endpointID})
			return err
		}, 1},
		{"integration update", func() error { return p.UpdateIntegration(integrationID, map[string]any{"datadog_dbm_enabled": true}) }, 1},
		{"upgrade step", func() error { return org.CreateStep(step) }, 1},
		{"upgrade step update", func() error { return org.UpdateStep(s.UpgradeSteps()[0].ID, 1) }, 1},
		{"project", func() error { return p.Update(map[string]any{"billing_address": "NYC"}) }, 1},
		{"project tags", func() error { return org.UpdateProject(testProject, map[string]any{"tags": map[string]any{"a": "b"}}) }, 1},

		{"no native ACL", func() error { return k.DeleteNativeACL(service("kafka").NativeACLs[0].ID) }, 1},
		{"no registry ACL", func() error { return k.DeleteRegistryACL(service("kafka").RegistryACLs[2].ID) }, 1},
		{"no quota", func() error { return k.DeleteQuota("u", "") }, 1},
		{"no schema", func() error { return k.DeleteSubject("s") }, 2},
		{"no connector", func() error { return k.DeleteConnector("c") }, 1},
		{"no OpenSearch ACL", func() error {
			return s.Outside(testProject, "opensearch").SetOpenSearchACL(map[string]any{"enabled": false})
		}, 1},
		{"no ClickHouse database", func() error { return ch.DeleteClickHouseDatabase("d") }, 1},
		{"no ClickHouse user", func() error { return ch.DeleteClickHouseUser("u") }, 1},
		{"no ClickHouse role", func() error { return ch.QueryClickHouse("DROP ROLE r") }, 1},
		{"no MySQL database", func() error { return s.Outside(testProject, "mysql").DeleteDatabase("d") }, 1},
		{"no VPC", func() error { return p.DeleteVPC(vpcID) }, 1},
		{"no integration", func() error { return p.DeleteIntegration(integrationID) }, 1},
		{"no endpoint", func() error { return p.DeleteEndpoint(endpointID) }, 1},
		{"no upgrade step", func() error { return org.DeleteStep(s.UpgradeSteps()[0].ID) }, 1},
	}
	kinds := map[string]bool{}
	for _, tt := range changes {
		before := len(s.Project(testProject).Events())
		if err := tt.change(); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if n := len(s.Project(testProject).Events()) - before; n != tt.events {
			t.Errorf("%s: %d events, want %d", tt.name, n, tt.events)
		}
		for _, o := range s.Objects() {
			kinds[o.Kind] = true
		}
	}
	for _, kind := range []string{"native-acl", "schema-registry-acl", "quota", "subject", "connector", "opensearch-acl", "clickhouse-database",
		"clickhouse-user", "clickhouse-role", "database", "vpc", "integration-endpoint", "integration", "upgrade-step"} {
		if !kinds[kind] {
			t.Errorf("no object of kind %s was ever listed", kind)
		}
	}
	left := slices.DeleteFunc(s.Objects(), func(o Object) bool { return o.Kind == "project" || o.Kind == "service" })
	if settings, _ := s.Project(testProject).Settings(); len(left) != 0 || settings.BillingAddress != "NYC" || settings.Tags["a"] != "b" {
		t.Errorf("left over: %+v, settings %+v", left, settings)
	}
}
