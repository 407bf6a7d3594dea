// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bailiwick-operator/bailiwick/tests/aivensim"
)

// What a connector's configuration takes from a Secret is compared with the
// remote at every look, so a change made while no operator ran counts too. The
// value shows nowhere but at Aiven.
func TestConnectorFollowsSecrets(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.host("KafkaConnector")
	e.start()
	e.create(e.object("KafkaConnector", "x", set("userConfig", map[string]any{
		"http.url": "https://example.com", "http.headers.authorization": `Bearer {{ fromSecret "api" "credential" }}`,
	})))
	if message := e.unready("KafkaConnector", "x", "SourceSecretUnusable"); !strings.Contains(message, `Secret "api", named by spec.userConfig.http.headers.authorization, does not exist`) {
		t.Errorf("message is %s", message)
	}

	const first, second = "first-value-57", "second-value-91"
	secrets := e.kube.CoreV1().Secrets(e.ns)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "api"}, Data: map[string][]byte{"credential": []byte(first)}}
	secret, err := secrets.Create(e.ctx, secret, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e.annotate("KafkaConnector", "x", "example.com/look", "1")
	e.ready("KafkaConnector", "x")
	configured := func(value string) func() error {
		return func() error {
			sv, _ := e.serviceOf("KafkaConnector")
			if len(sv.Connectors) != 1 || sv.Connectors[0].Config["http.headers.authorization"] != "Bearer "+value {
				return fmt.Errorf("connectors are %+v", sv.Connectors)
			}
			return nil
		}
	}
	e.eventually("the first value", configured(first))

	e.stopOperator()
	secret.Data["credential"] = []byte(second)
	if _, err := secrets.Update(e.ctx, secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	e.start()
	e.eventually("the second value", configured(second))
	e.ready("KafkaConnector", "x")

	t.Log("The connector fails and says why")
	e.stopOperator()
	if err := e.sim.SetConnectorState(project, "host", "x", "FAILED", "denied: Bearer "+second); err != nil {
		t.Fatal(err)
	}
	e.start()
	e.eventually("the state FAILED", func() error {
		if got, _, _ := unstructured.NestedString(e.get("KafkaConnector", "x").Object, "status", "state"); got != "FAILED" {
			return fmt.Errorf("state is %q", got)
		}
		return nil
	})
	if message := e.unready("KafkaConnector", "x", "NotReady"); message != "Connector is FAILED." {
		t.Errorf("message is %s", message)
	}
	obj := e.get("KafkaConnector", "x")
	if got, _, _ := unstructured.NestedString(obj.Object, "status", "tasksStatus", "stackTrace"); got != "denied: Bearer [redacted]" {
		t.Errorf("stack trace is %q", got)
	}
	if got, _, _ := unstructured.NestedString(obj.Object, "status", "pluginStatus", "title"); got != "HTTP sink" {
		t.Errorf("plugin is %q", got)
	}
	raw, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{first, second} {
		if strings.Contains(string(raw), value) || strings.Contains(e.logs.String(), value) {
			t.Errorf("the value %s shows in the object or in the log", value)
		}
	}

	t.Log("A connector can be deleted without its Secrets")
	if err := secrets.Delete(e.ctx, "api", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	e.delete("KafkaConnector", "x")
	e.gone("KafkaConnector", "x")
	e.noRemote("KafkaConnector")
}

func jsonSchema(name, schema string, references ...any) func(map[string]any) {
	return func(spec map[string]any) {
		spec["subjectName"], spec["schema"], spec["schemaType"], spec["compatibilityLevel"] = name, schema, "JSON", "NONE"
		if len(references) > 0 {
			spec["references"] = references
		}
	}
}

// A schema that references the object of another one waits for it, follows its
// version, and is deleted before it.
func TestSchemaReferences(t *testing.T) {
	t.Parallel()
	e := lifecycleEnv(t, aivensim.Options{})
	e.host("KafkaSchema")
	e.start()
	e.create(e.object("KafkaSchema", "user", jsonSchema("user", `{"$ref":"base.json"}`,
		map[string]any{"name": "base.json", "kafkaSchemaRef": map[string]any{"name": "base"}})))
	e.unready("KafkaSchema", "user", "WaitingForSchema")
	e.create(e.object("KafkaSchema", "base", jsonSchema("base", `{"type":"string"}`)))
	e.ready("KafkaSchema", "base")
	e.ready("KafkaSchema", "user")
	references := func(version int) func() error {
		return func() error {
			sv, _ := e.serviceOf("KafkaSchema")
			for _, s := range sv.Registry.Subjects {
				if s.Name != "user" {
					continue
				}
				latest := sv.Registry.Schemas[s.Versions[len(s.Versions)-1].ID-1]
				if len(latest.References) == 1 && latest.References[0] == (aivensim.SchemaReference{Name: "base.json", Subject: "base", Version: version}) {
					return nil
				}
			}
			return fmt.Errorf("registry is %+v", sv.Registry)
		}
	}
	e.eventually("the reference to version 1", references(1))
	e.patch("KafkaSchema", "base", `{"spec":{"schema":"{\"type\":\"integer\"}"}}`)
	e.eventually("the reference to version 2", references(2))
	e.ready("KafkaSchema", "user")
	e.wantVersion("user", 2)

	e.delete("KafkaSchema", "base")
	e.unready("KafkaSchema", "base", "WaitingForDependents")
	e.delete("KafkaSchema", "user")
	e.gone("KafkaSchema", "user")
	e.gone("KafkaSchema", "base")
	e.noRemote("KafkaSchema")
}

func (e *env) wantVersion(name string, want int64) {
	e.Helper()
	e.eventually(fmt.Sprintf("version %d of %s", want, name), func() error {
		if got, _, _ := unstructured.NestedInt64(e.get("KafkaSchema", name).Object, "status", "version"); got != want {
			return fmt.Errorf("got %d", got)
		}
		return nil
	})
}

// A version that others add is theirs; going back to an old schema finds its old
// version; a schema that is not compatible is refused with the reason.
func TestSchemaVersions(t *testing.T) {
	t.Parallel()
	record := func(fields string) string {
		return `{"type":"record","name":"r","fields":[` + fields + `]}`
	}
	const a, withDefault, without = `{"name":"a","type":"string"}`, `,{"name":"b","type":"int","default":0}`, `,{"name":"c","type":"int"}`
	schemaPatch := func(schema string) string {
		raw, err := json.Marshal(map[string]any{"spec": map[string]any{"schema": schema}})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	posts := aivensim.ByOperation("ServiceSchemaRegistrySubjectVersionPost")

	e := lifecycleEnv(t, aivensim.Options{})
	e.host("KafkaSchema")
	e.start()
	e.create(e.object("KafkaSchema", "x", set("schema", record(a))))
	e.ready("KafkaSchema", "x")
	e.wantVersion("x", 1)

	e.patch("KafkaSchema", "x", schemaPatch(record(a+without)))
	if message := e.unready("KafkaSchema", "x", "RejectedByAiven"); !strings.Contains(message, "Incompatible schema") {
		t.Errorf("message is %s", message)
	}
	e.patch("KafkaSchema", "x", schemaPatch(record(a+withDefault)))
	e.ready("KafkaSchema", "x")
	e.wantVersion("x", 2)

	e.patch("KafkaSchema", "x", schemaPatch(record(a)))
	e.ready("KafkaSchema", "x")
	e.wantVersion("x", 1)

	e.stopOperator()
	before := len(e.sim.Requests(posts))
	if err := e.sim.Outside(project, "host").AddSchema("s", map[string]any{"schema": record(`{"name":"a","type":"string","default":""}`)}); err != nil {
		t.Fatal(err)
	}
	e.start()
	e.annotate("KafkaSchema", "x", "example.com/look", "1")
	// A change that only a look at the registry finds.
	if err := e.sim.Outside(project, "host").SetCompatibility("s", "FULL"); err != nil {
		t.Fatal(err)
	}
	e.eventually("the compatibility level to be repaired", func() error {
		sv, _ := e.serviceOf("KafkaSchema")
		if got := sv.Registry.Subjects[0].Level; got != "BACKWARD" {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
	e.ready("KafkaSchema", "x")
	e.wantVersion("x", 1)
	if after := len(e.sim.Requests(posts)); after != before {
		t.Errorf("a registered schema was registered again: %d requests", after-before)
	}
}
