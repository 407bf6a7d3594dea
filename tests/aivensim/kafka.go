// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Offsets of a Kafka service's ports from its own.
const (
	portSASL           = 1
	portSchemaRegistry = 2
	portREST           = 3
	portConnect        = 4
)

func kafkaType() serviceType {
	return serviceType{
		plans:        standardPlans().with(multinodePlans()...).with("free-0"),
		diskMB:       46080,
		startupNodes: 3,
		admin:        adminUser,
		users:        true,
		certificates: true,
		defaults: map[string]any{
			"kafka_version": "3.9", "kafka_authentication_methods": map[string]any{"certificate": true, "sasl": false},
			"kafka_rest": false, "kafka_connect": false, "schema_registry": false, "service_log": false,
		},
		created: func(sv *Service) {
			u := newPasswordUser(adminUser, "primary")
			u.AccessCert, u.AccessKey, u.NotValidAfter = sv.mustIssue(adminUser)
			sv.Users = []*User{u}
			sv.ACLs = []ACL{{ID: "default", Permission: "admin", Topic: "*", Username: adminUser}}
			sv.RegistryACLs = defaultRegistryACLs()
		},
		endpoints:  kafkaEndpoints,
		connection: kafkaConnection,
	}
}

// sasl tells whether the service accepts passwords.
func (sv *Service) sasl() bool {
	methods, _ := sv.UserConfig["kafka_authentication_methods"].(map[string]any)
	v, _ := methods["sasl"].(bool)
	return v
}

// kafkaEndpoints lists the SASL endpoint first: clients that take the first one
// of a name must not rely on its port being that of the service URI.
func kafkaEndpoints(sv *Service) []Component {
	var out []Component
	if sv.sasl() {
		c := endpoint(sv, "kafka", sv.Port+portSASL)
		c.AuthenticationMethod = "sasl"
		out = append(out, c)
	}
	c := endpoint(sv, "kafka", sv.Port)
	c.AuthenticationMethod = "certificate"
	out = append(out, c)
	for _, extra := range []struct {
		name string
		port int
	}{{"schema_registry", portSchemaRegistry}, {"kafka_rest", portREST}, {"kafka_connect", portConnect}} {
		if sv.configBool(extra.name) {
			out = append(out, endpoint(sv, extra.name, sv.Port+extra.port))
		}
	}
	return out
}

func kafkaConnection(sv *Service, secrets bool, view map[string]any) {
	address := func(offset int) string { return sv.Host + ":" + strconv.Itoa(sv.Port+offset) }
	view["service_uri"] = address(0)
	view["service_uri_params"] = map[string]string{"host": sv.Host, "port": strconv.Itoa(sv.Port)}
	info := map[string]any{"kafka": []string{address(0)}}
	admin := sv.user(adminUser)
	if secrets && admin != nil {
		info["kafka_access_cert"], info["kafka_access_key"] = admin.AccessCert, admin.AccessKey
	}
	for _, extra := range []struct {
		config, key string
		port        int
	}{{"schema_registry", "schema_registry_uri", portSchemaRegistry}, {"kafka_rest", "kafka_rest_uri", portREST}, {"kafka_connect", "kafka_connect_uri", portConnect}} {
		if !sv.configBool(extra.config) {
			continue
		}
		u := url.URL{Scheme: "https", User: url.User(adminUser), Host: address(extra.port)}
		if secrets && admin != nil {
			u.User = url.UserPassword(adminUser, admin.Password)
		}
		info[extra.key] = u.String()
	}
	view["connection_info"] = info
	view["acl"] = sv.aclViews()
	view["kafka_acl"] = nonNil(sv.NativeACLs)
	view["schema_registry_acl"] = nonNil(sv.RegistryACLs)
}

// checkKafkaName refuses names that Kafka does not allow for topics.
func checkKafkaName(name string) error {
	if !kafkaNamePattern.MatchString(name) || name == "." || name == ".." {
		return badRequest("Invalid 'topic_name': '%s'", name)
	}
	return nil
}

var kafkaNamePattern = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// only refuses a route that belongs to other types of service.
func (c *call) only(typeNames ...string) error {
	if !slices.Contains(typeNames, c.service.Type) {
		return badRequest("Service type '%s' does not support this operation, only '%s' does", c.service.Type, strings.Join(typeNames, "', '"))
	}
	return nil
}
