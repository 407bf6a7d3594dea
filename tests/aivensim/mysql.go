// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/url"
	"strconv"
	"strings"
)

// portReplica is the offset of a replica's port from the service's own.
const portReplica = 1

func mysqlType() serviceType {
	return serviceType{
		plans:        standardPlans().with("free-1-1gb", "free-1-5gb"),
		diskMB:       20480,
		startupNodes: 1,
		backups:      true,
		admin:        adminUser,
		users:        true,
		defaults: map[string]any{
			"mysql_version": "8", "service_log": false,
			"public_access": map[string]any{"mysql": false, "mysqlx": false, "prometheus": false},
		},
		created: func(sv *Service) {
			admin := newPasswordUser(adminUser, "primary")
			admin.Authentication = defaultAuthentication
			sv.Users = []*User{admin}
			sv.Databases = []*Database{{Name: defaultDB}}
		},
		endpoints: func(sv *Service) []Component {
			return []Component{endpoint(sv, "mysql", sv.Port)}
		},
		connection: mysqlConnection,
	}
}

// defaultAuthentication is the plugin of a MySQL user that asks for none.
const defaultAuthentication = "caching_sha2_password"

// mysqlConnection names the TLS mode ssl-mode where PostgreSQL says sslmode. The
// replica's URI exists only for plans with more than one node.
func mysqlConnection(sv *Service, secrets bool, view map[string]any) {
	password := sv.adminPassword(secrets)
	params := sv.webParams(secrets)
	params["dbname"], params["ssl-mode"] = defaultDB, "REQUIRED"
	uri := mysqlURI(sv, password, sv.Port)
	info := map[string]any{"mysql": []string{uri}, "mysql_params": []any{params}}
	if strings.HasPrefix(sv.Plan, "business-") || strings.HasPrefix(sv.Plan, "premium-") {
		info["mysql_replica_uri"] = mysqlURI(sv, password, sv.Port+portReplica)
	}
	databases := []string{}
	for _, d := range sv.Databases {
		databases = append(databases, d.Name)
	}
	view["service_uri"], view["service_uri_params"], view["connection_info"] = uri, params, info
	view["databases"] = databases
}

func mysqlURI(sv *Service, password string, port int) string {
	u := url.URL{
		Scheme: "mysql", User: url.User(adminUser), Host: sv.Host + ":" + strconv.Itoa(port),
		Path: "/" + defaultDB, RawQuery: "ssl-mode=REQUIRED",
	}
	if password != "" {
		u.User = url.UserPassword(adminUser, password)
	}
	return u.String()
}
