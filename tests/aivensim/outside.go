// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// consoleActor is whom the event log names for changes from outside.
const consoleActor = "console@example.com"

// Console carries out an operation as a person at Aiven's console would: with
// the API's checks and with an entry in the event log, but without a token, a
// fault, a delay or an entry in the request log. The path starts with /v1.
func (s *Server) Console(method, path string, body any) error {
	_, err := s.console(method, path, body)
	return err
}

// console is Console with the body of the answer.
func (s *Server) console(method, path string, body any) ([]byte, error) {
	target, err := url.Parse(path)
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	rt, vars, status := s.router.match(method, target.EscapedPath())
	if rt == nil {
		return nil, fmt.Errorf("console: %s %s: %w", method, path, errf(status, "no such route"))
	}
	var raw []byte
	if body != nil {
		if raw, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("console: %s %s: %w", method, path, err)
		}
	}
	ans := s.apply(rt, &call{actor: consoleActor, vars: vars, query: target.Query(), body: raw})
	if ans.status != http.StatusOK {
		var failed errorBody
		if err := json.Unmarshal(ans.body, &failed); err != nil {
			return nil, fmt.Errorf("console: %s %s: %w", method, path, err)
		}
		return nil, fmt.Errorf("console: %s %s: %w", method, path, errf(ans.status, "%s", failed.Message))
	}
	return ans.body, nil
}

// Outside changes one service behind the back of the client under test. Every
// change goes through Console.
type Outside struct {
	server  *Server
	project string
	service string
	path    string
}

// Outside returns the changes of one service.
func (s *Server) Outside(project, service string) Outside {
	return Outside{server: s, project: project, service: service, path: "/v1/project/" + url.PathEscape(project) + "/service/" + url.PathEscape(service)}
}

func (o Outside) do(method, suffix string, body any) error {
	return o.server.Console(method, o.path+suffix, body)
}

// UpdateService sends fields of ServiceUpdate: plan, cloud, user_config, ...
func (o Outside) UpdateService(fields map[string]any) error { return o.do(http.MethodPut, "", fields) }

// DeleteService terminates the service, protected or not.
func (o Outside) DeleteService() error {
	if err := o.UpdateService(map[string]any{"termination_protection": false}); err != nil {
		return err
	}
	return o.do(http.MethodDelete, "", nil)
}

// SetPower switches the service on or off.
func (o Outside) SetPower(on bool) error { return o.UpdateService(map[string]any{"powered": on}) }

// SetTags replaces the service's tags.
func (o Outside) SetTags(tags map[string]string) error {
	return o.do(http.MethodPut, "/tags", map[string]any{"tags": tags})
}

// SetTechEmails replaces the service's technical emails.
func (o Outside) SetTechEmails(emails ...string) error {
	list := []any{}
	for _, e := range emails {
		list = append(list, map[string]any{"email": e})
	}
	return o.UpdateService(map[string]any{"tech_emails": list})
}

// CreateUser creates a service user.
func (o Outside) CreateUser(name string) error {
	return o.do(http.MethodPost, "/user", map[string]any{"username": name})
}

// DeleteUser deletes a service user.
func (o Outside) DeleteUser(name string) error {
	return o.do(http.MethodDelete, "/user/"+url.PathEscape(name), nil)
}

// ResetUser sets a user's password; empty means a new random one.
func (o Outside) ResetUser(name, password string) error {
	body := map[string]any{"operation": "reset-credentials"}
	if password != "" {
		body["new_password"] = password
	}
	return o.do(http.MethodPut, "/user/"+url.PathEscape(name), body)
}

// SetUserAccess replaces a user's access control.
func (o Outside) SetUserAccess(name string, access map[string]any) error {
	return o.do(http.MethodPut, "/user/"+url.PathEscape(name), map[string]any{"operation": "set-access-control", "access_control": access})
}

// CreateDatabase creates a logical database.
func (o Outside) CreateDatabase(name string) error {
	return o.do(http.MethodPost, "/db", map[string]any{"database": name})
}

// DeleteDatabase deletes a logical database.
func (o Outside) DeleteDatabase(name string) error {
	return o.do(http.MethodDelete, "/db/"+url.PathEscape(name), nil)
}

// UpdatePool sends fields of ServicePGBouncerUpdate.
func (o Outside) UpdatePool(name string, fields map[string]any) error {
	return o.do(http.MethodPut, "/connection_pool/"+url.PathEscape(name), fields)
}

// DeletePool deletes a connection pool.
func (o Outside) DeletePool(name string) error {
	return o.do(http.MethodDelete, "/connection_pool/"+url.PathEscape(name), nil)
}

// CreateTopic sends fields of ServiceKafkaTopicCreate.
func (o Outside) CreateTopic(fields map[string]any) error {
	return o.do(http.MethodPost, "/topic", fields)
}

// UpdateTopic sends fields of ServiceKafkaTopicUpdate.
func (o Outside) UpdateTopic(name string, fields map[string]any) error {
	return o.do(http.MethodPut, "/topic/"+url.PathEscape(name), fields)
}

// DeleteTopic deletes a topic.
func (o Outside) DeleteTopic(name string) error {
	return o.do(http.MethodDelete, "/topic/"+url.PathEscape(name), nil)
}

// AddACL adds a Kafka ACL entry.
func (o Outside) AddACL(permission, topic, username string) error {
	return o.do(http.MethodPost, "/acl", map[string]any{"permission": permission, "topic": topic, "username": username})
}

// DeleteACL deletes a Kafka ACL entry.
func (o Outside) DeleteACL(id string) error {
	return o.do(http.MethodDelete, "/acl/"+url.PathEscape(id), nil)
}
