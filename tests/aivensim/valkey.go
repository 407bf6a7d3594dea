// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/url"
	"strconv"
)

const valkeyAdmin = "default"

func valkeyType() serviceType {
	return serviceType{
		plans:        standardPlans().with("free-1", "startup-1", "business-1", "premium-1"),
		startupNodes: 1,
		backups:      true,
		admin:        valkeyAdmin,
		users:        true,
		defaults:     map[string]any{"service_log": false, "public_access": map[string]any{"valkey": false, "prometheus": false}},
		created: func(sv *Service) {
			u := newPasswordUser(valkeyAdmin, "primary")
			u.AccessControl = openAccess()
			sv.Users = []*User{u}
		},
		endpoints: func(sv *Service) []Component {
			return []Component{endpoint(sv, "valkey", sv.Port)}
		},
		connection: func(sv *Service, secrets bool, view map[string]any) {
			password := ""
			if u := sv.user(valkeyAdmin); secrets && u != nil {
				password = u.Password
			}
			scheme := "valkeys"
			if v, ok := sv.UserConfig["valkey_ssl"].(bool); ok && !v {
				scheme = "valkey"
			}
			params := map[string]string{
				"host": sv.Host, "port": strconv.Itoa(sv.Port), "user": valkeyAdmin,
				"ssl": map[string]string{"valkeys": "required", "valkey": "disable"}[scheme],
			}
			u := url.URL{Scheme: scheme, User: url.User(valkeyAdmin), Host: sv.Host + ":" + strconv.Itoa(sv.Port)}
			info := map[string]any{"valkey": []string{u.Host}}
			if secrets {
				u.User = url.UserPassword(valkeyAdmin, password)
				params["password"] = password
				info["valkey_password"] = password
			}
			view["service_uri"], view["service_uri_params"], view["connection_info"] = u.String(), params, info
		},
	}
}

// openAccess is what a Valkey user may do when nothing was asked for.
func openAccess() *AccessControl {
	return &AccessControl{
		ValkeyACLCategories: &[]string{"+@all"},
		ValkeyACLChannels:   &[]string{"*"},
		ValkeyACLCommands:   &[]string{},
		ValkeyACLKeys:       &[]string{"*"},
	}
}
