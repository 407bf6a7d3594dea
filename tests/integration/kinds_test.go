// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"maps"
	"slices"
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
	// drift changes the remote from outside; nil where Aiven can change nothing.
	drift func(o aivensim.Outside) error
	// vanish deletes the remote from outside.
	vanish func(o aivensim.Outside, name string) error
}

// kindCases has an entry for every kind of the table of controllers, which
// TestEveryKindHasACase makes sure of.
var kindCases = map[string]kindCase{
	"PostgreSQL": {
		spec: service("startup-4"), remote: "service", publishes: true,
		keys:            []string{"POSTGRESQL_HOST", "POSTGRESQL_PASSWORD", "POSTGRESQL_DATABASE_URI", "POSTGRESQL_CA_CERT", "PGHOST", "DATABASE_URI"},
		edit:            `{"spec":{"maintenanceWindowDow":"monday","tags":{"team":"a"},"userConfig":{"pg":{"work_mem":8}}}}`,
		edited:          func(sv aivensim.Service) bool { return sv.Maintenance.Dow == "monday" && sv.Tags["team"] == "a" },
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
	if c.host != "" {
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
	if c.host == "" {
		return
	}
	e.hostOf(c.host)
}

func (e *env) hostOf(serviceType string) {
	e.Helper()
	plan := "startup-4"
	if serviceType == "kafka" {
		plan = "startup-2"
	}
	err := e.sim.Console("POST", "/v1/project/"+project+"/service", map[string]any{
		"service_name": "host", "service_type": serviceType, "plan": plan, "cloud": "google-europe-west1",
	})
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
		if o.Kind == "service" {
			name = o.Service
		}
		if o.Kind == kindCases[kind].remote && name != "host" {
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
