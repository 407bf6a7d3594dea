// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aiven/go-client-codegen/handler/kafka"
	"github.com/aiven/go-client-codegen/handler/kafkatopic"
	"github.com/aiven/go-client-codegen/handler/postgresql"
	"github.com/aiven/go-client-codegen/handler/service"
)

func TestUsers(t *testing.T) {
	s := startSim(t, Options{})
	s.create(t, "valkey", "cache", "startup-4")
	created, err := s.service.ServiceUserCreate(t.Context(), testProject, "cache", &service.ServiceUserCreateIn{
		Username: "app", AccessControl: &service.AccessControlIn{ValkeyAclKeys: &[]string{"app:*"}, ValkeyAclCommands: &[]string{"-flushall"}}})
	must(t, err)
	if created.Password == "" || !slices.Equal(created.AccessControl.ValkeyAclKeys, []string{"app:*"}) {
		t.Errorf("created user: %+v", created)
	}
	hidden, err := s.service.ServiceUserGet(t.Context(), testProject, "cache", "app")
	must(t, err)
	if hidden.Password != "" {
		t.Error("a password is shown without include_secrets")
	}
	_, err = s.service.ServiceUserCredentialsModify(t.Context(), testProject, "cache", "app", &service.ServiceUserCredentialsModifyIn{
		Operation: "set-access-control", AccessControl: &service.AccessControlIn{ValkeyAclKeys: &[]string{"other:*"}}})
	must(t, err)
	_, err = s.service.ServiceUserCredentialsModify(t.Context(), testProject, "cache", "app", &service.ServiceUserCredentialsModifyIn{
		Operation: "reset-credentials", NewPassword: new("a-new-password")})
	must(t, err)
	got, err := s.service.ServiceUserGet(t.Context(), testProject, "cache", "app", service.ServiceUserGetIncludeSecrets(true))
	must(t, err)
	if got.Password != "a-new-password" || !slices.Equal(got.AccessControl.ValkeyAclKeys, []string{"other:*"}) || len(got.AccessControl.ValkeyAclCommands) != 0 {
		t.Errorf("changed user: %+v", got)
	}
	out, err := s.service.ServiceUserCredentialsReset(t.Context(), testProject, "cache", "app")
	must(t, err)
	if i := slices.IndexFunc(out.Users, func(u service.UserOut) bool { return u.Username == "app" }); i < 0 || out.Users[i].Password == got.Password {
		t.Errorf("reset does not change the password: %+v", out.Users)
	}
	must(t, s.service.ServiceUserDelete(t.Context(), testProject, "cache", "app"))
	_, err = s.service.ServiceUserGet(t.Context(), testProject, "cache", "app")
	wantStatus(t, err, 404, "app")
}

func TestKafkaUserCertificate(t *testing.T) {
	s := startSim(t, Options{})
	s.create(t, "kafka", "kafka", "business-4")
	user, err := s.service.ServiceUserCreate(t.Context(), testProject, "kafka", &service.ServiceUserCreateIn{Username: "app"})
	must(t, err)
	pair, err := tls.X509KeyPair([]byte(*user.AccessCert), []byte(*user.AccessKey))
	must(t, err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(s.Project(testProject).CA())) {
		t.Fatal("the CA is no PEM certificate")
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("the project CA did not sign the certificate: %v", err)
	}
	if pair.Leaf.Subject.CommonName != "app" || !pair.Leaf.NotAfter.Equal(*user.AccessCertNotValidAfterTime) {
		t.Errorf("certificate of %s until %v, API says %v", pair.Leaf.Subject, pair.Leaf.NotAfter, user.AccessCertNotValidAfterTime)
	}
	got := s.get(t, "kafka", true)
	if block, _ := pem.Decode([]byte(*got.ConnectionInfo.KafkaAccessKey)); block == nil || got.ConnectionInfo.SchemaRegistryUri != nil {
		t.Errorf("connection_info is %+v", got.ConnectionInfo)
	}
}

func TestKafkaComponents(t *testing.T) {
	s := startSim(t, Options{})
	s.create(t, "kafka", "kafka", "business-4")
	components := func(config map[string]any) string {
		t.Helper()
		out, err := s.service.ServiceUpdate(t.Context(), testProject, "kafka", &service.ServiceUpdateIn{UserConfig: &config})
		must(t, err)
		var names []string
		for _, c := range out.Components {
			names = append(names, strings.TrimSuffix(c.Component+"/"+string(c.KafkaAuthenticationMethod), "/"))
		}
		return strings.Join(names, " ")
	}
	if got, want := components(map[string]any{"schema_registry": true, "kafka_authentication_methods": map[string]any{"sasl": true}}), "kafka/sasl kafka/certificate schema_registry"; got != want {
		t.Errorf("components are %q, want %q", got, want)
	}
	got := s.get(t, "kafka", true)
	if fmt.Sprint(got.Components[0].Port) == got.ServiceUriParams["port"] || got.ConnectionInfo.SchemaRegistryUri == nil {
		t.Errorf("SASL port %d, service port %s, connection_info %+v", got.Components[0].Port, got.ServiceUriParams["port"], got.ConnectionInfo)
	}
	if got, want := components(map[string]any{"schema_registry": false, "kafka_authentication_methods": nil}), "kafka/certificate"; got != want {
		t.Errorf("components are %q, want %q", got, want)
	}
}

func TestDatabasesAndPools(t *testing.T) {
	s := startSim(t, Options{})
	s.create(t, "pg", "db", "startup-4")
	for i := range 3 {
		must(t, s.service.ServiceDatabaseCreate(t.Context(), testProject, "db", &service.ServiceDatabaseCreateIn{
			Database: fmt.Sprintf("app%d", i), LcCollate: new("fi_FI.UTF-8")}))
	}
	var names []string
	for after := ""; ; {
		page, err := s.service.ServiceDatabaseList(t.Context(), testProject, "db", service.ServiceDatabaseListMaxItems(2), service.ServiceDatabaseListAfter(after))
		must(t, err)
		for _, d := range page.Databases {
			names = append(names, d.DatabaseName+" "+*d.LcCollate)
		}
		if page.Next == nil {
			break
		}
		after = *page.Next
	}
	if want := []string{"app0 fi_FI.UTF-8", "app1 fi_FI.UTF-8", "app2 fi_FI.UTF-8", "defaultdb en_US.UTF-8"}; !slices.Equal(names, want) {
		t.Errorf("databases are %q, want %q", names, want)
	}

	must(t, s.pg.ServicePGBouncerCreate(t.Context(), testProject, "db", &postgresql.ServicePGBouncerCreateIn{PoolName: "web", Database: "app0", Username: new(adminUser)}))
	must(t, s.pg.ServicePGBouncerUpdate(t.Context(), testProject, "db", "web", &postgresql.ServicePGBouncerUpdateIn{PoolMode: "session", PoolSize: new(20)}))
	pools := s.get(t, "db", true).ConnectionPools
	if len(pools) != 1 || pools[0].PoolMode != "session" || pools[0].PoolSize != 20 || *pools[0].Username != adminUser ||
		!strings.Contains(pools[0].ConnectionUri, "/web?sslmode=require") {
		t.Errorf("pools are %+v", pools)
	}
	wantStatus(t, s.service.ServiceDatabaseDelete(t.Context(), testProject, "db", "app0"), 409, "web")
	must(t, s.pg.ServicePGBouncerDelete(t.Context(), testProject, "db", "web"))
	must(t, s.service.ServiceDatabaseDelete(t.Context(), testProject, "db", "app0"))
	if got := s.get(t, "db", true); len(got.ConnectionPools) != 0 || slices.Contains(got.Databases, "app0") {
		t.Errorf("left over: %v %v", got.ConnectionPools, got.Databases)
	}
}

func TestTopics(t *testing.T) {
	s := startSim(t, Options{Timing: Timing{TopicVisible: -1, TopicActive: -1}})
	s.create(t, "kafka", "kafka", "business-4")
	must(t, s.topic.ServiceKafkaTopicCreate(t.Context(), testProject, "kafka", &kafkatopic.ServiceKafkaTopicCreateIn{
		TopicName: "orders_1", Partitions: new(3), Replication: new(2), Tags: &[]kafkatopic.TagIn{{Key: "a", Value: "b"}},
		Config: &kafkatopic.ConfigIn{RetentionMs: new(7200000), CleanupPolicy: "compact"}}))
	list := func() []kafkatopic.TopicOut {
		t.Helper()
		out, err := s.topic.ServiceKafkaTopicList(t.Context(), testProject, "kafka")
		must(t, err)
		return out
	}
	if got := list(); len(got) != 0 {
		t.Errorf("a topic shows up before its time: %+v", got)
	}
	err := s.topic.ServiceKafkaTopicCreate(t.Context(), testProject, "kafka", &kafkatopic.ServiceKafkaTopicCreateIn{TopicName: "orders_1"})
	wantStatus(t, err, 409, "already exists")
	must(t, s.FinishTopic(testProject, "kafka", "orders_1"))
	if got := list(); len(got) != 1 || got[0].State != kafkatopic.TopicStateTypeActive || got[0].Partitions != 3 || got[0].RetentionHours != 2 || got[0].Tags[0].Key != "a" {
		t.Errorf("topics are %+v", got)
	}

	bulk, err := s.topic.ServiceKafkaTopicListV2(t.Context(), testProject, "kafka", &kafkatopic.ServiceKafkaTopicListV2In{TopicNames: []string{"orders_1"}})
	must(t, err)
	config := bulk[0].Config
	if len(bulk[0].Partitions) != 3 || config.RetentionMs.Value != 7200000 || config.RetentionMs.Source != kafkatopic.SourceTypeTopicConfig ||
		config.RetentionMs.Synonyms[1].Value != 604800000 || config.SegmentBytes.Source != kafkatopic.SourceTypeDefaultConfig ||
		config.FlushMs.Value != 9223372036854775807 || config.CleanupPolicy.Value != "compact" {
		t.Errorf("configuration is %+v", config)
	}

	update := func(in kafkatopic.ServiceKafkaTopicUpdateIn) error {
		return s.topic.ServiceKafkaTopicUpdate(t.Context(), testProject, "kafka", "orders_1", &in)
	}
	must(t, update(kafkatopic.ServiceKafkaTopicUpdateIn{Partitions: new(5), Config: &kafkatopic.ConfigIn{MaxMessageBytes: new(1000)}}))
	wantStatus(t, update(kafkatopic.ServiceKafkaTopicUpdateIn{Partitions: new(4)}), 400, "cannot be reduced from 5 to 4")
	wantStatus(t, s.raw(t, "PUT", "/v1/project/acme/service/kafka/topic/orders_1", `{"config":{"retention_ms":null}}`), 400, "config.retention_ms")
	got, err := s.topic.ServiceKafkaTopicGet(t.Context(), testProject, "kafka", "orders_1")
	must(t, err)
	if len(got.Partitions) != 5 || got.Config.MaxMessageBytes.Value != 1000 || got.Config.RetentionMs.Value != 7200000 || got.CleanupPolicy != "compact" {
		t.Errorf("after the updates: %d partitions, %+v", len(got.Partitions), got.Config)
	}
	must(t, s.topic.ServiceKafkaTopicDelete(t.Context(), testProject, "kafka", "orders_1"))
	if got := list(); len(got) != 0 {
		t.Errorf("topics are %+v", got)
	}
}

func TestKafkaACLs(t *testing.T) {
	s := startSim(t, Options{})
	s.create(t, "kafka", "kafka", "business-4")
	add := func() string {
		t.Helper()
		all, err := s.kafka.ServiceKafkaAclAdd(t.Context(), testProject, "kafka", &kafka.ServiceKafkaAclAddIn{Permission: "read", Topic: "orders*", Username: "app"})
		must(t, err)
		if len(all) != 2 || all[0].Id != "default" {
			t.Fatalf("adding answers %+v, want the whole list", all)
		}
		return all[1].Id
	}
	first := add()
	rest, err := s.kafka.ServiceKafkaAclDelete(t.Context(), testProject, "kafka", first)
	must(t, err)
	if len(rest) != 1 {
		t.Errorf("deleting answers %+v", rest)
	}
	if second := add(); second == first {
		t.Error("a new entry has the id of a deleted one")
	}
	list, err := s.kafka.ServiceKafkaAclList(t.Context(), testProject, "kafka")
	must(t, err)
	if inService := s.get(t, "kafka", false).Acl; len(list) != 2 || len(inService) != 2 {
		t.Errorf("list has %d entries, the service %d, want 2", len(list), len(inService))
	}
}

func TestOutsideChanges(t *testing.T) {
	s := startSim(t, Options{})
	s.create(t, "kafka", "kafka", "business-4")
	s.create(t, "pg", "db", "startup-4")
	s.ResetRequests()
	kafkaOut, pg := s.Outside(testProject, "kafka"), s.Outside(testProject, "db")
	must(t, kafkaOut.CreateTopic(map[string]any{"topic_name": "a", "partitions": 2}))
	must(t, kafkaOut.UpdateTopic("a", map[string]any{"partitions": 4}))
	must(t, kafkaOut.AddACL("read", "a", "u"))
	must(t, pg.CreateUser("u"))
	must(t, pg.ResetUser("u", "long-enough"))
	must(t, pg.CreateDatabase("d"))
	must(t, pg.UpdateService(map[string]any{"plan": "business-8"}))

	sv, _ := s.Project(testProject).Service("kafka")
	if topic, ok := sv.Topic("a"); !ok || topic.Partitions != 4 {
		t.Errorf("topic is %+v", topic)
	}
	sv, _ = s.Project(testProject).Service("db")
	if user, ok := sv.User("u"); !ok || user.Password != "long-enough" || sv.Plan != "business-8" {
		t.Errorf("service is %+v", sv)
	}
	sv.Users[0].Password = "changed in the copy"
	if again, _ := s.Project(testProject).Service("db"); again.Users[0].Password == sv.Users[0].Password {
		t.Error("a snapshot shares memory with the state")
	}
	want := []string{"project /", "service db/", "user db/u", "database db/d", "service kafka/", "topic kafka/a", "acl kafka/"}
	var got []string
	for _, o := range s.Objects() {
		if o.Kind == "acl" {
			o.Name = ""
		}
		got = append(got, o.Kind+" "+o.Service+"/"+o.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("objects are %q, want %q", got, want)
	}
	events := s.Project(testProject).Events()
	if last := events[len(events)-1]; last.EventType != "service_update" || last.ServiceName != "db" || last.Actor != consoleActor {
		t.Errorf("last event is %+v", last)
	}
	if n := s.Count(); n != 0 {
		t.Errorf("changes from outside left %d entries in the request log", n)
	}
	wantStatus(t, pg.DeleteUser("nobody"), 404, "nobody")
}
