// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// route is one operation of the API.
type route struct {
	// operation is the name the API's own documentation gives it.
	operation string
	method    string
	// pattern has {name} segments; {project} and {service_name} are resolved
	// before the handler runs.
	pattern string
	// reads marks a POST that changes nothing.
	reads bool
	// readsBody tells of a POST with a body whether it changes nothing.
	readsBody func(body []byte) bool
	handle    func(*call) (any, error)
}

// mutating tells whether the operation may change something.
func (r route) mutating() bool { return r.method != http.MethodGet && !r.reads }

// mutates tells it of one request.
func (r route) mutates(body []byte) bool {
	return r.mutating() && (r.readsBody == nil || !r.readsBody(body))
}

// call is one request on its way through a handler. The state lock is held.
type call struct {
	server *Server
	// actor is the name under which the event log records the change.
	actor string
	// token is the caller's; nil for what happens outside the API.
	token   *tokenState
	vars    map[string]string
	query   url.Values
	body    []byte
	now     time.Time
	project *project
	// service is set for routes below {service_name}.
	service *Service
}

func (c *call) secrets() bool {
	return c.server.opts.SecretsUnasked || c.query.Get("include_secrets") == "true"
}

// router finds the operation of a method and path. Segments are matched
// escaped and handed on unescaped, so that names may hold any character.
type router struct {
	routes []compiledRoute
}

type compiledRoute struct {
	route
	segments []string
}

func newRouter(routes []route) *router {
	r := &router{}
	for _, rt := range routes {
		r.routes = append(r.routes, compiledRoute{route: rt, segments: strings.Split(rt.pattern, "/")})
	}
	return r
}

// match returns the route and the path variables. With no route the status is
// 404 or, when another method of the path is known, 405.
func (r *router) match(method, escapedPath string) (*route, map[string]string, int) {
	segments := strings.Split(escapedPath, "/")
	status := http.StatusNotFound
	for i := range r.routes {
		rt := &r.routes[i]
		vars, ok := matchSegments(rt.segments, segments)
		if !ok {
			continue
		}
		if rt.method == method {
			return &rt.route, vars, http.StatusOK
		}
		status = http.StatusMethodNotAllowed
	}
	return nil, nil, status
}

func matchSegments(pattern, segments []string) (map[string]string, bool) {
	if len(pattern) != len(segments) {
		return nil, false
	}
	vars := map[string]string{}
	for i, p := range pattern {
		if name, ok := strings.CutPrefix(p, "{"); ok {
			value, err := url.PathUnescape(segments[i])
			if err != nil || value == "" {
				return nil, false
			}
			vars[strings.TrimSuffix(name, "}")] = value
		} else if p != segments[i] {
			return nil, false
		}
	}
	return vars, true
}
