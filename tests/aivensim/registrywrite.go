// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	codegen "github.com/aiven/go-client-codegen/handler/kafkaschemaregistry"
)

func unprocessable(format string, args ...any) *apiError {
	return errf(http.StatusUnprocessableEntity, format, args...)
}

// newSchema checks the text of a schema. Avro is parsed and made compact, JSON
// must be JSON, Protobuf must define something.
func (r *Registry) newSchema(kind codegen.SchemaType, text string, references *[]codegen.ReferenceIn) (Schema, error) {
	if err := required("schema", text); err != nil {
		return Schema{}, err
	}
	if err := oneOf("schemaType", kind, codegen.SchemaTypeChoices()); err != nil {
		return Schema{}, err
	}
	out := Schema{Type: string(kind), Text: text}
	switch kind {
	case "", codegen.SchemaTypeAvro:
		out.Type = string(codegen.SchemaTypeAvro)
		if _, err := parseAvro(text); err != nil {
			return Schema{}, unprocessable("Invalid AVRO schema. Error: %v", err)
		}
	case codegen.SchemaTypeJson:
		if !json.Valid([]byte(text)) {
			return Schema{}, unprocessable("Invalid JSON schema. Error: not a JSON document")
		}
	case codegen.SchemaTypeProtobuf:
		if !strings.Contains(text, "message ") && !strings.Contains(text, "enum ") {
			return Schema{}, unprocessable("Invalid PROTOBUF schema. Error: no message or enum")
		}
	}
	if references == nil || len(*references) == 0 {
		return out, nil
	}
	if out.Type == string(codegen.SchemaTypeAvro) {
		return Schema{}, unprocessable("Schema references are not supported for 'AVRO' schema type")
	}
	for _, ref := range *references {
		target := r.subject(ref.Subject)
		if !slices.ContainsFunc(target.live(), func(v SubjectVersion) bool { return v.Version == ref.Version }) {
			return Schema{}, unprocessable("No schema reference found for subject \"%s\" and version %d", ref.Subject, ref.Version)
		}
		out.References = append(out.References, SchemaReference{Name: ref.Name, Subject: ref.Subject, Version: ref.Version})
	}
	return out, nil
}

// same tells whether two schemas share an id. The form of JSON texts, Avro's
// included, does not count.
func (s Schema) same(o Schema) bool {
	if s.Type != o.Type || !slices.Equal(s.References, o.References) {
		return false
	}
	return s.Text == o.Text || s.Type != string(codegen.SchemaTypeProtobuf) && canonicalJSON(s.Text) == canonicalJSON(o.Text)
}

func canonicalJSON(text string) string {
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	// A value that was just decoded encodes.
	data, _ := json.Marshal(value)
	return string(data)
}

func (c *call) versionPost() (any, error) {
	var in codegen.ServiceSchemaRegistrySubjectVersionPostIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	r, err := c.registry()
	if err != nil {
		return nil, err
	}
	schema, err := r.newSchema(in.SchemaType, in.Schema, in.References)
	if err != nil {
		return nil, err
	}
	name := c.vars["subject_name"]
	subject := r.subject(name)
	for _, v := range subject.live() {
		if r.Schemas[v.ID-1].same(schema) {
			return map[string]any{"id": v.ID}, nil
		}
	}
	if problems := r.incompatible(subject, schema); len(problems) > 0 {
		return nil, conflict("Incompatible schema, compatibility_mode=%s %s", r.level(subject), strings.Join(problems, ", "))
	}
	subject = r.obtain(name)
	id := slices.IndexFunc(r.Schemas, schema.same) + 1
	if id == 0 {
		r.Schemas = append(r.Schemas, schema)
		id = len(r.Schemas)
	}
	number := 1
	if n := len(subject.Versions); n > 0 {
		number = subject.Versions[n-1].Version + 1
	}
	subject.Versions = append(subject.Versions, SubjectVersion{Version: number, ID: id})
	c.log("service_schema_registry_subject_version_create", c.service.Name, "Added version %d of subject %s", number, name)
	return map[string]any{"id": id}, nil
}

// incompatible lists why a schema may not follow the versions of a subject: the
// newest one or, at the transitive levels, all of them.
func (r *Registry) incompatible(s *Subject, next Schema) []string {
	level, versions := r.level(s), s.live()
	if level == string(codegen.CompatibilityTypeNone) || len(versions) == 0 {
		return nil
	}
	base, transitive := strings.CutSuffix(level, "_TRANSITIVE")
	if !transitive {
		versions = versions[len(versions)-1:]
	}
	var problems []string
	for _, v := range versions {
		problems = append(problems, r.Schemas[v.ID-1].conflicts(next, base)...)
	}
	return problems
}

// conflicts compares with a successor. Only Avro has rules here; of the other
// types a change of the type itself is all that is refused.
func (s Schema) conflicts(next Schema, level string) []string {
	if s.Type != next.Type {
		return []string{"schema type changed from " + s.Type + " to " + next.Type}
	}
	if s.Type != string(codegen.SchemaTypeAvro) {
		return nil
	}
	before, err := parseAvro(s.Text)
	if err != nil {
		return []string{err.Error()}
	}
	after, err := parseAvro(next.Text)
	if err != nil {
		return []string{err.Error()}
	}
	var problems []string
	if level == "BACKWARD" || level == "FULL" {
		problems = append(problems, avroReads(after, before)...)
	}
	if level == "FORWARD" || level == "FULL" {
		problems = append(problems, avroReads(before, after)...)
	}
	return problems
}

func (c *call) compatibility() (any, error) {
	var in codegen.ServiceSchemaRegistryCompatibilityIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	r, s, v, err := c.liveVersion()
	if err != nil {
		return nil, err
	}
	schema, err := r.newSchema(in.SchemaType, in.Schema, nil)
	if err != nil {
		return nil, err
	}
	level, _ := strings.CutSuffix(r.level(s), "_TRANSITIVE")
	var problems []string
	if level != string(codegen.CompatibilityTypeNone) {
		problems = r.Schemas[v.ID-1].conflicts(schema, level)
	}
	return map[string]any{"is_compatible": len(problems) == 0, "messages": nonNil(problems)}, nil
}

// referenced returns the subject of a live version that builds on the given one;
// version 0 stands for all of them.
func (r *Registry) referenced(subject string, version int) string {
	for _, s := range r.Subjects {
		if s.Name == subject {
			continue
		}
		for _, v := range s.live() {
			for _, ref := range r.Schemas[v.ID-1].References {
				if ref.Subject == subject && (version == 0 || ref.Version == version) {
					return s.Name
				}
			}
		}
	}
	return ""
}

// subjectDelete hides a subject, or with permanent=true forgets a hidden one, so
// that its next version is 1 again.
func (c *call) subjectDelete() (any, error) {
	r, err := c.registry()
	if err != nil {
		return nil, err
	}
	name := c.vars["subject_name"]
	s := r.subject(name)
	if s == nil || len(s.Versions) == 0 {
		return nil, notFound("Subject '%s' not found.", name)
	}
	permanent := c.query.Get("permanent") == "true"
	live := s.live()
	switch {
	case permanent && len(live) > 0:
		return nil, notFound("Subject '%s' was not deleted first before being permanently deleted", name)
	case !permanent && len(live) == 0:
		return nil, notFound("Subject '%s' was soft deleted. Set permanent=true to delete permanently", name)
	}
	if by := r.referenced(name, 0); by != "" {
		return nil, unprocessable("One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=%s}: subject '%s'", name, by)
	}
	deleted := []int{}
	if permanent {
		for _, v := range s.Versions {
			deleted = append(deleted, v.Version)
		}
		r.Subjects = slices.DeleteFunc(r.Subjects, func(o *Subject) bool { return o == s })
	} else {
		for i := range s.Versions {
			if !s.Versions[i].Deleted {
				deleted = append(deleted, s.Versions[i].Version)
			}
			s.Versions[i].Deleted = true
		}
	}
	c.log("service_schema_registry_subject_delete", c.service.Name, "Deleted subject %s, permanently: %t", name, permanent)
	return map[string]any{"versions": deleted}, nil
}

func (c *call) versionDelete() (any, error) {
	r, err := c.registry()
	if err != nil {
		return nil, err
	}
	name := c.vars["subject_name"]
	number, err := strconv.Atoi(c.vars["version_id"])
	s := r.subject(name)
	if err != nil || s == nil {
		return nil, notFound("Version %s not found.", c.vars["version_id"])
	}
	i := slices.IndexFunc(s.Versions, func(v SubjectVersion) bool { return v.Version == number })
	permanent := c.query.Get("permanent") == "true"
	if i < 0 || s.Versions[i].Deleted != permanent {
		return nil, notFound("Version %d not found.", number)
	}
	if by := r.referenced(name, number); by != "" {
		return nil, unprocessable("One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=%s,version=%d}: subject '%s'", name, number, by)
	}
	if permanent {
		s.Versions = slices.Delete(s.Versions, i, i+1)
	} else {
		s.Versions[i].Deleted = true
	}
	c.log("service_schema_registry_subject_version_delete", c.service.Name, "Deleted version %d of subject %s, permanently: %t", number, name, permanent)
	return map[string]any{"version": number}, nil
}
