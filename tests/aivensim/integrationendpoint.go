// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/http"
	"regexp"
	"slices"

	codegen "github.com/aiven/go-client-codegen/handler/service"
)

// Endpoint is an integration endpoint of a project.
type Endpoint struct {
	ID         string
	Name       string
	Type       string
	UserConfig map[string]any
}

func endpointRoutes() []route {
	const pattern = "/v1/project/{project}/integration_endpoint"
	const one = pattern + "/{integration_endpoint_id}"
	return []route{
		{operation: "ServiceIntegrationEndpointList", method: http.MethodGet, pattern: pattern, handle: (*call).endpointList},
		{operation: "ServiceIntegrationEndpointCreate", method: http.MethodPost, pattern: pattern, handle: (*call).endpointCreate},
		{operation: "ServiceIntegrationEndpointGet", method: http.MethodGet, pattern: one, handle: (*call).endpointGet},
		{operation: "ServiceIntegrationEndpointUpdate", method: http.MethodPut, pattern: one, handle: (*call).endpointUpdate},
		{operation: "ServiceIntegrationEndpointDelete", method: http.MethodDelete, pattern: one, handle: (*call).endpointDelete},
	}
}

var endpointNamePattern = regexp.MustCompile(`^[^\x00-\x1f]{1,36}$`)

func (p *project) endpoint(id string) *Endpoint {
	for _, e := range p.endpoints {
		if e.ID == id {
			return e
		}
	}
	return nil
}

func (e *Endpoint) view(secrets bool) (map[string]any, error) {
	config := e.UserConfig
	if !secrets {
		sc, err := endpointSchemas.schemaOf(e.Type)
		if err != nil {
			return nil, err
		}
		config = sc.withoutSecrets(config)
	}
	return map[string]any{
		"endpoint_id": e.ID, "endpoint_name": e.Name, "endpoint_type": e.Type,
		"endpoint_config": map[string]any{}, "user_config": config,
	}, nil
}

func (e *Endpoint) answer(secrets bool) (any, error) {
	view, err := e.view(secrets)
	if err != nil {
		return nil, err
	}
	return map[string]any{"service_integration_endpoint": view}, nil
}

func (c *call) endpointList() (any, error) {
	out := []any{}
	for _, e := range c.project.endpoints {
		view, err := e.view(c.secrets())
		if err != nil {
			return nil, err
		}
		out = append(out, view)
	}
	return map[string]any{"service_integration_endpoints": out}, nil
}

func (c *call) endpointCreate() (any, error) {
	var in codegen.ServiceIntegrationEndpointCreateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if !endpointNamePattern.MatchString(in.EndpointName) {
		return nil, badRequest("Invalid 'endpoint_name': '%s'", in.EndpointName)
	}
	if err := required("endpoint_type", string(in.EndpointType)); err != nil {
		return nil, err
	}
	if err := oneOf("endpoint_type", in.EndpointType, codegen.EndpointTypeChoices()); err != nil {
		return nil, err
	}
	for _, e := range c.project.endpoints {
		if e.Name == in.EndpointName && e.Type == string(in.EndpointType) {
			return nil, conflict("Integration endpoint '%s' of type '%s' already exists", e.Name, e.Type)
		}
	}
	e := &Endpoint{Name: in.EndpointName, Type: string(in.EndpointType)}
	var err error
	if e.UserConfig, err = newConfigOf(endpointSchemas, e.Type, in.UserConfig); err != nil {
		return nil, err
	}
	e.ID = c.server.newUUID()
	c.project.endpoints = append(c.project.endpoints, e)
	c.log("integration_endpoint_create", "", "Created integration endpoint %s of type %s", e.Name, e.Type)
	return e.answer(true)
}

func (c *call) findEndpoint() (*Endpoint, error) {
	if e := c.project.endpoint(c.vars["integration_endpoint_id"]); e != nil {
		return e, nil
	}
	return nil, notFound("Service integration endpoint not found")
}

func (c *call) endpointGet() (any, error) {
	e, err := c.findEndpoint()
	if err != nil {
		return nil, err
	}
	return e.answer(c.secrets())
}

func (c *call) endpointUpdate() (any, error) {
	var in codegen.ServiceIntegrationEndpointUpdateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	e, err := c.findEndpoint()
	if err != nil {
		return nil, err
	}
	if in.UserConfig == nil {
		return nil, badRequest("'user_config' is a required property")
	}
	config, err := changeConfigOf(endpointSchemas, e.Type, e.UserConfig, in.UserConfig)
	if err != nil {
		return nil, err
	}
	e.UserConfig = config
	c.log("integration_endpoint_update", "", "Updated integration endpoint %s", e.Name)
	return e.answer(true)
}

func (c *call) endpointDelete() (any, error) {
	e, err := c.findEndpoint()
	if err != nil {
		return nil, err
	}
	for _, p := range c.server.projects {
		for _, sv := range p.services {
			for _, i := range sv.Integrations {
				if i.SourceEndpointID == e.ID || i.DestEndpointID == e.ID {
					return nil, conflict("Integration endpoint '%s' is in use by service '%s'", e.Name, sv.Name)
				}
			}
		}
	}
	c.project.endpoints = slices.DeleteFunc(c.project.endpoints, func(o *Endpoint) bool { return o == e })
	c.log("integration_endpoint_delete", "", "Deleted integration endpoint %s", e.Name)
	return message("deleted"), nil
}
