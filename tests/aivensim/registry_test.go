// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"slices"
	"strings"
	"testing"

	"github.com/aiven/go-client-codegen/handler/kafkaschemaregistry"
	"github.com/aiven/go-client-codegen/handler/service"
)

type registrySim struct {
	*sim
	registry kafkaschemaregistry.KafkaSchemaRegistryHandler
}

func startRegistry(t *testing.T) *registrySim {
	s := startSim(t, Options{})
	_, err := s.service.ServiceCreate(t.Context(), testProject, &service.ServiceCreateIn{
		ServiceName: "kafka", ServiceType: "kafka", Plan: "business-4", UserConfig: &map[string]any{"schema_registry": true, "kafka_connect": true}})
	must(t, err)
	return &registrySim{sim: s, registry: kafkaschemaregistry.NewHandler(s.doer)}
}

func (s *registrySim) post(t *testing.T, subject string, in kafkaschemaregistry.ServiceSchemaRegistrySubjectVersionPostIn) (int, error) {
	return s.registry.ServiceSchemaRegistrySubjectVersionPost(t.Context(), testProject, "kafka", subject, &in)
}

func record(fields string) string {
	return `{"type":"record","name":"R","namespace":"ns","fields":[` + fields + `]}`
}

func avroSchema(text string) kafkaschemaregistry.ServiceSchemaRegistrySubjectVersionPostIn {
	return kafkaschemaregistry.ServiceSchemaRegistrySubjectVersionPostIn{Schema: text}
}

func TestSchemaVersions(t *testing.T) {
	s := startRegistry(t)
	ctx := t.Context()
	first, err := s.post(t, "a", avroSchema(record(`{"name":"x","type":"int"}`)))
	must(t, err)
	_, err = s.post(t, "a", avroSchema(record(`{"name":"x","type":"int"},{"name":"y","type":"string"}`)))
	wantStatus(t, err, 409, "Incompatible schema, compatibility_mode=BACKWARD")
	second, err := s.post(t, "a", avroSchema(record(`{"name":"x","type":"long"},{"name":"y","type":["null","string"],"default":null}`)))
	must(t, err)
	again, err := s.post(t, "a", avroSchema(strings.ReplaceAll(record(`{"name":"x","type":"int"}`), `"int"`, ` "int" `)))
	must(t, err)
	shared, err := s.post(t, "b", avroSchema(record(`{"name":"x","type":"int"}`)))
	must(t, err)
	if first != again || first != shared || second == first {
		t.Errorf("ids are %d, %d, again %d, of another subject %d", first, second, again, shared)
	}
	versions, err := s.registry.ServiceSchemaRegistrySubjectVersionsGet(ctx, testProject, "kafka", "a")
	must(t, err)
	got, err := s.registry.ServiceSchemaRegistrySubjectVersionGet(ctx, testProject, "kafka", "a", 2)
	must(t, err)
	if !slices.Equal(versions, []int{1, 2}) || got.Id != second || got.SchemaType != "" || got.Version != 2 {
		t.Errorf("versions are %v, the second is %+v", versions, got)
	}
	level, err := s.registry.ServiceSchemaRegistrySubjectConfigPut(ctx, testProject, "kafka", "a", &kafkaschemaregistry.ServiceSchemaRegistrySubjectConfigPutIn{Compatibility: "NONE"})
	must(t, err)
	if level != "NONE" {
		t.Errorf("level is %s", level)
	}
	_, err = s.post(t, "a", avroSchema(`"string"`))
	must(t, err)
	_, err = s.post(t, "a", avroSchema(`{"type":"record","name":"R"}`))
	wantStatus(t, err, 422, "Invalid AVRO schema")

	must(t, s.registry.ServiceSchemaRegistrySubjectDelete(ctx, testProject, "kafka", "a"))
	subjects, err := s.registry.ServiceSchemaRegistrySubjects(ctx, testProject, "kafka")
	must(t, err)
	if !slices.Equal(subjects, []string{"b"}) {
		t.Errorf("subjects are %q", subjects)
	}
	_, err = s.registry.ServiceSchemaRegistrySubjectVersionsGet(ctx, testProject, "kafka", "a")
	wantStatus(t, err, 404, "not found")
	_, err = s.post(t, "a", avroSchema(`"int"`))
	must(t, err)
	if versions, err = s.registry.ServiceSchemaRegistrySubjectVersionsGet(ctx, testProject, "kafka", "a"); err != nil || !slices.Equal(versions, []int{4}) {
		t.Errorf("after a soft deletion the versions are %v, %v", versions, err)
	}
	permanent := kafkaschemaregistry.ServiceSchemaRegistrySubjectDeletePermanent(true)
	wantStatus(t, s.registry.ServiceSchemaRegistrySubjectDelete(ctx, testProject, "kafka", "a", permanent), 404, "not deleted first")
	must(t, s.Outside(testProject, "kafka").DeleteSubject("a"))
	_, err = s.post(t, "a", avroSchema(`"int"`))
	must(t, err)
	if versions, err = s.registry.ServiceSchemaRegistrySubjectVersionsGet(ctx, testProject, "kafka", "a"); err != nil || !slices.Equal(versions, []int{1}) {
		t.Errorf("after a hard deletion the versions are %v, %v", versions, err)
	}
}

func TestSchemaReferences(t *testing.T) {
	s := startRegistry(t)
	proto := func(text string, refs ...kafkaschemaregistry.ReferenceIn) kafkaschemaregistry.ServiceSchemaRegistrySubjectVersionPostIn {
		in := kafkaschemaregistry.ServiceSchemaRegistrySubjectVersionPostIn{Schema: text, SchemaType: "PROTOBUF"}
		if refs != nil {
			in.References = &refs
		}
		return in
	}
	ref := kafkaschemaregistry.ReferenceIn{Name: "base.proto", Subject: "base", Version: 1}
	_, err := s.post(t, "user", proto(`import "base.proto"; message B {}`, ref))
	wantStatus(t, err, 422, "No schema reference found")
	_, err = s.post(t, "base", proto(`message A {}`))
	must(t, err)
	_, err = s.post(t, "user", proto(`import "base.proto"; message B {}`, ref))
	must(t, err)
	got, err := s.registry.ServiceSchemaRegistrySubjectVersionGet(t.Context(), testProject, "kafka", "user", 1)
	must(t, err)
	if got.SchemaType != "PROTOBUF" || len(got.References) != 1 || got.References[0].Subject != "base" {
		t.Errorf("version is %+v", got)
	}
	wantStatus(t, s.registry.ServiceSchemaRegistrySubjectDelete(t.Context(), testProject, "kafka", "base"), 422, "references exist")
	must(t, s.Outside(testProject, "kafka").DeleteSubject("user"))
	must(t, s.Outside(testProject, "kafka").DeleteSubject("base"))
}

func TestAvroCompatibility(t *testing.T) {
	node := func(extra string) string {
		return record(`{"name":"next","type":["null","R"],"default":null}` + extra)
	}
	tests := []struct {
		name           string
		reader, writer string
		want           bool
	}{
		{"promotion", `"double"`, `"int"`, true},
		{"narrowing", `"int"`, `"long"`, false},
		{"field with a default", record(`{"name":"a","type":"int","default":1}`), record(``), true},
		{"field without a default", record(`{"name":"a","type":"int"}`), record(``), false},
		{"alias", record(`{"name":"b","aliases":["a"],"type":"int"}`), record(`{"name":"a","type":"int"}`), true},
		{"removed field", record(``), record(`{"name":"a","type":"int"}`), true},
		{"wider union", `["null","int","string"]`, `["null","int"]`, true},
		{"narrower union", `["null"]`, `["null","int"]`, false},
		{"new symbol", `{"type":"enum","name":"E","symbols":["A","B"]}`, `{"type":"enum","name":"E","symbols":["A"]}`, true},
		{"lost symbol", `{"type":"enum","name":"E","symbols":["A"]}`, `{"type":"enum","name":"E","symbols":["A","B"]}`, false},
		{"another name", `{"type":"fixed","name":"F","size":2}`, `{"type":"fixed","name":"G","size":2}`, false},
		{"recursion", node(`,{"name":"v","type":"int","default":0}`), node(``), true},
		{"items", `{"type":"array","items":"string"}`, `{"type":"array","items":"int"}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reader, err := parseAvro(tt.reader)
			must(t, err)
			writer, err := parseAvro(tt.writer)
			must(t, err)
			if problems := avroReads(reader, writer); (len(problems) == 0) != tt.want {
				t.Errorf("problems are %q, want compatible: %t", problems, tt.want)
			}
		})
	}
}
