// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// recorded is one object as the aiven-operator leaves it, from testdata/takeover,
// and the Secret that it published for it, if any.
type recorded struct {
	object *unstructured.Unstructured
	secret *corev1.Secret
}

func (r recorded) kind() string { return r.object.GetKind() }
func (r recorded) name() string { return r.object.GetName() }

// readRecorded reads all of testdata/takeover, with facts in place of what only
// Aiven knows; nil leaves that empty.
func readRecorded(t *testing.T, facts map[string]string) []recorded {
	t.Helper()
	files, err := filepath.Glob("testdata/takeover/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded objects: %v", err)
	}
	expand := func(s string) string {
		return os.Expand(s, func(name string) string {
			value, ok := facts[name]
			if !ok && facts != nil {
				t.Fatalf("nothing is known of %s", name)
			}
			return value
		})
	}
	var out []recorded
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var r recorded
		decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(string(raw)), 4096)
		for {
			var doc map[string]any
			if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			doc, _ = expandAll(doc, expand).(map[string]any)
			if doc["kind"] != "Secret" {
				r.object = &unstructured.Unstructured{Object: doc}
				continue
			}
			encoded, err := json.Marshal(doc)
			if err == nil {
				err = json.Unmarshal(encoded, &r.secret)
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
		out = append(out, r)
	}
	return out
}

// expandAll applies expand to every text in a document. Whole numbers become what
// the API server has.
func expandAll(v any, expand func(string) string) any {
	switch v := v.(type) {
	case string:
		return expand(v)
	case float64:
		return int64(v)
	case []any:
		for i := range v {
			v[i] = expandAll(v[i], expand)
		}
	case map[string]any:
		for key := range v {
			v[key] = expandAll(v[key], expand)
		}
	}
	return v
}

// remotesOfPeer makes what the recorded objects stand for, and returns what Aiven
// decided.
func (e *env) remotesOfPeer() map[string]string {
	e.Helper()
	const services = "/v1/project/" + project + "/service"
	service := func(name, serviceType, plan string, config map[string]any) {
		e.Helper()
		e.outside(e.sim.Console("POST", services, map[string]any{
			"service_name": name, "service_type": serviceType, "plan": plan, "cloud": "google-europe-west1", "user_config": config,
			"maintenance": map[string]any{"dow": "sunday", "time": "11:00:00"}, "tech_emails": []any{},
		}))
	}
	service("my-pg", "pg", "startup-4", map[string]any{"work_mem": 8})
	service("my-kafka", "kafka", "startup-2", map[string]any{"schema_registry": true, "kafka_rest": true})
	service("my-clickhouse", "clickhouse", "startup-16", nil)
	pgOutside, kafkaOutside := e.sim.Outside(project, "my-pg"), e.sim.Outside(project, "my-kafka")
	e.outside(pgOutside.SetTags(map[string]string{"team": "a"}))
	e.outside(pgOutside.CreateDatabase("orders"))
	e.outside(pgOutside.CreateUser("my-user"))
	e.outside(pgOutside.ResetUser("my-user", "from-the-source"))
	e.outside(e.sim.Console("POST", services+"/my-pg/connection_pool", map[string]any{
		"pool_name": "my-pool", "database": "defaultdb", "username": "avnadmin", "pool_mode": "transaction", "pool_size": 10,
	}))
	e.outside(kafkaOutside.CreateTopic(map[string]any{"topic_name": "orders", "partitions": 3, "replication": 2, "config": map[string]any{"retention_ms": 1000}}))
	e.outside(kafkaOutside.SetCompatibility("orders", "BACKWARD"))
	e.outside(kafkaOutside.AddSchema("orders", map[string]any{"schema": `{"type":"record","name":"r","fields":[{"name":"a","type":"string"}]}`}))
	e.outside(e.sim.Outside(project, "my-clickhouse").CreateClickHouseUser("reader"))
	outside := e.sim.OutsideProject(project)
	integration, err := outside.CreateIntegration(map[string]any{
		"integration_type": "kafka_logs", "source_service": "my-pg", "dest_service": "my-kafka", "user_config": map[string]any{"kafka_topic": "orders"},
	})
	e.outside(err)
	vpc, err := outside.CreateVPC("google-europe-west1", "10.1.0.0/24")
	e.outside(err)
	e.outside(e.sim.Console("POST", "/v1/project", map[string]any{
		"project": "my-project", "tags": map[string]string{"team": "a"}, "billing_address": "NYC", "cloud": "google-europe-west1", "tech_emails": []any{},
	}))

	pg, kafka, clickhouse := mustService(e, e, "my-pg"), mustService(e, e, "my-kafka"), mustService(e, e, "my-clickhouse")
	admin, _ := pg.User("avnadmin")
	user, _ := pg.User("my-user")
	kafkaAdmin, _ := kafka.User("avnadmin")
	reader, _ := clickhouse.User("reader")
	// The ports of the registry and of REST follow that of Kafka.
	at := func(offset int) string {
		return fmt.Sprintf("https://avnadmin:%s@%s:%d", kafkaAdmin.Password, kafka.Host, kafka.Port+offset)
	}
	return map[string]string{
		"ca": e.sim.Project(project).CA(), "my-project.ca": e.sim.Project("my-project").CA(),
		"pg.host": pg.Host, "pg.port": fmt.Sprint(pg.Port), "pg.poolPort": fmt.Sprint(pg.Pools[0].Port),
		"pg.avnadmin.password": admin.Password, "pg.my-user.password": user.Password,
		"kafka.host": kafka.Host, "kafka.port": fmt.Sprint(kafka.Port),
		"kafka.avnadmin.password": kafkaAdmin.Password, "kafka.avnadmin.cert": kafkaAdmin.AccessCert, "kafka.avnadmin.key": kafkaAdmin.AccessKey,
		"kafka.registryPort": fmt.Sprint(kafka.Port + 2), "kafka.registryURI": at(2),
		"kafka.restPort": fmt.Sprint(kafka.Port + 3), "kafka.restURI": at(3),
		"clickhouse.host": clickhouse.Host, "clickhouse.port": fmt.Sprint(clickhouse.Port), "clickhouse.reader.uuid": reader.UUID,
		"integration.id": integration, "vpc.id": vpc,
	}
}

// restore writes a recorded object in the way that it came about: a person applied
// it; the aiven-operator put the whole object, with its finalizer and the fields
// that its types never leave out, then the whole status, and patched annotations.
func (e *env) restore(r recorded) {
	e.Helper()
	client, live := e.client(r.kind()), e.applied(r)
	var err error
	live.SetFinalizers(r.object.GetFinalizers())
	live.Object["spec"] = r.object.DeepCopy().Object["spec"]
	if live, err = client.Update(e.ctx, live, peer); err != nil {
		e.Fatal(err)
	}
	live.Object["status"] = r.object.DeepCopy().Object["status"]
	if live, err = client.UpdateStatus(e.ctx, live, peer); err != nil {
		e.Fatal(err)
	}
	annotations := r.object.GetAnnotations()
	// The full update may have made a second generation.
	annotations["controllers.aiven.io/generation-was-processed"] = fmt.Sprint(live.GetGeneration())
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations, "resourceVersion": live.GetResourceVersion()}})
	if err != nil {
		e.Fatal(err)
	}
	if live, err = client.Patch(e.ctx, r.name(), types.MergePatchType, body, metav1.PatchOptions{FieldManager: peer.FieldManager}); err != nil {
		e.Fatal(err)
	}
	e.restoreManagedFields(live)
	if r.secret != nil {
		owned := r.secret.DeepCopy()
		owned.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(live, live.GroupVersionKind())}
		if _, err := e.kube.CoreV1().Secrets(e.ns).Create(e.ctx, owned, metav1.CreateOptions{FieldManager: peer.FieldManager}); err != nil {
			e.Fatal(err)
		}
	}
}

// restoreManagedFields records the ownership of the conditions as the schema of the
// aiven-operator has it: there they are one value, here they are merged by type.
func (e *env) restoreManagedFields(live *unstructured.Unstructured) {
	e.Helper()
	entries := live.GetManagedFields()
	var managers []string
	for i, entry := range entries {
		managers = append(managers, entry.Manager+"/"+string(entry.Operation)+"/"+entry.Subresource)
		if entry.Subresource != "status" {
			continue
		}
		var fields map[string]map[string]any
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields); err != nil {
			e.Fatal(err)
		}
		fields["f:status"]["f:conditions"] = map[string]any{}
		raw, err := json.Marshal(fields)
		if err != nil {
			e.Fatal(err)
		}
		entries[i].FieldsV1 = metav1.NewFieldsV1(string(raw))
	}
	slices.Sort(managers)
	if want := []string{"kubectl-client-side-apply/Update/", "manager/Update/", "manager/Update/status"}; !slices.Equal(managers, want) {
		e.Fatalf("%s %s is managed by %v, want %v", live.GetKind(), live.GetName(), managers, want)
	}
	body, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/metadata/managedFields", "value": entries}})
	if err != nil {
		e.Fatal(err)
	}
	if _, err := e.client(live.GetKind()).Patch(e.ctx, live.GetName(), types.JSONPatchType, body, metav1.PatchOptions{FieldManager: peer.FieldManager}); err != nil {
		e.Fatal(err)
	}
	got, err := json.Marshal(e.get(live.GetKind(), live.GetName()).GetManagedFields())
	if err != nil || !strings.Contains(string(got), `"f:conditions":{}`) {
		e.Fatalf("the recorded ownership did not stay (error %v): %s", err, got)
	}
}

// What the aiven-operator left of eleven kinds, all in one namespace: nothing is
// sent to Aiven, the credentials stay byte for byte, and what was the
// aiven-operator's is ours and can go.
func TestTakeoverOfRecordedStates(t *testing.T) {
	t.Parallel()
	e := newEnv(t, aivensim.Options{Tokens: []aivensim.Token{tokenOwn}})
	e.change = append(e.change, quickEvents)
	objects := readRecorded(t, e.remotesOfPeer())
	e.tokenSecret("aiven-token", tokenOwn.Value)
	e.passwordSecret("source", "from-the-source")
	for _, r := range objects {
		e.restore(r)
	}
	before := e.sim.Objects()
	e.sim.ResetRequests()
	e.start()
	for _, r := range objects {
		e.ready(r.kind(), r.name())
		e.eventually("nothing of the peer's to be left on "+r.kind(), func() error { return e.tracesOfPeer(r) })
	}
	for _, r := range e.sim.Requests(aivensim.Mutating) {
		t.Errorf("Aiven was sent %s %s", r.Method, r.Path)
	}
	if after := e.sim.Objects(); !reflect.DeepEqual(after, before) {
		t.Errorf("at Aiven there are %v, before there were %v", after, before)
	}

	if finalizers := e.secret("aiven-token").Finalizers; len(finalizers) != 0 {
		t.Errorf("the token's Secret has the finalizers %v", finalizers)
	}

	t.Log("What the user changes arrives, and what he removes goes")
	e.patch("PostgreSQL", "my-pg", `{"spec":{"maintenanceWindowDow":"monday"}}`)
	e.ready("PostgreSQL", "my-pg")
	if sv := mustService(t, e, "my-pg"); sv.Maintenance.Dow != "monday" {
		t.Errorf("the maintenance window is %+v", sv.Maintenance)
	}

	t.Log("Deleting all of it, in the order of the alphabet")
	for _, r := range objects {
		e.delete(r.kind(), r.name())
	}
	for _, r := range objects {
		e.gone(r.kind(), r.name())
	}
	for _, o := range e.sim.Objects() {
		if o.Kind != "project" && o.Service != "my-clickhouse" || o.Project == "my-project" {
			t.Errorf("%s %s %s remains at Aiven", o.Kind, o.Service, o.Name)
		}
	}
}

// Any operator whose binary is called "manager" signs as the aiven-operator does.
// What such a one has put into the spec, the labels and the annotations stays.
func TestTakeoverLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.outside(e.sim.Console("POST", "/v1/project/"+project+"/service", map[string]any{
		"service_name": "x", "service_type": "pg", "plan": "startup-4", "cloud": "google-europe-west1", "tags": map[string]string{"team": "a"},
	}))
	obj := e.object("PostgreSQL", "x", set("tags", map[string]any{"team": "a"}))
	obj.SetFinalizers([]string{"finalizers.aiven.io/delete-remote-resource", "example.com/theirs"})
	obj.SetLabels(map[string]string{"team": "a"})
	theirs := map[string]string{"example.com/note": "kept", "controllers.aiven.io/deletion-policy": "Orphan"}
	obj.SetAnnotations(map[string]string{"controllers.aiven.io/secret-source-updated": "1"})
	for key, value := range theirs {
		annotations := obj.GetAnnotations()
		annotations[key] = value
		obj.SetAnnotations(annotations)
	}
	made, err := e.client("PostgreSQL").Create(e.ctx, obj, metav1.CreateOptions{FieldManager: peer.FieldManager})
	if err != nil {
		t.Fatal(err)
	}
	e.start()
	e.ready("PostgreSQL", "x")
	e.eventually("the annotation of the aiven-operator's to be gone", func() error {
		if got := e.get("PostgreSQL", "x").GetAnnotations(); got["controllers.aiven.io/secret-source-updated"] != "" {
			return fmt.Errorf("annotations are %v", got)
		}
		return nil
	})
	got := e.get("PostgreSQL", "x")
	if !reflect.DeepEqual(got.Object["spec"], made.Object["spec"]) || !reflect.DeepEqual(got.GetLabels(), made.GetLabels()) ||
		!slices.Equal(got.GetFinalizers(), made.GetFinalizers()) {
		t.Errorf("the object is %v, was %v", got.Object, made.Object)
	}
	for key, value := range theirs {
		if got.GetAnnotations()[key] != value {
			t.Errorf("annotation %s is %q", key, got.GetAnnotations()[key])
		}
	}
	if n := e.sim.Count(aivensim.Mutating); n != 0 {
		t.Errorf("%d changes were sent to Aiven", n)
	}
	e.patch("PostgreSQL", "x", `{"metadata":{"finalizers":["finalizers.aiven.io/delete-remote-resource"]}}`)
	e.delete("PostgreSQL", "x")
	e.gone("PostgreSQL", "x")
	e.onlyRemote("PostgreSQL")
}

// tracesOfPeer says what of an object and its Secret is still the aiven-operator's.
func (e *env) tracesOfPeer(r recorded) error {
	obj := e.get(r.kind(), r.name())
	for _, entry := range obj.GetManagedFields() {
		// Of the spec nothing is taken from anybody: who else is called "manager" is
		// not known.
		if fields := entry.FieldsV1.GetRawString(); entry.Manager == peer.FieldManager && !strings.HasPrefix(fields, `{"f:spec":`) {
			return fmt.Errorf("it manages %q still: %s", entry.Subresource, fields)
		}
	}
	_, conditions, err := e.conditions(r.kind(), r.name())()
	if err != nil {
		return err
	}
	for _, condition := range conditions {
		if condition.Type == "Error" || condition.Message == "Checking preconditions" && condition.Type != "Initialized" {
			return fmt.Errorf("a condition is stale: %+v", condition)
		}
	}
	for _, key := range []string{"secret-source-updated", "kafka-schema-applied"} {
		if value, ok := obj.GetAnnotations()["controllers.aiven.io/"+key]; ok {
			return fmt.Errorf("annotation %s is %s", key, value)
		}
	}
	if obj.GetAnnotations()["example.com/the-users"] != "kept" {
		return errors.New("an annotation of the user's is gone")
	}
	spec, want := obj.Object["spec"], r.object.Object["spec"]
	if !reflect.DeepEqual(spec, want) {
		return fmt.Errorf("the spec is %v, was %v", spec, want)
	}
	if r.secret == nil {
		return nil
	}
	return e.tracesOnSecret(r, obj.GetUID())
}

func (e *env) tracesOnSecret(r recorded, owner types.UID) error {
	secret, err := e.kube.CoreV1().Secrets(e.ns).Get(e.ctx, r.secret.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	want := map[string]string{}
	for key, value := range r.secret.StringData {
		if !strings.HasPrefix(key, "OLD_PREFIX_") {
			want[key] = value
		}
	}
	for key, value := range want {
		if got, ok := secret.Data[key]; !ok || string(got) != value {
			return fmt.Errorf("key %s of the Secret is %q, was %q", key, got, value)
		}
	}
	for key := range secret.Data {
		if _, ok := want[key]; !ok {
			return fmt.Errorf("the Secret has the key %s, which nobody publishes", key)
		}
	}
	if ref := metav1.GetControllerOf(secret); ref == nil || ref.UID != owner || ref.BlockOwnerDeletion != nil {
		return fmt.Errorf("controller reference is %+v", ref)
	}
	for _, entry := range secret.ManagedFields {
		if entry.Manager == peer.FieldManager {
			return fmt.Errorf("the peer manages fields of the Secret: %s", entry.FieldsV1.GetRawString())
		}
	}
	return nil
}
