// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/http"
	"regexp"
	"slices"

	codegen "github.com/aiven/go-client-codegen/handler/kafka"
)

// ACL is an Aiven ACL entry of a Kafka service.
type ACL struct {
	ID         string `json:"id"`
	Permission string `json:"permission"`
	Topic      string `json:"topic"`
	Username   string `json:"username"`
}

func kafkaACLRoutes() []route {
	const pattern = servicePattern + "/acl"
	return []route{
		{operation: "ServiceKafkaAclList", method: http.MethodGet, pattern: pattern, handle: (*call).aclList},
		{operation: "ServiceKafkaAclAdd", method: http.MethodPost, pattern: pattern, handle: (*call).aclAdd},
		{operation: "ServiceKafkaAclDelete", method: http.MethodDelete, pattern: pattern + "/{kafka_acl_id}", handle: (*call).aclDelete},
	}
}

// Both patterns allow the wildcards of Aiven's ACL entries.
var (
	aclTopicPattern = regexp.MustCompile(`^[a-zA-Z0-9._*?-]{1,249}$`)
	aclUserPattern  = regexp.MustCompile(`^[a-zA-Z0-9._*?-]{1,64}$`)
)

func (sv *Service) aclViews() []ACL {
	if sv.ACLs == nil {
		return []ACL{}
	}
	return slices.Clone(sv.ACLs)
}

func (c *call) aclAnswer() (any, error) {
	return map[string]any{"acl": c.service.aclViews()}, nil
}

func (c *call) aclList() (any, error) {
	if err := c.only("kafka"); err != nil {
		return nil, err
	}
	return c.aclAnswer()
}

func (c *call) aclAdd() (any, error) {
	var in codegen.ServiceKafkaAclAddIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := c.kafka(); err != nil {
		return nil, err
	}
	for field, value := range map[string]string{"permission": string(in.Permission), "topic": in.Topic, "username": in.Username} {
		if err := required(field, value); err != nil {
			return nil, err
		}
	}
	if err := oneOf("permission", in.Permission, codegen.PermissionTypeChoices()); err != nil {
		return nil, err
	}
	if !aclTopicPattern.MatchString(in.Topic) {
		return nil, badRequest("Invalid 'topic': '%s'", in.Topic)
	}
	if !aclUserPattern.MatchString(in.Username) {
		return nil, badRequest("Invalid 'username': '%s'", in.Username)
	}
	entry := ACL{Permission: string(in.Permission), Topic: in.Topic, Username: in.Username}
	for _, o := range c.service.ACLs {
		if o.Permission == entry.Permission && o.Topic == entry.Topic && o.Username == entry.Username {
			return nil, conflict("Identical ACL entry already exists")
		}
	}
	entry.ID = c.server.newID("acl")
	c.service.ACLs = append(c.service.ACLs, entry)
	c.log("service_kafka_acl_create", c.service.Name, "Added ACL entry: %s on %s for %s", entry.Permission, entry.Topic, entry.Username)
	return c.aclAnswer()
}

func (c *call) aclDelete() (any, error) {
	if err := c.kafka(); err != nil {
		return nil, err
	}
	before := len(c.service.ACLs)
	c.service.ACLs = slices.DeleteFunc(c.service.ACLs, func(o ACL) bool { return o.ID == c.vars["kafka_acl_id"] })
	if len(c.service.ACLs) == before {
		return nil, notFound("ACL entry not found")
	}
	c.log("service_kafka_acl_delete", c.service.Name, "Deleted ACL entry %s", c.vars["kafka_acl_id"])
	return c.aclAnswer()
}
