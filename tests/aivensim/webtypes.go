// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/url"
	"strconv"
)

// The types in this file are reached over HTTPS with the password of avnadmin
// and differ in little else.

// portDashboards is the offset of OpenSearch Dashboards from the service's port.
const portDashboards = 1

// adminPassword is the password of the built-in user, empty without secrets.
func (sv *Service) adminPassword(secrets bool) string {
	if u := sv.user(sv.kind.admin); secrets && u != nil {
		return u.Password
	}
	return ""
}

// webParams are the parts of the service URI.
func (sv *Service) webParams(secrets bool) map[string]string {
	params := map[string]string{"host": sv.Host, "port": strconv.Itoa(sv.Port), "user": sv.kind.admin}
	if secrets {
		params["password"] = sv.adminPassword(true)
	}
	return params
}

// webURI is the address of an HTTPS port of the service.
func (sv *Service) webURI(secrets bool, port int) string {
	u := url.URL{Scheme: "https", User: url.User(sv.kind.admin), Host: sv.Host + ":" + strconv.Itoa(port)}
	if password := sv.adminPassword(secrets); password != "" {
		u.User = url.UserPassword(sv.kind.admin, password)
	}
	return u.String()
}

// webConnection fills what all types of this file have.
func webConnection(sv *Service, secrets bool, view map[string]any) {
	view["service_uri"], view["service_uri_params"] = sv.webURI(secrets, sv.Port), sv.webParams(secrets)
}

func webType(name string, defaults map[string]any) serviceType {
	return serviceType{
		plans:        standardPlans().with(multinodePlans()...),
		startupNodes: 1,
		admin:        adminUser,
		defaults:     defaults,
		created:      func(sv *Service) { sv.Users = []*User{newPasswordUser(adminUser, "primary")} },
		endpoints:    func(sv *Service) []Component { return []Component{endpoint(sv, name, sv.Port)} },
		connection: func(sv *Service, secrets bool, view map[string]any) {
			webConnection(sv, secrets, view)
			view["connection_info"] = map[string]any{name: []string{sv.webURI(secrets, sv.Port)}}
		},
	}
}

func opensearchType() serviceType {
	t := webType("opensearch", map[string]any{
		"opensearch_version": "2", "service_log": false, "disable_replication_factor_adjustment": false,
		"public_access": map[string]any{"opensearch": false, "opensearch_dashboards": false, "prometheus": false},
	})
	t.diskMB, t.backups, t.users = 20480, true, true
	t.created = func(sv *Service) {
		sv.Users = []*User{newPasswordUser(adminUser, "primary")}
		sv.OpenSearchACL = &OpenSearchACL{ACLs: []OpenSearchACLEntry{}}
	}
	t.endpoints = func(sv *Service) []Component {
		return []Component{endpoint(sv, "opensearch", sv.Port), endpoint(sv, "opensearch_dashboards", sv.Port+portDashboards)}
	}
	t.connection = func(sv *Service, secrets bool, view map[string]any) {
		webConnection(sv, secrets, view)
		info := map[string]any{
			"opensearch": []string{sv.webURI(secrets, sv.Port)}, "opensearch_username": adminUser,
			"opensearch_dashboards_uri": sv.webURI(secrets, sv.Port+portDashboards),
		}
		if secrets {
			info["opensearch_password"] = sv.adminPassword(true)
		}
		view["connection_info"] = info
	}
	return t
}

func grafanaType() serviceType {
	t := webType("grafana", map[string]any{"service_log": false, "public_access": map[string]any{"grafana": false}})
	t.backups = true
	t.plans = t.plans.with("startup-1")
	return t
}

func flinkType() serviceType {
	t := webType("flink", map[string]any{"flink_version": "1.20", "service_log": false, "public_access": map[string]any{"flink": false}})
	t.startupNodes = 3
	return t
}

func kafkaConnectType() serviceType {
	return webType("kafka_connect", map[string]any{
		"service_log": false, "public_access": map[string]any{"kafka_connect": false, "prometheus": false},
	})
}
