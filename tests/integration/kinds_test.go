// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	controller "github.com/bailiwick-operator/bailiwick/pkg/controller/aiven"
	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// kindCase says how the tests that hold for every kind make one.
type kindCase struct {
	// host is the type of the service that the object lives in; empty for
	// services themselves.
	host string
	// hostConfig is the user configuration of that service.
	hostConfig map[string]any
	// prepare makes what else the object needs, from outside; may be nil.
	prepare func(e *env)
	// spec holds what the kind needs beside project, service and token.
	spec map[string]any
	// remote is the simulator's word for what the object stands for.
	remote string
	// publishes tells whether there is a connection Secret, keys some of what
	// is in it.
	publishes bool
	keys      []string
	// edit changes the spec, and edited tells whether the remote has it.
	edit   string
	edited func(sv aivensim.Service) bool
	// createOperation is what the simulator calls the create.
	createOperation string
	// createSkips is how many requests of that operation come before it.
	createSkips int
	// drift changes the remote from outside; nil where Aiven can change nothing.
	drift func(o aivensim.Outside) error
	// vanish deletes the remote from outside.
	vanish func(o aivensim.Outside, name string) error
	// vanishFrom is vanish for what belongs to a project and to no service; edited
	// sees no service then.
	vanishFrom func(p aivensim.OutsideProject, name string) error
	// editedAt, driftAt and vanishAt take the place of the three where a service
	// or a project is not enough to tell.
	editedAt func(e *env) bool
	driftAt  func(e *env, name string) error
	vanishAt func(e *env, name string) error
}

// inService tells whether the object is a service or lives in one.
func (c kindCase) inService() bool { return c.vanishFrom == nil && c.vanishAt == nil }

// kindCases has an entry for every kind of the table of controllers, which
// TestEveryKindHasACase makes sure of.
var kindCases = map[string]kindCase{
	"OrganizationProject":        organizationProjectCase(),
	"Project":                    projectCase(),
	"ServiceIntegration":         serviceIntegrationCase(),
	"ServiceIntegrationEndpoint": serviceIntegrationEndpointCase(),
	"UpgradePipelineStep":        upgradePipelineStepCase(),
	"PostgreSQL": {
		spec: service("startup-4"), remote: "service", publishes: true,
		keys: []string{"POSTGRESQL_HOST", "POSTGRESQL_PASSWORD", "POSTGRESQL_DATABASE_URI", "POSTGRESQL_CA_CERT", "PGHOST", "DATABASE_URI"},
		edit: `{"spec":{"maintenanceWindowDow":"monday","tags":{"team":"a"},"userConfig":{"work_mem":8}}}`,
		edited: func(sv aivensim.Service) bool {
			return sv.Maintenance.Dow == "monday" && sv.Tags["team"] == "a" && fmt.Sprint(sv.UserConfig["work_mem"]) == "8"
		},
		createOperation: "ServiceCreate",
		drift:           func(o aivensim.Outside) error { return o.SetTags(map[string]string{"team": "b"}) },
		vanish:          func(o aivensim.Outside, _ string) error { return o.DeleteService() },
	},
	"Kafka": {
		spec: service("startup-2"), remote: "service", publishes: true,
		keys:            []string{"KAFKA_HOST", "KAFKA_PASSWORD", "KAFKA_ACCESS_CERT", "KAFKA_CA_CERT", "CA_CERT"},
		edit:            `{"spec":{"maintenanceWindowDow":"monday","technicalEmails":[{"email":"a@example.com"}]}}`,
		edited:          func(sv aivensim.Service) bool { return sv.Maintenance.Dow == "monday" && len(sv.TechEmails) == 1 },
		createOperation: "ServiceCreate",
		drift: func(o aivensim.Outside) error {
			return o.UpdateService(map[string]any{"tech_emails": []any{}})
		},
		vanish: func(o aivensim.Outside, _ string) error { return o.DeleteService() },
	},
	"Valkey": {
		spec: service("startup-4"), remote: "service", publishes: true,
		keys:            []string{"VALKEY_HOST", "VALKEY_PORT", "VALKEY_USER", "VALKEY_PASSWORD", "VALKEY_SSL"},
		edit:            `{"spec":{"plan":"business-4","terminationProtection":false}}`,
		edited:          func(sv aivensim.Service) bool { return sv.Plan == "business-4" },
		createOperation: "ServiceCreate",
		drift:           func(o aivensim.Outside) error { return o.UpdateService(map[string]any{"plan": "startup-4"}) },
		vanish:          func(o aivensim.Outside, _ string) error { return o.DeleteService() },
	},
	"MySQL": {
		spec: service("business-4"), remote: "service", publishes: true,
		keys: []string{
			"MYSQL_HOST", "MYSQL_PORT", "MYSQL_DATABASE", "MYSQL_USER", "MYSQL_PASSWORD", "MYSQL_SSL_MODE",
			"MYSQL_URI", "MYSQL_REPLICA_URI", "MYSQL_CA_CERT",
		},
		edit: `{"spec":{"disk_space":"600GiB","userConfig":{"mysql":{"sql_mode":"ANSI"}}}}`,
		edited: func(sv aivensim.Service) bool {
			settings, _ := sv.UserConfig["mysql"].(map[string]any)
			return sv.DiskSpaceMB == 614400 && settings["sql_mode"] == "ANSI"
		},
		createOperation: "ServiceCreate",
		drift: func(o aivensim.Outside) error {
			return o.UpdateService(map[string]any{"user_config": map[string]any{"mysql": map[string]any{"sql_mode": "TRADITIONAL"}}})
		},
		vanish: func(o aivensim.Outside, _ string) error { return o.DeleteService() },
	},
	"OpenSearch": {
		spec: service("startup-4"), remote: "service", publishes: true,
		keys: []string{
			"OPENSEARCH_URI", "OPENSEARCH_HOST", "OPENSEARCH_PORT", "OPENSEARCH_USER", "OPENSEARCH_PASSWORD",
			"HOST", "PORT", "USER", "PASSWORD",
		},
		edit:            `{"spec":{"maintenanceWindowDow":"monday","tags":{"team":"a"}}}`,
		edited:          func(sv aivensim.Service) bool { return sv.Maintenance.Dow == "monday" && sv.Tags["team"] == "a" },
		createOperation: "ServiceCreate",
		drift:           func(o aivensim.Outside) error { return o.SetTags(nil) },
		vanish:          func(o aivensim.Outside, _ string) error { return o.DeleteService() },
	},
	"Clickhouse": {
		spec: service("startup-16"), remote: "service", publishes: true,
		keys: []string{
			"CLICKHOUSE_HOST", "CLICKHOUSE_PORT", "CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD",
			"HOST", "PORT", "USER", "PASSWORD",
		},
		edit:            `{"spec":{"maintenanceWindowDow":"monday","technicalEmails":[{"email":"a@example.com"}]}}`,
		edited:          func(sv aivensim.Service) bool { return sv.Maintenance.Dow == "monday" && len(sv.TechEmails) == 1 },
		createOperation: "ServiceCreate",
		drift: func(o aivensim.Outside) error {
			return o.UpdateService(map[string]any{"tech_emails": []any{}})
		},
		vanish: func(o aivensim.Outside, _ string) error { return o.DeleteService() },
	},
	"Grafana": {
		spec: service("startup-4"), remote: "service", publishes: true,
		keys: []string{
			"GRAFANA_HOST", "GRAFANA_PORT", "GRAFANA_USER", "GRAFANA_PASSWORD", "GRAFANA_URI", "GRAFANA_HOSTS",
		},
		edit: `{"spec":{"maintenanceWindowDow":"monday","userConfig":{"viewers_can_edit":true}}}`,
		edited: func(sv aivensim.Service) bool {
			return sv.Maintenance.Dow == "monday" && sv.UserConfig["viewers_can_edit"] == true
		},
		createOperation: "ServiceCreate",
		drift: func(o aivensim.Outside) error {
			return o.UpdateService(map[string]any{"user_config": map[string]any{"viewers_can_edit": false}})
		},
		vanish: func(o aivensim.Outside, _ string) error { return o.DeleteService() },
	},
	"Flink": {
		spec: service("business-4"), remote: "service", publishes: true,
		keys:            []string{"FLINK_HOST", "FLINK_USER", "FLINK_PASSWORD", "FLINK_URI", "FLINK_HOSTS"},
		edit:            `{"spec":{"userConfig":{"number_of_task_slots":2}}}`,
		edited:          func(sv aivensim.Service) bool { return fmt.Sprint(sv.UserConfig["number_of_task_slots"]) == "2" },
		createOperation: "ServiceCreate",
		drift: func(o aivensim.Outside) error {
			return o.UpdateService(map[string]any{"user_config": map[string]any{"number_of_task_slots": 3}})
		},
		vanish: func(o aivensim.Outside, _ string) error { return o.DeleteService() },
	},
	"KafkaConnect": {
		spec: service("startup-4"), remote: "service",
		edit:            `{"spec":{"plan":"business-4"}}`,
		edited:          func(sv aivensim.Service) bool { return sv.Plan == "business-4" },
		createOperation: "ServiceCreate",
		drift:           func(o aivensim.Outside) error { return o.UpdateService(map[string]any{"plan": "startup-4"}) },
		vanish:          func(o aivensim.Outside, _ string) error { return o.DeleteService() },
	},
	"ProjectVPC": {
		spec: map[string]any{"cloudName": "google-europe-west1", "networkCidr": "10.1.0.0/24"}, remote: "vpc",
		// Nothing in the spec can change.
		edit: `{"metadata":{"labels":{"team":"a"}}}`, edited: func(aivensim.Service) bool { return true },
		createOperation: "VpcCreate",
		vanishFrom:      func(p aivensim.OutsideProject, id string) error { return p.DeleteVPC(id) },
	},
	"ClickhouseDatabase": clickhouseDatabaseCase(),
	"ClickhouseGrant":    clickhouseGrantCase(),
	"ClickhouseRole":     clickhouseRoleCase(),
	"ClickhouseUser":     clickhouseUserCase(),
	"Database": {
		host: "pg", spec: map[string]any{}, remote: "database",
		edit: `{"spec":{"terminationProtection":false}}`, edited: func(aivensim.Service) bool { return true },
		createOperation: "ServiceDatabaseCreate",
		vanish:          func(o aivensim.Outside, name string) error { return o.DeleteDatabase(name) },
	},
	"ConnectionPool": {
		host: "pg", spec: map[string]any{"databaseName": "defaultdb", "username": "avnadmin"}, remote: "pool", publishes: true,
		keys:            []string{"CONNECTIONPOOL_NAME", "CONNECTIONPOOL_HOST", "CONNECTIONPOOL_PORT", "CONNECTIONPOOL_PASSWORD", "CONNECTIONPOOL_DATABASE_URI", "PGPORT"},
		edit:            `{"spec":{"poolSize":20,"poolMode":"session"}}`,
		edited:          func(sv aivensim.Service) bool { return sv.Pools[0].Size == 20 && sv.Pools[0].Mode == "session" },
		createOperation: "ServicePGBouncerCreate",
		drift:           func(o aivensim.Outside) error { return o.UpdatePool("x", map[string]any{"pool_size": 5}) },
		vanish:          func(o aivensim.Outside, name string) error { return o.DeletePool(name) },
	},
	"ServiceUser": {
		host: "valkey", spec: map[string]any{}, remote: "user", publishes: true,
		keys:            []string{"SERVICEUSER_HOST", "SERVICEUSER_PORT", "SERVICEUSER_USERNAME", "SERVICEUSER_PASSWORD", "SERVICEUSER_CA_CERT"},
		edit:            `{"spec":{"accessControl":{"valkeyAclKeys":["k*"],"valkeyAclCommands":["+get"]}}}`,
		edited:          func(sv aivensim.Service) bool { return hasAccess(sv, "x", "k*") },
		createOperation: "ServiceUserCreate",
		drift: func(o aivensim.Outside) error {
			return o.SetUserAccess("x", map[string]any{"valkey_acl_keys": []any{"other"}})
		},
		vanish: func(o aivensim.Outside, name string) error { return o.DeleteUser(name) },
	},
	"KafkaTopic": {
		host: "kafka", spec: map[string]any{"partitions": int64(1), "replication": int64(2)}, remote: "topic",
		edit: `{"spec":{"partitions":3,"config":{"retention_ms":1000}}}`,
		edited: func(sv aivensim.Service) bool {
			return len(sv.Topics) == 1 && sv.Topics[0].Partitions == 3 && fmt.Sprint(sv.Topics[0].Config["retention_ms"]) == "1000"
		},
		createOperation: "ServiceKafkaTopicCreate",
		drift: func(o aivensim.Outside) error {
			return o.UpdateTopic("x", map[string]any{"config": map[string]any{"retention_ms": 5000}})
		},
		vanish: func(o aivensim.Outside, name string) error { return o.DeleteTopic(name) },
	},
	"KafkaACL": {
		host: "kafka", spec: map[string]any{"permission": "read", "topic": "t-*", "username": "u-*"}, remote: "acl",
		edit: `{"spec":{"permission":"write"}}`,
		edited: func(sv aivensim.Service) bool {
			return slices.ContainsFunc(sv.ACLs, func(a aivensim.ACL) bool { return a.Topic == "t-*" && a.Permission == "write" })
		},
		createOperation: "ServiceKafkaAclAdd",
		vanish:          func(o aivensim.Outside, id string) error { return o.DeleteACL(id) },
	},
	"KafkaNativeACL": {
		host: "kafka", remote: "native-acl",
		spec: map[string]any{
			"resourceType": "Topic", "resourceName": "t-", "patternType": "PREFIXED",
			"principal": "User:alice", "operation": "Read", "permissionType": "ALLOW",
		},
		// Nothing in the spec can change.
		edit: `{"metadata":{"labels":{"team":"a"}}}`, edited: func(aivensim.Service) bool { return true },
		createOperation: "ServiceKafkaNativeAclAdd",
		vanish:          func(o aivensim.Outside, id string) error { return o.DeleteNativeACL(id) },
	},
	"KafkaConnector": {
		host: "kafka", hostConfig: map[string]any{"kafka_connect": true}, remote: "connector",
		spec: map[string]any{
			"connectorClass": "io.aiven.kafka.connect.http.HttpSinkConnector",
			"userConfig":     map[string]any{"http.url": "https://example.com", "topics": "a", "tasks.max": "2"},
		},
		edit: `{"spec":{"userConfig":{"topics":"b","tasks.max":null}}}`,
		edited: func(sv aivensim.Service) bool {
			if len(sv.Connectors) != 1 {
				return false
			}
			_, has := sv.Connectors[0].Config["tasks.max"]
			return !has && sv.Connectors[0].Config["topics"] == "b"
		},
		createOperation: "ServiceKafkaConnectCreateConnector",
		drift: func(o aivensim.Outside) error {
			return o.UpdateConnector("x", map[string]string{
				"connector.class": "io.aiven.kafka.connect.http.HttpSinkConnector", "http.url": "https://example.com", "topics": "other", "tasks.max": "1",
			})
		},
		vanish: func(o aivensim.Outside, name string) error { return o.DeleteConnector(name) },
	},
	"KafkaSchema": {
		host: "kafka", hostConfig: map[string]any{"schema_registry": true}, remote: "subject",
		spec: map[string]any{
			"subjectName": "s", "compatibilityLevel": "BACKWARD",
			"schema": `{"type": "record", "name": "r", "fields": [{"name": "a", "type": {"type": "string"}}]}`,
		},
		edit: `{"spec":{"compatibilityLevel":"NONE","schema":"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"b\",\"type\":\"int\"}]}"}}`,
		edited: func(sv aivensim.Service) bool {
			if sv.Registry == nil || len(sv.Registry.Subjects) != 1 {
				return false
			}
			s := sv.Registry.Subjects[0]
			return s.Level == "NONE" && slices.ContainsFunc(s.Versions, func(v aivensim.SubjectVersion) bool {
				return !v.Deleted && strings.Contains(sv.Registry.Schemas[v.ID-1].Text, `"b"`)
			})
		},
		createOperation: "ServiceSchemaRegistrySubjectVersionPost",
		drift:           func(o aivensim.Outside) error { return o.SetCompatibility("s", "FULL") },
		vanish:          func(o aivensim.Outside, name string) error { return o.DeleteSubject(name) },
	},
	"KafkaSchemaRegistryACL": {
		host: "kafka", hostConfig: map[string]any{"schema_registry": true}, remote: "schema-registry-acl",
		spec: map[string]any{"resource": "Subject:s-*", "username": "u-*", "permission": "schema_registry_read"},
		edit: `{"metadata":{"labels":{"team":"a"}}}`, edited: func(aivensim.Service) bool { return true },
		createOperation: "ServiceSchemaRegistryAclAdd",
		vanish:          func(o aivensim.Outside, id string) error { return o.DeleteRegistryACL(id) },
	},
	"KafkaQuota": {
		host: "kafka", remote: "quota",
		spec: map[string]any{"user": "alice", "clientId": "app", "consumerByteRate": int64(1000), "requestPercentage": 50.5},
		// One limit changes, one comes and one goes.
		edit: `{"spec":{"consumerByteRate":0,"producerByteRate":2000,"requestPercentage":null}}`,
		edited: func(sv aivensim.Service) bool {
			if len(sv.Quotas) != 1 {
				return false
			}
			q := sv.Quotas[0]
			return q.ConsumerByteRate != nil && *q.ConsumerByteRate == 0 && q.ProducerByteRate != nil && *q.ProducerByteRate == 2000 && q.RequestPercentage == nil
		},
		createOperation: "ServiceKafkaQuotaCreate",
		drift: func(o aivensim.Outside) error {
			return o.SetQuota(map[string]any{"user": "alice", "client-id": "app", "consumer_byte_rate": 7, "request_percentage": 1})
		},
		vanish: func(o aivensim.Outside, _ string) error { return o.DeleteQuota("alice", "app") },
	},
	"OpenSearchACLConfig": {
		host: "opensearch", remote: "opensearch-acl",
		spec: map[string]any{"enabled": true, "acls": []any{
			map[string]any{"username": "alice", "rules": []any{map[string]any{"index": "a-*", "permission": "read"}, map[string]any{"index": "b-*", "permission": "deny"}}},
			map[string]any{"username": "bob", "rules": []any{}},
		}},
		edit: `{"spec":{"acls":[{"username":"alice","rules":[{"index":"a-*","permission":"write"}]}]}}`,
		edited: func(sv aivensim.Service) bool {
			a := sv.OpenSearchACL
			return a != nil && a.Enabled && len(a.ACLs) == 1 && len(a.ACLs[0].Rules) == 1 && a.ACLs[0].Rules[0].Permission == "write"
		},
		createOperation: "ServiceOpenSearchAclSet",
		drift:           func(o aivensim.Outside) error { return o.SetOpenSearchACL(map[string]any{"enabled": false}) },
		vanish: func(o aivensim.Outside, _ string) error {
			return o.SetOpenSearchACL(map[string]any{"enabled": false, "acls": []any{}})
		},
	},
}

func hasAccess(sv aivensim.Service, user, key string) bool {
	u, ok := sv.User(user)
	return ok && u.AccessControl != nil && u.AccessControl.ValkeyACLKeys != nil && slices.Contains(*u.AccessControl.ValkeyACLKeys, key)
}

func service(plan string) map[string]any {
	return map[string]any{"plan": plan, "cloudName": "google-europe-west1"}
}

func TestEveryKindHasACase(t *testing.T) {
	for _, kind := range controller.Kinds() {
		if _, ok := kindCases[kind.Name]; !ok {
			t.Errorf("%s has a controller and no case in this package", kind.Name)
		}
	}
	if len(kindCases) != len(controller.Kinds()) {
		t.Errorf("%d cases for %d kinds", len(kindCases), len(controller.Kinds()))
	}
}

// forEveryKind runs a test once per kind, side by side.
func forEveryKind(t *testing.T, test func(t *testing.T, kind string, c kindCase)) {
	for _, kind := range slices.Sorted(maps.Keys(kindCases)) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, kind, kindCases[kind])
		})
	}
}

// object builds an object of a kind, living in the service "host" unless it is
// one itself.
func (e *env) object(kind, name string, change ...func(spec map[string]any)) *unstructured.Unstructured {
	c := kindCases[kind]
	spec := runtime.DeepCopyJSON(c.spec)
	spec["project"] = project
	if c.host != "" && c.inService() {
		spec["serviceName"] = "host"
	}
	for _, f := range change {
		f(spec)
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.SchemeGroupVersion.String(),
		"kind":       kind,
		"metadata":   map[string]any{"name": name, "namespace": e.ns},
		"spec":       spec,
	}}
}

// tokenOf makes an object name the key token of a Secret.
func tokenOf(secret string) func(map[string]any) { return tokenKey(secret, "token") }

func tokenKey(secret, key string) func(map[string]any) {
	return func(spec map[string]any) {
		spec["authSecretRef"] = map[string]any{"name": secret, "key": key}
	}
}

func set(field string, value any) func(map[string]any) {
	return func(spec map[string]any) { spec[field] = value }
}

// host makes the service that children of this kind live in, from outside.
func (e *env) host(kind string) {
	e.Helper()
	c := kindCases[kind]
	if c.host != "" {
		e.hostWith(c.host, c.hostConfig)
	}
	if c.prepare != nil {
		c.prepare(e)
	}
}

func (e *env) hostOf(serviceType string) {
	e.Helper()
	e.hostWith(serviceType, nil)
}

// hostWith makes a service of a type with a user configuration.
func (e *env) hostWith(serviceType string, config map[string]any) {
	e.Helper()
	plan := "startup-4"
	if serviceType == "kafka" {
		plan = "startup-2"
	}
	err := e.sim.Console("POST", "/v1/project/"+project+"/service", map[string]any{
		"service_name": "host", "service_type": serviceType, "plan": plan, "cloud": "google-europe-west1", "user_config": config,
	})
	if err != nil {
		e.Fatal(err)
	}
}

// vanish deletes the remote of the object x of a kind from outside.
func (e *env) vanish(kind, name string) {
	e.Helper()
	var err error
	switch c := kindCases[kind]; {
	case c.vanishAt != nil:
		err = c.vanishAt(e, name)
	case c.vanishFrom != nil:
		err = c.vanishFrom(e.sim.OutsideProject(project), name)
	default:
		err = c.vanish(e.sim.Outside(project, e.serviceName(kind)), name)
	}
	if err != nil {
		e.Fatal(err)
	}
}

func resourceOf(kind string) schema.GroupVersionResource {
	for _, k := range controller.Kinds() {
		if k.Name == kind {
			return v1alpha1.SchemeGroupVersion.WithResource(k.Resource)
		}
	}
	panic("no kind " + kind)
}

func (e *env) client(kind string) dynamic.ResourceInterface {
	e.Helper()
	client, err := dynamic.NewForConfig(e.cluster.Config())
	if err != nil {
		e.Fatal(err)
	}
	return client.Resource(resourceOf(kind)).Namespace(e.ns)
}

func (e *env) create(obj *unstructured.Unstructured) {
	e.Helper()
	if _, err := e.client(obj.GetKind()).Create(e.ctx, obj, metav1.CreateOptions{}); err != nil {
		e.Fatal(err)
	}
}

// patch merges into an object.
func (e *env) patch(kind, name, body string) {
	e.Helper()
	if _, err := e.client(kind).Patch(e.ctx, name, "application/merge-patch+json", []byte(body), metav1.PatchOptions{FieldManager: "kubectl"}); err != nil {
		e.Fatal(err)
	}
}

func (e *env) annotate(kind, name, key, value string) {
	e.Helper()
	e.patch(kind, name, fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, key, value))
}

func (e *env) delete(kind, name string) {
	e.Helper()
	if err := e.client(kind).Delete(e.ctx, name, metav1.DeleteOptions{}); err != nil {
		e.Fatal(err)
	}
}

func (e *env) get(kind, name string) *unstructured.Unstructured {
	e.Helper()
	obj, err := e.client(kind).Get(e.ctx, name, metav1.GetOptions{})
	if err != nil {
		e.Fatal(err)
	}
	return obj
}

// conditions reads an object for wantCondition.
func (e *env) conditions(kind, name string) func() (metav1.Object, []metav1.Condition, error) {
	client := e.client(kind)
	return func() (metav1.Object, []metav1.Condition, error) {
		obj, err := client.Get(e.ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, nil, err
		}
		var typed struct {
			Status struct {
				Conditions []metav1.Condition `json:"conditions"`
			} `json:"status"`
		}
		err = runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &typed)
		return obj, typed.Status.Conditions, err
	}
}

// ready waits until an object is Ready.
func (e *env) ready(kind, name string) {
	e.Helper()
	e.wantReady(e.conditions(kind, name))
}

// unready waits until an object is not Ready for a reason and returns the
// message.
func (e *env) unready(kind, name, reason string) string {
	e.Helper()
	return e.wantCondition("Ready", metav1.ConditionFalse, reason, e.conditions(kind, name)).Message
}

// gone waits until an object is gone.
func (e *env) gone(kind, name string) {
	e.Helper()
	client := e.client(kind)
	e.eventually(kind+" "+name+" to be gone", func() error {
		obj, err := client.Get(e.ctx, name, metav1.GetOptions{})
		if err == nil {
			return fmt.Errorf("it is still there: finalizers %v, status %v", obj.GetFinalizers(), obj.Object["status"])
		}
		return ignoreNotFound(err)
	})
}

// remotes returns the names of what exists of a kind at the simulator, but for
// the host.
func (e *env) remotes(kind string) []string {
	var names []string
	for _, o := range e.sim.Objects() {
		name := o.Name
		switch o.Kind {
		case "service":
			name = o.Service
		case "project":
			if name = o.Project; name == project {
				continue
			}
		}
		if o.Kind == kindCases[kind].remote && (o.Kind != "service" || name != "host") {
			names = append(names, name)
		}
	}
	return names
}

// tokensUsed returns the names of the tokens that requests came with.
func (e *env) tokensUsed(filters ...aivensim.Filter) []string {
	used := map[string]bool{}
	for _, r := range e.sim.Requests(filters...) {
		used[r.Token] = true
	}
	return slices.Sorted(maps.Keys(used))
}

func unstructuredBool(obj *unstructured.Unstructured, path ...string) (bool, bool, error) {
	return unstructured.NestedBool(obj.Object, path...)
}
