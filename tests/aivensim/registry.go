// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/http"
	"slices"
	"strconv"

	codegen "github.com/aiven/go-client-codegen/handler/kafkaschemaregistry"
)

// Registry is the schema registry of a Kafka service.
type Registry struct {
	// Level is the compatibility level of subjects without one of their own.
	Level string
	// Schemas has one entry per id, the first one being id 1. An entry is shared
	// by all versions with the same text, type and references.
	Schemas  []Schema
	Subjects []*Subject
}

// Schema is the content that an id stands for.
type Schema struct {
	Type       string
	Text       string
	References []SchemaReference
}

// SchemaReference names a version that a schema builds on.
type SchemaReference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// Subject is a subject with its versions, soft-deleted ones included. A subject
// may hold a compatibility level and no version.
type Subject struct {
	Name     string
	Level    string
	Versions []SubjectVersion
}

// SubjectVersion is one version of a subject.
type SubjectVersion struct {
	Version int
	ID      int
	Deleted bool
}

const (
	schemaPattern  = servicePattern + "/kafka/schema"
	subjectPattern = schemaPattern + "/subjects/{subject_name}"
)

func registryRoutes() []route {
	return []route{
		{operation: "ServiceSchemaRegistrySubjects", method: http.MethodGet, pattern: schemaPattern + "/subjects", handle: (*call).subjectList},
		{operation: "ServiceSchemaRegistrySubjectDelete", method: http.MethodDelete, pattern: subjectPattern, handle: (*call).subjectDelete},
		{operation: "ServiceSchemaRegistrySubjectVersionsGet", method: http.MethodGet, pattern: subjectPattern + "/versions", handle: (*call).versionList},
		{operation: "ServiceSchemaRegistrySubjectVersionPost", method: http.MethodPost, pattern: subjectPattern + "/versions", handle: (*call).versionPost},
		{operation: "ServiceSchemaRegistrySubjectVersionGet", method: http.MethodGet, pattern: subjectPattern + "/versions/{version_id}", handle: (*call).versionGet},
		{operation: "ServiceSchemaRegistrySubjectVersionDelete", method: http.MethodDelete, pattern: subjectPattern + "/versions/{version_id}", handle: (*call).versionDelete},
		{operation: "ServiceSchemaRegistrySchemaGet", method: http.MethodGet, pattern: schemaPattern + "/schemas/ids/{schema_id}", handle: (*call).schemaGet},
		{operation: "ServiceSchemaRegistryCompatibility", method: http.MethodPost, reads: true, pattern: schemaPattern + "/compatibility/subjects/{subject_name}/versions/{version_id}", handle: (*call).compatibility},
		{operation: "ServiceSchemaRegistryGlobalConfigGet", method: http.MethodGet, pattern: schemaPattern + "/config", handle: (*call).registryConfigGet},
		{operation: "ServiceSchemaRegistryGlobalConfigPut", method: http.MethodPut, pattern: schemaPattern + "/config", handle: (*call).registryConfigPut},
		{operation: "ServiceSchemaRegistrySubjectConfigGet", method: http.MethodGet, pattern: schemaPattern + "/config/{subject_name}", handle: (*call).subjectConfigGet},
		{operation: "ServiceSchemaRegistrySubjectConfigPut", method: http.MethodPut, pattern: schemaPattern + "/config/{subject_name}", handle: (*call).subjectConfigPut},
	}
}

const defaultCompatibility = string(codegen.CompatibilityTypeBackward)

// registry returns the registry of a service that has one.
func (c *call) registry() (*Registry, error) {
	if err := c.kafka(); err != nil {
		return nil, err
	}
	if !c.service.configBool("schema_registry") {
		return nil, conflict("Schema registry is not enabled for the service")
	}
	if c.service.Registry == nil {
		c.service.Registry = &Registry{Level: defaultCompatibility}
	}
	return c.service.Registry, nil
}

func (r *Registry) subject(name string) *Subject {
	for _, s := range r.Subjects {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// obtain returns the subject of a name and makes it where it is missing.
func (r *Registry) obtain(name string) *Subject {
	s := r.subject(name)
	if s == nil {
		s = &Subject{Name: name}
		r.Subjects = append(r.Subjects, s)
	}
	return s
}

// live are the versions that are not soft-deleted.
func (s *Subject) live() []SubjectVersion {
	if s == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.Versions), func(v SubjectVersion) bool { return v.Deleted })
}

// level is the compatibility level that applies to a subject.
func (r *Registry) level(s *Subject) string {
	if s != nil && s.Level != "" {
		return s.Level
	}
	return r.Level
}

func (c *call) liveSubject() (*Registry, *Subject, error) {
	r, err := c.registry()
	if err != nil {
		return nil, nil, err
	}
	s := r.subject(c.vars["subject_name"])
	if len(s.live()) == 0 {
		return nil, nil, notFound("Subject '%s' not found.", c.vars["subject_name"])
	}
	return r, s, nil
}

// liveVersion resolves the version that the path names, "latest" included.
func (c *call) liveVersion() (*Registry, *Subject, SubjectVersion, error) {
	r, s, err := c.liveSubject()
	if err != nil {
		return nil, nil, SubjectVersion{}, err
	}
	live := s.live()
	if c.vars["version_id"] == "latest" {
		return r, s, live[len(live)-1], nil
	}
	number, err := strconv.Atoi(c.vars["version_id"])
	if err != nil || number < 1 {
		return nil, nil, SubjectVersion{}, errf(http.StatusUnprocessableEntity, "The specified version '%s' is not a valid version id.", c.vars["version_id"])
	}
	for _, v := range live {
		if v.Version == number {
			return r, s, v, nil
		}
	}
	return nil, nil, SubjectVersion{}, notFound("Version %d not found.", number)
}

func (c *call) subjectList() (any, error) {
	r, err := c.registry()
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, s := range r.Subjects {
		if len(s.live()) > 0 {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return map[string]any{"subjects": names}, nil
}

func (c *call) versionList() (any, error) {
	_, s, err := c.liveSubject()
	if err != nil {
		return nil, err
	}
	versions := []int{}
	for _, v := range s.live() {
		versions = append(versions, v.Version)
	}
	return map[string]any{"versions": versions}, nil
}

// versionGet leaves out the type of Avro schemas, as the registry does.
func (c *call) versionGet() (any, error) {
	r, s, v, err := c.liveVersion()
	if err != nil {
		return nil, err
	}
	schema := r.Schemas[v.ID-1]
	out := map[string]any{"id": v.ID, "schema": schema.Text, "subject": s.Name, "version": v.Version}
	if schema.Type != string(codegen.SchemaTypeAvro) {
		out["schemaType"] = schema.Type
	}
	if len(schema.References) > 0 {
		out["references"] = schema.References
	}
	return map[string]any{"version": out}, nil
}

func (c *call) schemaGet() (any, error) {
	r, err := c.registry()
	if err != nil {
		return nil, err
	}
	id, err := strconv.Atoi(c.vars["schema_id"])
	if err != nil || id < 1 || id > len(r.Schemas) {
		return nil, notFound("Schema not found")
	}
	return map[string]any{"schema": r.Schemas[id-1].Text}, nil
}

func (c *call) registryConfigGet() (any, error) {
	r, err := c.registry()
	if err != nil {
		return nil, err
	}
	return map[string]any{"compatibilityLevel": r.Level}, nil
}

func (c *call) registryConfigPut() (any, error) {
	r, level, err := c.wantedLevel()
	if err != nil {
		return nil, err
	}
	r.Level = level
	c.log("service_schema_registry_config_update", c.service.Name, "Set the compatibility level of the schema registry to %s", level)
	return map[string]any{"compatibility": level}, nil
}

func (c *call) subjectConfigGet() (any, error) {
	r, err := c.registry()
	if err != nil {
		return nil, err
	}
	s := r.subject(c.vars["subject_name"])
	level := ""
	if s != nil {
		level = s.Level
	}
	if level == "" && c.query.Get("global_default_fallback") == "true" {
		level = r.Level
	}
	if level == "" {
		return nil, notFound("Subject '%s' does not have subject-level compatibility configured", c.vars["subject_name"])
	}
	return map[string]any{"compatibilityLevel": level}, nil
}

// subjectConfigPut accepts a subject without versions.
func (c *call) subjectConfigPut() (any, error) {
	r, level, err := c.wantedLevel()
	if err != nil {
		return nil, err
	}
	r.obtain(c.vars["subject_name"]).Level = level
	c.log("service_schema_registry_subject_config_update", c.service.Name, "Set the compatibility level of subject %s to %s", c.vars["subject_name"], level)
	return map[string]any{"compatibility": level}, nil
}

func (c *call) wantedLevel() (*Registry, string, error) {
	var in codegen.ServiceSchemaRegistrySubjectConfigPutIn
	if err := decode(c.body, &in); err != nil {
		return nil, "", err
	}
	if err := required("compatibility", string(in.Compatibility)); err != nil {
		return nil, "", err
	}
	if err := oneOf("compatibility", in.Compatibility, codegen.CompatibilityTypeChoices()); err != nil {
		return nil, "", err
	}
	r, err := c.registry()
	return r, string(in.Compatibility), err
}
