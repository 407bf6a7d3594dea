// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/http"
	"net/url"
)

// Changes of the children of one service; see outside.go.

// AddNativeACL sends the fields of ServiceKafkaNativeAclAdd.
func (o Outside) AddNativeACL(fields map[string]any) error {
	return o.do(http.MethodPost, "/kafka/acl", fields)
}

// DeleteNativeACL deletes a Kafka-native ACL entry.
func (o Outside) DeleteNativeACL(id string) error {
	return o.do(http.MethodDelete, "/kafka/acl/"+url.PathEscape(id), nil)
}

// AddRegistryACL adds an ACL entry of the schema registry.
func (o Outside) AddRegistryACL(permission, resource, username string) error {
	return o.do(http.MethodPost, "/kafka/schema-registry/acl", map[string]any{"permission": permission, "resource": resource, "username": username})
}

// DeleteRegistryACL deletes an ACL entry of the schema registry.
func (o Outside) DeleteRegistryACL(id string) error {
	return o.do(http.MethodDelete, "/kafka/schema-registry/acl/"+url.PathEscape(id), nil)
}

// SetQuota sends the fields of ServiceKafkaQuotaCreate.
func (o Outside) SetQuota(fields map[string]any) error {
	return o.do(http.MethodPost, "/quota", fields)
}

// DeleteQuota deletes the quota of a selector; an empty part is not given.
func (o Outside) DeleteQuota(user, clientID string) error {
	query := url.Values{}
	if user != "" {
		query.Set("user", user)
	}
	if clientID != "" {
		query.Set("client-id", clientID)
	}
	return o.do(http.MethodDelete, "/quota?"+query.Encode(), nil)
}

// AddSchema sends the fields of ServiceSchemaRegistrySubjectVersionPost.
func (o Outside) AddSchema(subject string, fields map[string]any) error {
	return o.do(http.MethodPost, "/kafka/schema/subjects/"+url.PathEscape(subject)+"/versions", fields)
}

// SetCompatibility sets the compatibility level of a subject.
func (o Outside) SetCompatibility(subject, level string) error {
	return o.do(http.MethodPut, "/kafka/schema/config/"+url.PathEscape(subject), map[string]any{"compatibility": level})
}

// DeleteSubject deletes a subject for good.
func (o Outside) DeleteSubject(subject string) error {
	path := "/kafka/schema/subjects/" + url.PathEscape(subject)
	if err := o.do(http.MethodDelete, path, nil); err != nil {
		return err
	}
	return o.do(http.MethodDelete, path+"?permanent=true", nil)
}

// CreateConnector creates a connector; config has name and connector.class.
func (o Outside) CreateConnector(config map[string]string) error {
	return o.do(http.MethodPost, "/connectors", config)
}

// UpdateConnector replaces a connector's configuration.
func (o Outside) UpdateConnector(name string, config map[string]string) error {
	return o.do(http.MethodPut, "/connectors/"+url.PathEscape(name), config)
}

// DeleteConnector deletes a connector.
func (o Outside) DeleteConnector(name string) error {
	return o.do(http.MethodDelete, "/connectors/"+url.PathEscape(name), nil)
}

// SetOpenSearchACL sends the fields of an OpenSearch ACL configuration to change.
func (o Outside) SetOpenSearchACL(fields map[string]any) error {
	return o.do(http.MethodPut, "/opensearch/acl", map[string]any{"opensearch_acl_config": fields})
}

// CreateClickHouseDatabase creates a ClickHouse database.
func (o Outside) CreateClickHouseDatabase(name string) error {
	return o.do(http.MethodPost, "/clickhouse/db", map[string]any{"database": name})
}

// DeleteClickHouseDatabase deletes a ClickHouse database.
func (o Outside) DeleteClickHouseDatabase(name string) error {
	return o.do(http.MethodDelete, "/clickhouse/db/"+url.PathEscape(name), nil)
}

// CreateClickHouseUser creates a ClickHouse user with a random password.
func (o Outside) CreateClickHouseUser(name string) error {
	return o.do(http.MethodPost, "/clickhouse/user", map[string]any{"name": name})
}

// DeleteClickHouseUser deletes a ClickHouse user by name.
func (o Outside) DeleteClickHouseUser(name string) error {
	return o.do(http.MethodDelete, "/clickhouse/user/"+url.PathEscape(o.userUUID(name)), nil)
}

// ResetClickHouseUser sets a ClickHouse user's password; empty means a new
// random one.
func (o Outside) ResetClickHouseUser(name, password string) error {
	return o.do(http.MethodPut, "/clickhouse/user/"+url.PathEscape(o.userUUID(name))+"/password", map[string]any{"password": nullable(password)})
}

// userUUID is the UUID of a user; the name stands in for an unknown one, for
// which the API then says that it is not found.
func (o Outside) userUUID(name string) string {
	sv, _ := o.server.Project(o.project).Service(o.service)
	if u, ok := sv.User(name); ok && u.UUID != "" {
		return u.UUID
	}
	return name
}

// QueryClickHouse runs a statement on roles or grants as the administrator.
func (o Outside) QueryClickHouse(query string) error {
	return o.do(http.MethodPost, "/clickhouse/query", map[string]any{"database": "system", "query": query})
}
