// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aiven/go-client-codegen/handler/service"
)

func TestServiceLifecycle(t *testing.T) {
	s := startSim(t, Options{Timing: Timing{ServiceBuild: -1, PowerOn: -1, ServiceChange: -1}})
	vpcID, err := s.OutsideProject(testProject).CreateVPC("aws-eu-west-1", "10.0.0.0/24")
	must(t, err)
	out, err := s.service.ServiceCreate(t.Context(), testProject, &service.ServiceCreateIn{
		ServiceName: "db", ServiceType: "pg", Plan: "startup-4", Cloud: new("aws-eu-west-1"), DiskSpaceMb: new(614400),
		Maintenance: &service.MaintenanceIn{Dow: "friday", Time: new("10:20:30")}, ProjectVpcId: &vpcID,
		TechEmails: &[]service.TechEmailIn{{Email: "ops@example.com"}}, Tags: &map[string]string{"team": "a"},
		TerminationProtection: new(true),
		UserConfig:            &map[string]any{"ip_filter": []string{"10.0.0.0/8", "192.168.0.0/16"}, "pg_version": "16"},
	})
	must(t, err)
	if out.State != service.ServiceStateTypeRebuilding || out.ServiceUri != "" || len(out.Users) != 0 {
		t.Errorf("a service in its first build is %s with URI %q and %d users", out.State, out.ServiceUri, len(out.Users))
	}
	wantStatus(t, s.service.ServiceDatabaseCreate(t.Context(), testProject, "db", &service.ServiceDatabaseCreateIn{Database: "x"}), 503, "not running")
	must(t, s.FinishService(testProject, "db"))

	got := s.get(t, "db", true)
	if got.State != service.ServiceStateTypeRunning || got.ServiceUriParams["password"] == "" || !strings.Contains(got.ServiceUri, got.ServiceUriParams["password"]) {
		t.Errorf("running service is %s with params %v", got.State, got.ServiceUriParams)
	}
	if *got.DiskSpaceMb != 614400 || got.CloudName != "aws-eu-west-1" || got.ProjectVpcId != vpcID || got.Tags["team"] != "a" ||
		got.Maintenance.Dow != "friday" || got.Maintenance.Time != "10:20:30" || got.TechEmails[0].Email != "ops@example.com" {
		t.Errorf("creation is not echoed: %+v", got)
	}
	filter, _ := got.UserConfig["ip_filter"].([]any)
	if !slices.Equal(filter, []any{"10.0.0.0/8", "192.168.0.0/16"}) || got.UserConfig["pg_stat_monitor_enable"] != false {
		t.Errorf("user_config lacks the input or the defaults: %v", got.UserConfig)
	}
	backups, err := s.service.ServiceBackupsGet(t.Context(), testProject, "db")
	must(t, err)
	if len(backups.Backups) != 1 {
		t.Errorf("got %d backups of a running service, want 1", len(backups.Backups))
	}

	wantStatus(t, s.service.ServiceDelete(t.Context(), testProject, "db"), 403, "protected against termination")
	update := func(in service.ServiceUpdateIn) *service.ServiceUpdateOut {
		t.Helper()
		out, err := s.service.ServiceUpdate(t.Context(), testProject, "db", &in)
		must(t, err)
		return out
	}
	if out := update(service.ServiceUpdateIn{TerminationProtection: new(false), ProjectVpcId: &vpcID, TechEmails: &[]service.TechEmailIn{}}); len(out.TechEmails) != 0 || out.State != service.ServiceStateTypeRunning {
		t.Errorf("empty tech_emails do not clear, or the service left RUNNING: %v %s", out.TechEmails, out.State)
	}
	if out := update(service.ServiceUpdateIn{Plan: new("business-8")}); out.State != service.ServiceStateTypeRebalancing || out.Plan != "business-8" || out.ProjectVpcId != "" {
		t.Errorf("plan change gives %s %s, VPC %q", out.State, out.Plan, out.ProjectVpcId)
	}
	must(t, s.FinishService(testProject, "db"))
	if out := update(service.ServiceUpdateIn{Powered: new(false)}); out.State != service.ServiceStateTypePoweroff || len(out.NodeStates) != 0 {
		t.Errorf("powered off: %s", out.State)
	}
	_, err = s.service.ServiceUserCreate(t.Context(), testProject, "db", &service.ServiceUserCreateIn{Username: "u"})
	wantStatus(t, err, 409, "powered off")
	if out := update(service.ServiceUpdateIn{Powered: new(true)}); out.State != service.ServiceStateTypeRebuilding || out.ServiceUri == "" {
		t.Errorf("powered on: %s with URI %q", out.State, out.ServiceUri)
	}
	must(t, s.service.ServiceDelete(t.Context(), testProject, "db"))
	_, err = s.service.ServiceGet(t.Context(), testProject, "db")
	wantStatus(t, err, 404, "Service not found")
	if unexpected := s.Unexpected(); len(unexpected) != 0 {
		t.Errorf("unexpected requests: %v", unexpected)
	}
}

func TestServiceBecomesReadyInTime(t *testing.T) {
	s := startSim(t, Options{Timing: Timing{ServiceBuild: 50 * time.Millisecond}})
	s.create(t, "valkey", "cache", "startup-4")
	must(t, s.WaitUntil(testContext(t), func() bool {
		sv, ok := s.Project(testProject).Service("cache")
		return ok && sv.State == StateRunning
	}))
	if got := s.get(t, "cache", true); got.ServiceUriParams["ssl"] != "required" || len(got.Users) != 1 || got.Users[0].Username != "default" {
		t.Errorf("running valkey: %v", got.ServiceUriParams)
	}
}

func TestRefusedRequests(t *testing.T) {
	s := startSim(t, Options{})
	s.create(t, "pg", "db", "startup-4")
	s.create(t, "kafka", "kafka", "business-4")
	const service, kafka = "/v1/project/acme/service", "/v1/project/acme/service/kafka"
	tests := map[string]struct {
		method, path, body string
		status             int
		message            string
	}{
		"unknown project":      {"GET", "/v1/project/nope/service", "", 404, "Project does not exist"},
		"unknown service":      {"GET", service + "/nope", "", 404, "Service not found"},
		"unknown route":        {"GET", service + "/db/nope/x/y", "", 404, "No such API route"},
		"unknown method":       {"PATCH", service + "/db", "{}", 405, "No such API route"},
		"unknown type":         {"POST", service, `{"service_name":"x","service_type":"nope","plan":"startup-4"}`, 400, "nope"},
		"unknown plan":         {"POST", service, `{"service_name":"x","service_type":"pg","plan":"gigantic-9"}`, 400, "gigantic-9"},
		"plan in between":      {"POST", service, `{"service_name":"x","service_type":"pg","plan":"startup-7"}`, 400, "startup-7"},
		"change to no plan":    {"PUT", service + "/db", `{"plan":"business-5"}`, 400, "business-5"},
		"no plan":              {"POST", service, `{"service_name":"x","service_type":"pg"}`, 400, "Invalid plan"},
		"duplicate":            {"POST", service, `{"service_name":"db","service_type":"pg","plan":"startup-4"}`, 409, "already exists"},
		"bad name":             {"POST", service, `{"service_name":"X","service_type":"pg","plan":"startup-4"}`, 400, "service_name"},
		"unknown field":        {"POST", service, `{"service_name":"x","service_type":"pg","plan":"startup-4","colour":1}`, 400, "colour"},
		"wrong type":           {"POST", service, `{"service_name":7,"service_type":"pg","plan":"startup-4"}`, 400, "service_name"},
		"no JSON":              {"PUT", service + "/db", `[]`, 400, "array"},
		"unknown config key":   {"PUT", service + "/db", `{"user_config":{"colour":1}}`, 400, "colour"},
		"wrong config type":    {"PUT", service + "/db", `{"user_config":{"ip_filter":"x"}}`, 400, "user_config.ip_filter"},
		"nested config":        {"PUT", service + "/db", `{"user_config":{"pg":{"max_connections":"x"}}}`, 400, "user_config.pg.max_connections"},
		"config choice":        {"PUT", service + "/db", `{"user_config":{"pg_version":"99"}}`, 400, "user_config.pg_version"},
		"config range":         {"PUT", service + "/db", `{"user_config":{"backup_hour":24}}`, 400, "user_config.backup_hour"},
		"create-only config":   {"PUT", service + "/db", `{"user_config":{"service_to_fork_from":"x"}}`, 400, "service_to_fork_from"},
		"downgrade":            {"PUT", service + "/db", `{"user_config":{"pg_version":"14"}}`, 400, "pg_version"},
		"small disk":           {"PUT", service + "/db", `{"disk_space_mb":1}`, 400, "disk_space_mb"},
		"bad maintenance":      {"PUT", service + "/db", `{"maintenance":{"dow":"someday"}}`, 400, "maintenance.dow"},
		"replica of nothing":   {"POST", service, `{"service_name":"r","service_type":"pg","plan":"startup-4","service_integrations":[{"integration_type":"read_replica","source_service":"x"}]}`, 404, "Service not found"},
		"replica of kafka":     {"POST", service, `{"service_name":"r","service_type":"pg","plan":"startup-4","service_integrations":[{"integration_type":"read_replica","source_service":"kafka"}]}`, 409, "no backups"},
		"unknown task":         {"GET", service + "/db/task/1", "", 404, "Task not found"},
		"no migration":         {"GET", service + "/db/migration", "", 404, "migration"},
		"bad tag":              {"PUT", service + "/db/tags", `{"tags":{"1":"x"}}`, 400, "tags"},
		"user twice":           {"POST", service + "/db/user", `{"username":"avnadmin"}`, 409, "already exists"},
		"user without a name":  {"POST", service + "/db/user", ``, 400, "username"},
		"reserved user":        {"POST", service + "/db/user", `{"username":"postgres"}`, 400, "reserved"},
		"valkey access in pg":  {"POST", service + "/db/user", `{"username":"x","access_control":{"valkey_acl_keys":["*"]}}`, 400, "access_control"},
		"unknown user":         {"GET", service + "/db/user/x", "", 404, "x"},
		"built-in user":        {"DELETE", service + "/db/user/avnadmin", "", 403, "cannot be deleted"},
		"bad operation":        {"PUT", service + "/db/user/avnadmin", `{"operation":"x"}`, 400, "operation"},
		"short password":       {"PUT", service + "/db/user/avnadmin", `{"operation":"reset-credentials","new_password":"x"}`, 400, "new_password"},
		"database twice":       {"POST", service + "/db/db", `{"database":"defaultdb"}`, 409, "already exists"},
		"unknown database":     {"DELETE", service + "/db/db/x", "", 404, "x"},
		"database in kafka":    {"GET", kafka + "/db", "", 400, "pg"},
		"pool on no database":  {"POST", service + "/db/connection_pool", `{"pool_name":"p","database":"x"}`, 404, "x"},
		"pool with no user":    {"POST", service + "/db/connection_pool", `{"pool_name":"p","database":"defaultdb","username":"x"}`, 404, "x"},
		"bad pool mode":        {"POST", service + "/db/connection_pool", `{"pool_name":"p","database":"defaultdb","pool_mode":"x"}`, 400, "pool_mode"},
		"unknown pool":         {"PUT", service + "/db/connection_pool/p", `{}`, 404, "p"},
		"topic in pg":          {"GET", service + "/db/topic", "", 400, "kafka"},
		"unknown topic":        {"GET", kafka + "/topic/x", "", 404, "x"},
		"bad topic name":       {"POST", kafka + "/topic", `{"topic_name":"a b"}`, 400, "topic_name"},
		"too many replicas":    {"POST", kafka + "/topic", `{"topic_name":"a","replication":9}`, 400, "replication"},
		"no partitions":        {"POST", kafka + "/topic", `{"topic_name":"a","partitions":0}`, 400, "partitions"},
		"unknown topic config": {"POST", kafka + "/topic", `{"topic_name":"a","config":{"colour":1}}`, 400, "colour"},
		"wrong topic config":   {"POST", kafka + "/topic", `{"topic_name":"a","config":{"retention_ms":"x"}}`, 400, "config.retention_ms"},
		"bad topic choice":     {"POST", kafka + "/topic", `{"topic_name":"a","config":{"cleanup_policy":"x"}}`, 400, "cleanup_policy"},
		"v2 with unknown name": {"POST", "/v2/project/acme/service/kafka/topic", `{"topic_names":["x"]}`, 404, "x"},
		"v2 without names":     {"POST", "/v2/project/acme/service/kafka/topic", ``, 400, "topic_names"},
		"acl twice":            {"POST", kafka + "/acl", `{"permission":"admin","topic":"*","username":"avnadmin"}`, 409, "already exists"},
		"bad permission":       {"POST", kafka + "/acl", `{"permission":"x","topic":"*","username":"u"}`, 400, "permission"},
		"unknown acl":          {"DELETE", kafka + "/acl/x", "", 404, "not found"},
		"acl without a topic":  {"POST", kafka + "/acl", `{"permission":"read","username":"u"}`, 400, "topic"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := s.Objects()
			wantStatus(t, s.raw(t, test.method, test.path, test.body), test.status, test.message)
			if after := s.Objects(); !slices.Equal(before, after) {
				t.Errorf("a refused request changed the state: %v", after)
			}
		})
	}
	unexpected := s.Unexpected()
	if len(unexpected) != 2 {
		t.Errorf("got %d unexpected requests, want the unknown route and the unknown method: %v", len(unexpected), unexpected)
	}
	for _, r := range unexpected {
		if r.Status != http.StatusNotFound && r.Status != http.StatusMethodNotAllowed {
			t.Errorf("unexpected request answered %d", r.Status)
		}
	}
}

func TestUserConfigMerge(t *testing.T) {
	s := startSim(t, Options{})
	s.create(t, "pg", "db", "startup-4")
	steps := []struct {
		in   map[string]any
		key  string
		want any
	}{
		{map[string]any{"backup_hour": 3}, "backup_hour", 3.0},
		{map[string]any{"pg_version": "17"}, "pg_version", "17"},
		{map[string]any{"backup_minute": 1}, "backup_hour", 3.0},
		{map[string]any{"backup_hour": nil}, "backup_hour", nil},
		{map[string]any{"pg_stat_monitor_enable": true}, "pg_stat_monitor_enable", true},
		{map[string]any{"pg_stat_monitor_enable": nil}, "pg_stat_monitor_enable", false},
	}
	for _, step := range steps {
		_, err := s.service.ServiceUpdate(t.Context(), testProject, "db", &service.ServiceUpdateIn{UserConfig: &step.in})
		must(t, err)
		if got := s.get(t, "db", false).UserConfig[step.key]; got != step.want {
			t.Errorf("after %v: %s is %v, want %v", step.in, step.key, got, step.want)
		}
	}
	for _, in := range []map[string]any{{"pg": map[string]any{"log_min_duration_statement": 5}}, {"pg": map[string]any{"idle_in_transaction_session_timeout": 7}}} {
		_, err := s.service.ServiceUpdate(t.Context(), testProject, "db", &service.ServiceUpdateIn{UserConfig: &in})
		must(t, err)
	}
	pg, _ := s.get(t, "db", false).UserConfig["pg"].(map[string]any)
	if pg["log_min_duration_statement"] != 5.0 || pg["idle_in_transaction_session_timeout"] != 7.0 {
		t.Errorf("objects are not merged: %v", pg)
	}
}

func TestTagsTasksReplicasAndEvents(t *testing.T) {
	s := startSim(t, Options{})
	s.create(t, "pg", "db", "startup-4")
	must(t, s.service.ProjectServiceTagsReplace(t.Context(), testProject, "db", &service.ProjectServiceTagsReplaceIn{Tags: map[string]string{"a": "1", "b": "2"}}))
	must(t, s.raw(t, "PATCH", "/v1/project/acme/service/db/tags", `{"tags":{"a":null,"c":"3"}}`))
	tags, err := s.service.ProjectServiceTagsList(t.Context(), testProject, "db")
	must(t, err)
	if len(tags) != 2 || tags["b"] != "2" || tags["c"] != "3" {
		t.Errorf("tags are %v", tags)
	}
	for version, success := range map[string]bool{"17": true, "13": false} {
		task, err := s.service.ServiceTaskCreate(t.Context(), testProject, "db", &service.ServiceTaskCreateIn{
			TaskType: service.TaskTypeUpgradeCheck, UpgradeCheck: &service.UpgradeCheckIn{TargetVersion: version}})
		must(t, err)
		again, err := s.service.ServiceTaskGet(t.Context(), testProject, "db", task.TaskId)
		must(t, err)
		if again.Success != success || again.Result != task.Result {
			t.Errorf("upgrade check to %s: %+v", version, again)
		}
	}
	_, err = s.service.ServiceCreate(t.Context(), testProject, &service.ServiceCreateIn{ServiceName: "replica", ServiceType: "pg", Plan: "startup-4",
		ServiceIntegrations: &[]service.ServiceIntegrationIn{{IntegrationType: service.IntegrationTypeReadReplica, SourceService: new("db")}}})
	must(t, err)
	for _, name := range []string{"db", "replica"} {
		if i := s.get(t, name, false).ServiceIntegrations; len(i) != 1 || i[0].SourceService != "db" || *i[0].DestService != "replica" {
			t.Errorf("integrations of %s: %+v", name, i)
		}
	}
	ca, err := s.project.ProjectKmsGetCA(t.Context(), testProject)
	must(t, err)
	if ca != s.Project(testProject).CA() || !strings.HasPrefix(ca, "-----BEGIN CERTIFICATE-----") {
		t.Errorf("CA is %q", ca)
	}
	events, err := s.project.ProjectGetEventLogs(t.Context(), testProject)
	must(t, err)
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, e.EventType+" "+e.ServiceName+" "+e.Actor)
	}
	want := []string{"service_create replica token-1", "service_tags_update db token-1", "service_tags_update db token-1", "service_create db token-1"}
	if !slices.Equal(kinds, want) {
		t.Errorf("events are %q, want %q", kinds, want)
	}
	_, err = s.doer.Do(t.Context(), "", "GET", "/v1/project/acme/events", nil, [2]string{"limit", "x"})
	wantStatus(t, err, 400, "limit")
	list, err := s.service.ServiceList(t.Context(), testProject, service.ServiceListIncludeSecrets(true))
	must(t, err)
	if len(list) != 2 || list[0].ServiceName != "db" || list[0].Users[0].Password == "" {
		t.Errorf("list is %+v", list)
	}
}
