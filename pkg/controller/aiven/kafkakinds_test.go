// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"errors"
	"slices"
	"testing"

	"github.com/aiven/go-client-codegen/handler/kafka"
	"github.com/aiven/go-client-codegen/handler/kafkaconnect"
	"github.com/aiven/go-client-codegen/handler/kafkaschemaregistry"
	"github.com/aiven/go-client-codegen/handler/opensearch"
	"github.com/aiven/go-client-codegen/handler/service"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

func TestNativeACLSays(t *testing.T) {
	spec := v1alpha1.KafkaNativeACLSpec{
		Host: "*", Operation: "Read", PatternType: "LITERAL", PermissionType: "ALLOW",
		Principal: "User:a", ResourceName: "t", ResourceType: "Topic",
	}
	entry := service.KafkaAclOut{
		Host: "*", Id: "1", Operation: "Read", PatternType: "LITERAL", PermissionType: "ALLOW",
		Principal: "User:a", ResourceName: "t", ResourceType: "Topic",
	}
	if !nativeACLSays(entry, &spec) {
		t.Error("an equal entry does not count")
	}
	for name, change := range map[string]func(*service.KafkaAclOut){
		"host":       func(e *service.KafkaAclOut) { e.Host = "1.2.3.4" },
		"operation":  func(e *service.KafkaAclOut) { e.Operation = "Write" },
		"pattern":    func(e *service.KafkaAclOut) { e.PatternType = "PREFIXED" },
		"permission": func(e *service.KafkaAclOut) { e.PermissionType = "DENY" },
		"principal":  func(e *service.KafkaAclOut) { e.Principal = "User:b" },
		"resource":   func(e *service.KafkaAclOut) { e.ResourceName = "u" },
		"type":       func(e *service.KafkaAclOut) { e.ResourceType = "Group" },
	} {
		other := entry
		change(&other)
		if nativeACLSays(other, &spec) {
			t.Errorf("an entry with another %s counts", name)
		}
	}
}

func TestQuotaDiffers(t *testing.T) {
	spec := v1alpha1.KafkaQuotaSpec{ConsumerByteRate: new(int64(0)), RequestPercentage: new(12.5)}
	for name, c := range map[string]struct {
		quota  kafka.ServiceKafkaQuotaDescribeOut
		want   []string
		excess bool
	}{
		"the same":          {quota: kafka.ServiceKafkaQuotaDescribeOut{ConsumerByteRate: new(0.0), RequestPercentage: new(12.5)}},
		"other value":       {quota: kafka.ServiceKafkaQuotaDescribeOut{ConsumerByteRate: new(0.0), RequestPercentage: new(13.0)}, want: []string{"requestPercentage"}},
		"zero is not unset": {quota: kafka.ServiceKafkaQuotaDescribeOut{RequestPercentage: new(12.5)}, want: []string{"consumerByteRate"}},
		"one too many": {
			quota: kafka.ServiceKafkaQuotaDescribeOut{ConsumerByteRate: new(0.0), ProducerByteRate: new(0.0), RequestPercentage: new(12.5)},
			want:  []string{"producerByteRate"}, excess: true,
		},
	} {
		got, excess := quotaDiffers(&spec, &c.quota)
		if !slices.Equal(got, c.want) || excess != c.excess {
			t.Errorf("%s: got %v, %t, want %v, %t", name, got, excess, c.want, c.excess)
		}
	}
}

func TestOpenSearchACLDiffers(t *testing.T) {
	spec := v1alpha1.OpenSearchACLConfigSpec{Enabled: true, ACLs: []v1alpha1.OpenSearchACL{
		{Username: "a", Rules: []v1alpha1.OpenSearchACLRule{{Index: "i", Permission: "read"}, {Index: "j", Permission: "deny"}}},
		{Username: "b"},
	}}
	a := opensearch.AclOut{Username: "a", Rules: []opensearch.RuleOut{{Index: "j", Permission: "deny"}, {Index: "i", Permission: "read"}}}
	b := opensearch.AclOut{Username: "b"}
	for name, c := range map[string]struct {
		config opensearch.ServiceOpenSearchAclGetOut
		want   []string
	}{
		"the same in another order": {config: opensearch.ServiceOpenSearchAclGetOut{Enabled: true, Acls: []opensearch.AclOut{b, a}}},
		"disabled":                  {config: opensearch.ServiceOpenSearchAclGetOut{Acls: []opensearch.AclOut{a, b}}, want: []string{"enabled"}},
		"user without rules is gone": {
			config: opensearch.ServiceOpenSearchAclGetOut{Enabled: true, Acls: []opensearch.AclOut{a}}, want: []string{"acls"},
		},
		"other permission": {
			config: opensearch.ServiceOpenSearchAclGetOut{Enabled: true, Acls: []opensearch.AclOut{b, {
				Username: "a", Rules: []opensearch.RuleOut{{Index: "i", Permission: "write"}, {Index: "j", Permission: "deny"}},
			}}},
			want: []string{"acls"},
		},
		"nothing": {want: []string{"enabled", "acls"}},
	} {
		if got := compareOpenSearchACL(&v1alpha1.OpenSearchACLConfig{Spec: spec}, &c.config).differs; !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestConnectorDiffers(t *testing.T) {
	want := map[string]string{"name": "x", "connector.class": "c", "a": "1", "empty": ""}
	for name, c := range map[string]struct {
		got  map[string]string
		want []string
	}{
		"the same":    {got: map[string]string{"name": "x", "connector.class": "c", "a": "1", "empty": ""}},
		"no name":     {got: map[string]string{"connector.class": "c", "a": "1", "empty": ""}},
		"differences": {got: map[string]string{"name": "x", "connector.class": "d", "a": "2", "b": "3"}, want: []string{"connectorClass", "userConfig.a", "userConfig.b", "userConfig.empty"}},
	} {
		if got := connectorDiffers(want, c.got); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestCountTasks(t *testing.T) {
	type task = kafkaconnect.ServiceKafkaConnectGetConnectorStatusTaskOut
	got := countTasks([]task{
		{State: "RUNNING"}, {State: "RUNNING"}, {State: "FAILED", Trace: "can't log in with hunter22"}, {State: "FAILED", Trace: "other"},
		{State: "PAUSED"}, {State: "UNASSIGNED"}, {State: "STOPPED"},
	}, &fromSecret{used: []string{"hunter22"}})
	want := v1alpha1.KafkaConnectorTasksStatus{
		Total: 7, Running: 2, Failed: 2, Paused: 1, Unassigned: 1, Unknown: 1, StackTrace: "can't log in with [redacted]",
	}
	if *got != want {
		t.Errorf("got %+v, want %+v", *got, want)
	}
}

func TestSameSchema(t *testing.T) {
	const avro, jsonSchema, protobuf = kafkaschemaregistry.SchemaTypeAvro, kafkaschemaregistry.SchemaTypeJson, kafkaschemaregistry.SchemaTypeProtobuf
	for name, c := range map[string]struct {
		language kafkaschemaregistry.SchemaType
		a, b     string
		want     bool
	}{
		"space and order":               {avro, `{"type": "record", "name": "r", "fields": []}`, `{"name":"r","fields":[],"type":"record"}`, true},
		"long form of a primitive type": {avro, `{"type":"array","items":{"type":"string"}}`, `{"items":"string","type":"array"}`, true},
		"primitive alone":               {avro, `{"type":"string"}`, `"string"`, true},
		"other type":                    {avro, `{"type":"array","items":"string"}`, `{"type":"array","items":"bytes"}`, false},
		"order of fields":               {avro, `{"fields":[{"name":"a"},{"name":"b"}]}`, `{"fields":[{"name":"b"},{"name":"a"}]}`, false},
		"annotated type":                {avro, `{"type":"long","logicalType":"date"}`, `"long"`, false},
		"no JSON":                       {avro, `x`, `y`, false},
		"JSON keeps the long form":      {jsonSchema, `{"type":"string"}`, `"string"`, false},
		"JSON space":                    {jsonSchema, `{ "type": "string" }`, `{"type":"string"}`, true},
		"large numbers":                 {jsonSchema, `{"maximum":9007199254740993}`, `{"maximum":9007199254740992}`, false},
		"Protobuf space and comments":   {protobuf, "// c\nmessage M {\n  string a=1; /* x */\n}", `message M { string a = 1; }`, true},
		"Protobuf strings":              {protobuf, `import "a//b.proto";`, `import "a//c.proto";`, false},
		"Protobuf words":                {protobuf, `int32 a`, `int 32a`, false},
		"Protobuf open ends":            {protobuf, `message "a\`, `message /*`, false},
	} {
		if got := sameSchema(c.language, c.a, c.b); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestVersionSays(t *testing.T) {
	references := []kafkaschemaregistry.ReferenceIn{{Name: "b", Subject: "s", Version: 1}, {Name: "a", Subject: "t", Version: 2}}
	want := kafkaschemaregistry.ServiceSchemaRegistrySubjectVersionPostIn{Schema: `{}`, SchemaType: kafkaschemaregistry.SchemaTypeJson, References: &references}
	version := func(change func(*schemaVersion)) *schemaVersion {
		v := &schemaVersion{Schema: `{ }`, SchemaType: kafkaschemaregistry.SchemaTypeJson, References: []kafkaschemaregistry.ReferenceOut{
			{Name: "a", Subject: "t", Version: 2}, {Name: "b", Subject: "s", Version: 1},
		}}
		change(v)
		return v
	}
	if !versionSays(version(func(*schemaVersion) {}), &want) {
		t.Error("the same schema does not count")
	}
	if references[0].Name != "b" {
		t.Error("the wanted schema was changed")
	}
	for name, change := range map[string]func(*schemaVersion){
		"type":                 func(v *schemaVersion) { v.SchemaType = "" },
		"text":                 func(v *schemaVersion) { v.Schema = `{"a":1}` },
		"referenced version":   func(v *schemaVersion) { v.References[0].Version = 3 },
		"number of references": func(v *schemaVersion) { v.References = v.References[:1] },
	} {
		if versionSays(version(change), &want) {
			t.Errorf("another %s counts as the same", name)
		}
	}
	// The registry leaves out AVRO, and so may the spec.
	for _, language := range []kafkaschemaregistry.SchemaType{"", kafkaschemaregistry.SchemaTypeAvro} {
		in := kafkaschemaregistry.ServiceSchemaRegistrySubjectVersionPostIn{Schema: `"int"`, SchemaType: language}
		if !versionSays(&schemaVersion{Schema: `"int"`}, &in) {
			t.Errorf("an Avro schema is not recognised with type %q", language)
		}
	}
}

// A registry can show a schema in a form that is not recognised. Then its id
// tells, until the spec changes.
func TestAcceptedSchemas(t *testing.T) {
	h := newKafkaSchema()
	obj := &v1alpha1.KafkaSchema{ObjectMeta: metav1.ObjectMeta{UID: "u"}}
	want := &kafkaschemaregistry.ServiceSchemaRegistrySubjectVersionPostIn{Schema: "message A {}", SchemaType: kafkaschemaregistry.SchemaTypeProtobuf}
	s := &subject{versions: []int{1}, latest: &schemaVersion{Id: 7, Version: 1, Schema: "message A { option x = 1; }", SchemaType: kafkaschemaregistry.SchemaTypeProtobuf}}
	registered := func() bool {
		v, err := h.registered(nil, obj, want, s)
		if err != nil {
			t.Fatal(err)
		}
		return v != nil
	}
	if registered() {
		t.Error("an unknown form counts")
	}
	h.accepted.set(obj.UID, acceptedSchema{digest: digest(want), id: 7})
	if !registered() {
		t.Error("the id does not count")
	}
	want.Schema = "message B {}"
	if registered() {
		t.Error("the id counts for another schema")
	}
	h.Forget(obj.UID)
	if len(h.accepted.schemas) != 0 {
		t.Error("what is gone is remembered")
	}
}

func TestReferencedAndIncompatible(t *testing.T) {
	refused := &aiven.Error{Class: aiven.Invalid, Status: 422, Message: "One or more references exist to the schema"}
	var problem *reconcile.Problem
	if err := referenced(refused); !errors.As(err, &problem) || problem.Reason != reasonWaitingForDependents {
		t.Errorf("got %v", err)
	}
	other := &aiven.Error{Class: aiven.Invalid, Status: 422, Message: "no"}
	if err := referenced(other); !errors.Is(err, other) {
		t.Errorf("got %v", err)
	}
	if err := referenced(nil); err != nil {
		t.Errorf("got %v", err)
	}
	conflict := &aiven.Error{Class: aiven.Conflict, Status: 409, Message: "Incompatible schema"}
	if got := aiven.ClassOf(incompatible(conflict)); got != aiven.Invalid || conflict.Class != aiven.Conflict {
		t.Errorf("got %s and %s", got, conflict.Class)
	}
	if got := incompatible(refused); !errors.Is(got, refused) {
		t.Errorf("got %v", got)
	}
}
