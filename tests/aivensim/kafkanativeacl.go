// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/http"
	"regexp"
	"slices"

	codegen "github.com/aiven/go-client-codegen/handler/kafka"
)

// NativeACL is an ACL entry of Kafka's own kind.
type NativeACL struct {
	ID             string `json:"id"`
	Host           string `json:"host"`
	Operation      string `json:"operation"`
	PatternType    string `json:"pattern_type"`
	PermissionType string `json:"permission_type"`
	Principal      string `json:"principal"`
	ResourceName   string `json:"resource_name"`
	ResourceType   string `json:"resource_type"`
}

func kafkaNativeACLRoutes() []route {
	const pattern = servicePattern + "/kafka/acl"
	return []route{
		{operation: "ServiceKafkaNativeAclList", method: http.MethodGet, pattern: pattern, handle: (*call).nativeACLList},
		{operation: "ServiceKafkaNativeAclAdd", method: http.MethodPost, pattern: pattern, handle: (*call).nativeACLAdd},
		{operation: "ServiceKafkaNativeAclGet", method: http.MethodGet, pattern: pattern + "/{kafka_acl_id}", handle: (*call).nativeACLGet},
		{operation: "ServiceKafkaNativeAclDelete", method: http.MethodDelete, pattern: pattern + "/{kafka_acl_id}", handle: (*call).nativeACLDelete},
	}
}

var principalPattern = regexp.MustCompile(`^[A-Za-z]+:.{1,250}$`)

// nonNil makes an absent list an empty one, as the API always shows lists.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (c *call) nativeACLList() (any, error) {
	if err := c.only("kafka"); err != nil {
		return nil, err
	}
	return map[string]any{"acl": c.service.aclViews(), "kafka_acl": nonNil(c.service.NativeACLs)}, nil
}

func (c *call) nativeACLAdd() (any, error) {
	var in codegen.ServiceKafkaNativeAclAddIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := c.kafka(); err != nil {
		return nil, err
	}
	entry := NativeACL{
		Host: "*", Operation: string(in.Operation), PatternType: string(in.PatternType), PermissionType: string(in.PermissionType),
		Principal: in.Principal, ResourceName: in.ResourceName, ResourceType: string(in.ResourceType),
	}
	if in.Host != nil {
		entry.Host = *in.Host
	}
	if err := entry.check(); err != nil {
		return nil, err
	}
	for _, o := range c.service.NativeACLs {
		same := *o
		same.ID = ""
		if same == entry {
			return nil, conflict("Identical ACL entry already exists")
		}
	}
	entry.ID = c.server.newID("acl")
	c.service.NativeACLs = append(c.service.NativeACLs, &entry)
	c.log("service_kafka_native_acl_create", c.service.Name, "Added Kafka ACL entry: %s %s on %s %s for %s",
		entry.PermissionType, entry.Operation, entry.ResourceType, entry.ResourceName, entry.Principal)
	return map[string]any{"acl": entry}, nil
}

// check refuses values that Kafka has no word for.
func (e *NativeACL) check() error {
	for _, f := range []struct {
		name, value string
		choices     []string
	}{
		{"operation", e.Operation, codegen.OperationTypeChoices()},
		{"pattern_type", e.PatternType, codegen.PatternTypeChoices()},
		{"permission_type", e.PermissionType, codegen.ServiceKafkaNativeAclPermissionTypeChoices()},
		{"resource_type", e.ResourceType, codegen.ResourceTypeChoices()},
	} {
		if err := required(f.name, f.value); err != nil {
			return err
		}
		if err := oneOf(f.name, f.value, f.choices); err != nil {
			return err
		}
	}
	if !principalPattern.MatchString(e.Principal) {
		return badRequest("Invalid 'principal': '%s' does not match '%s'", e.Principal, principalPattern)
	}
	if err := required("resource_name", e.ResourceName); err != nil {
		return err
	}
	return required("host", e.Host)
}

func (c *call) findNativeACL() (*NativeACL, error) {
	if err := c.only("kafka"); err != nil {
		return nil, err
	}
	for _, o := range c.service.NativeACLs {
		if o.ID == c.vars["kafka_acl_id"] {
			return o, nil
		}
	}
	return nil, notFound("ACL entry not found")
}

func (c *call) nativeACLGet() (any, error) {
	entry, err := c.findNativeACL()
	if err != nil {
		return nil, err
	}
	return map[string]any{"acl": entry}, nil
}

func (c *call) nativeACLDelete() (any, error) {
	if err := c.kafka(); err != nil {
		return nil, err
	}
	entry, err := c.findNativeACL()
	if err != nil {
		return nil, err
	}
	c.service.NativeACLs = slices.DeleteFunc(c.service.NativeACLs, func(o *NativeACL) bool { return o == entry })
	c.log("service_kafka_native_acl_delete", c.service.Name, "Deleted Kafka ACL entry %s", entry.ID)
	return message("deleted"), nil
}
