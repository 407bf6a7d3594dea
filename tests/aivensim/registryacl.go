// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	codegen "github.com/aiven/go-client-codegen/handler/kafkaschemaregistry"
)

// RegistryACL is an ACL entry of the schema registry.
type RegistryACL struct {
	ID         string `json:"id"`
	Permission string `json:"permission"`
	Resource   string `json:"resource"`
	Username   string `json:"username"`
}

// builtIn tells the entries that every service starts with.
func (a RegistryACL) builtIn() bool { return strings.HasPrefix(a.ID, "default-sr-") }

func defaultRegistryACLs() []RegistryACL {
	const write = string(codegen.PermissionTypeSchemaRegistryWrite)
	return []RegistryACL{
		{ID: "default-sr-admin-config", Permission: write, Resource: "Config:", Username: adminUser},
		{ID: "default-sr-admin-subject", Permission: write, Resource: "Subject:*", Username: adminUser},
	}
}

func registryACLRoutes() []route {
	const pattern = servicePattern + "/kafka/schema-registry/acl"
	return []route{
		{operation: "ServiceSchemaRegistryAclList", method: http.MethodGet, pattern: pattern, handle: (*call).registryACLList},
		{operation: "ServiceSchemaRegistryAclAdd", method: http.MethodPost, pattern: pattern, handle: (*call).registryACLAdd},
		{operation: "ServiceSchemaRegistryAclDelete", method: http.MethodDelete, pattern: pattern + "/{schema_registry_acl_id}", handle: (*call).registryACLDelete},
	}
}

var registryResourcePattern = regexp.MustCompile(`^(Config:|Subject:[A-Za-z0-9/_.*?~-]{1,241})$`)

func (c *call) registryACLAnswer() (any, error) {
	return map[string]any{"acl": nonNil(slices.Clone(c.service.RegistryACLs))}, nil
}

func (c *call) registryACLList() (any, error) {
	if err := c.only("kafka"); err != nil {
		return nil, err
	}
	return c.registryACLAnswer()
}

func (c *call) registryACLAdd() (any, error) {
	var in codegen.ServiceSchemaRegistryAclAddIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := c.kafka(); err != nil {
		return nil, err
	}
	if err := required("permission", string(in.Permission)); err != nil {
		return nil, err
	}
	if err := oneOf("permission", in.Permission, codegen.PermissionTypeChoices()); err != nil {
		return nil, err
	}
	if !registryResourcePattern.MatchString(in.Resource) {
		return nil, badRequest("Invalid 'resource': '%s' does not match '%s'", in.Resource, registryResourcePattern)
	}
	if !aclUserPattern.MatchString(in.Username) {
		return nil, badRequest("Invalid 'username': '%s'", in.Username)
	}
	entry := RegistryACL{Permission: string(in.Permission), Resource: in.Resource, Username: in.Username}
	for _, o := range c.service.RegistryACLs {
		if o.Permission == entry.Permission && o.Resource == entry.Resource && o.Username == entry.Username {
			return nil, conflict("Identical ACL entry already exists")
		}
	}
	entry.ID = c.server.newID("acl")
	c.service.RegistryACLs = append(c.service.RegistryACLs, entry)
	c.log("service_schema_registry_acl_create", c.service.Name, "Added schema registry ACL entry: %s on %s for %s", entry.Permission, entry.Resource, entry.Username)
	return c.registryACLAnswer()
}

func (c *call) registryACLDelete() (any, error) {
	if err := c.kafka(); err != nil {
		return nil, err
	}
	before := len(c.service.RegistryACLs)
	c.service.RegistryACLs = slices.DeleteFunc(c.service.RegistryACLs, func(o RegistryACL) bool { return o.ID == c.vars["schema_registry_acl_id"] })
	if len(c.service.RegistryACLs) == before {
		return nil, notFound("ACL entry not found")
	}
	c.log("service_schema_registry_acl_delete", c.service.Name, "Deleted schema registry ACL entry %s", c.vars["schema_registry_acl_id"])
	return c.registryACLAnswer()
}
