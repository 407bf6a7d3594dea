// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/url"
	"strconv"
)

const (
	adminUser = "avnadmin"
	defaultDB = "defaultdb"
)

func pgType() serviceType {
	return serviceType{
		plans:        standardPlans().with(multinodePlans()...).with("free-1-1gb", "free-1-5gb"),
		diskMB:       20480,
		startupNodes: 1,
		backups:      true,
		admin:        adminUser,
		users:        true,
		defaults:     map[string]any{"pg_version": "16", "service_log": false, "public_access": map[string]any{"pg": false, "pgbouncer": false, "prometheus": false}},
		created: func(sv *Service) {
			sv.Users = []*User{newPasswordUser(adminUser, "primary")}
			sv.Databases = []*Database{{Name: defaultDB, LcCollate: defaultLocale, LcCtype: defaultLocale}}
		},
		endpoints: func(sv *Service) []Component {
			out := []Component{endpoint(sv, "pg", sv.Port)}
			if len(sv.Pools) > 0 {
				out = append(out, endpoint(sv, "pgbouncer", sv.Pools[0].Port))
			}
			return out
		},
		connection: pgConnection,
	}
}

func pgConnection(sv *Service, secrets bool, view map[string]any) {
	password := ""
	if u := sv.user(adminUser); secrets && u != nil {
		password = u.Password
	}
	uri := pgURI(sv, adminUser, password, sv.Port, defaultDB)
	params := map[string]string{
		"host": sv.Host, "port": strconv.Itoa(sv.Port), "user": adminUser,
		"dbname": defaultDB, "sslmode": "require",
	}
	if secrets {
		params["password"] = password
	}
	view["service_uri"], view["service_uri_params"] = uri, params
	view["connection_info"] = map[string]any{"pg": []string{uri}, "pg_params": []any{params}}
	databases := []string{}
	for _, d := range sv.Databases {
		databases = append(databases, d.Name)
	}
	pools := []any{}
	for _, p := range sv.Pools {
		pools = append(pools, p.view(sv, secrets))
	}
	view["databases"], view["connection_pools"] = databases, pools
}

func pgURI(sv *Service, user, password string, port int, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.User(user), Host: sv.Host + ":" + strconv.Itoa(port),
		Path: "/" + database, RawQuery: "sslmode=require",
	}
	if password != "" {
		u.User = url.UserPassword(user, password)
	}
	return u.String()
}
