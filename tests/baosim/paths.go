// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package baosim

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// route returns the name of the operation and what does it, nil if there is
// none.
func (s *Server) route(q *request) (name string, do func() (object, error)) {
	segments := strings.Split(q.path, "/")
	last := segments[len(segments)-1]
	at := func(pattern, capability string) bool {
		want := strings.Split(pattern, "/")
		return q.capability == capability && slices.EqualFunc(want, segments, func(a, b string) bool { return a == "*" && b != "" || a == b })
	}
	jwt := len(segments) > 1 && s.mounts[segments[1]+"/"]["type"] == "jwt"
	switch {
	case at("sys/health", "read"):
		return "Health", s.health
	case at("sys/auth", "read"):
		return "AuthMounts", func() (object, error) {
			mounts := object{}
			for path, m := range s.mounts {
				mounts[path] = m
			}
			return data(mounts)
		}
	case at("sys/auth/*", "update"):
		return "EnableAuth", func() (object, error) { return s.enable(last, q.body) }
	case at("sys/auth/*", "delete"):
		return "DisableAuth", func() (object, error) {
			delete(s.mounts, last+"/")
			s.config, s.roles = nil, map[string]object{}
			return nil, nil
		}
	case at("sys/policies/acl/*", "read"):
		return "ReadPolicy", func() (object, error) {
			text, ok := s.policies[last]
			return found(object{"name": last, "policy": text}, ok)
		}
	case at("sys/policies/acl/*", "update"):
		return "WritePolicy", func() (object, error) {
			text, ok := q.body["policy"].(string)
			if !ok {
				return nil, fail(http.StatusBadRequest, "'policy' parameter not supplied or empty")
			}
			s.policies[last] = text
			return nil, nil
		}
	case at("sys/policies/acl/*", "delete"):
		return "DeletePolicy", func() (object, error) { delete(s.policies, last); return nil, nil }
	case at("sys/capabilities-self", "update"):
		return "CapabilitiesSelf", func() (object, error) { return s.capabilitiesSelf(q) }
	case at("auth/token/lookup-self", "read"):
		return "LookupSelf", func() (object, error) { return s.lookupSelf(q.token) }
	case at("auth/token/revoke-self", "update"):
		return "RevokeSelf", func() (object, error) { delete(s.tokens, q.token); return nil, nil }
	case jwt && at("auth/*/login", "update"):
		return "Login", func() (object, error) { return s.login(q.body) }
	case jwt && at("auth/*/config", "read"):
		return "ReadConfig", func() (object, error) { return found(s.config, s.config != nil) }
	case jwt && at("auth/*/config", "update"):
		return "WriteConfig", func() (object, error) { s.config = q.body; return nil, nil }
	case jwt && at("auth/*/role", "list"):
		return "ListRoles", func() (object, error) {
			return found(object{"keys": slices.Sorted(maps.Keys(s.roles))}, len(s.roles) > 0)
		}
	case jwt && at("auth/*/cel/role", "list"):
		return "ListCELRoles", func() (object, error) { return found(nil, false) }
	case jwt && at("auth/*/role/*", "read"):
		return "ReadRole", func() (object, error) { role, ok := s.roles[last]; return found(role, ok) }
	case jwt && at("auth/*/role/*", "update"):
		role := strings.ToLower(last)
		if s.roles[role] == nil {
			q.capability = "create"
		}
		return "WriteRole", func() (object, error) {
			if _, sent := q.body["bound_claims"]; !sent && s.roles[role] != nil {
				// What a write leaves out stays.
				q.body["bound_claims"] = s.roles[role]["bound_claims"]
			}
			s.roles[role] = q.body
			return nil, nil
		}
	case jwt && at("auth/*/role/*", "delete"):
		return "DeleteRole", func() (object, error) { delete(s.roles, last); return nil, nil }
	}
	return "", nil
}

func (s *Server) health() (object, error) {
	return object{
		"initialized": true, "sealed": false, "standby": false, "version": "2.6.2",
		"cluster_id": s.id, "cluster_name": s.id, "server_time_utc": time.Now().Unix(),
	}, nil
}

func (s *Server) enable(path string, mount object) (object, error) {
	if _, ok := s.mounts[path+"/"]; ok {
		return nil, fail(http.StatusBadRequest, "path is already in use at %s/", path)
	}
	if mount["type"] != "jwt" {
		return nil, fail(http.StatusBadRequest, "there are JWT mounts only")
	}
	s.mounts[path+"/"] = object{"type": mount["type"], "description": mount["description"]}
	return nil, nil
}
