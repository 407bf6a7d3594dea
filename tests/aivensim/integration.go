// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"cmp"
	"net/http"
	"slices"

	codegen "github.com/aiven/go-client-codegen/handler/service"
)

// Integration connects a service with a service or with an endpoint. It is
// listed in every service that takes part.
type Integration struct {
	ID   string
	Type string
	// The service of a side is empty where an endpoint takes its place.
	SourceProject    string
	SourceService    string
	SourceType       string
	SourceEndpoint   string
	SourceEndpointID string
	DestProject      string
	DestService      string
	DestType         string
	DestEndpoint     string
	DestEndpointID   string
	UserConfig       map[string]any
}

func integrationRoutes() []route {
	const pattern = "/v1/project/{project}/integration"
	return []route{
		{operation: "ServiceIntegrationCreate", method: http.MethodPost, pattern: pattern, handle: (*call).integrationCreate},
		{operation: "ServiceIntegrationGet", method: http.MethodGet, pattern: pattern + "/{integration_id}", handle: (*call).integrationGet},
		{operation: "ServiceIntegrationUpdate", method: http.MethodPut, pattern: pattern + "/{integration_id}", handle: (*call).integrationUpdate},
		{operation: "ServiceIntegrationDelete", method: http.MethodDelete, pattern: pattern + "/{integration_id}", handle: (*call).integrationDelete},
		{operation: "ServiceIntegrationList", method: http.MethodGet, pattern: servicePattern + "/integration", handle: (*call).integrationList},
	}
}

func (i *Integration) view() map[string]any {
	return map[string]any{
		"active": true, "enabled": true, "description": i.Type, "integration_type": i.Type, "service_integration_id": i.ID,
		"source_project": i.SourceProject, "source_service": nullable(i.SourceService), "source_service_type": i.SourceType,
		"source_endpoint": nullable(i.SourceEndpoint), "source_endpoint_id": nullable(i.SourceEndpointID),
		"dest_project": i.DestProject, "dest_service": nullable(i.DestService), "dest_service_type": i.DestType,
		"dest_endpoint": nullable(i.DestEndpoint), "dest_endpoint_id": nullable(i.DestEndpointID),
		"user_config": i.UserConfig,
	}
}

func (i *Integration) answer() map[string]any { return map[string]any{"service_integration": i.view()} }

// integrationTypes are the service types of the integrations that the simulator
// is strict about. Empty means any.
func integrationTypes() map[string][2]string {
	return map[string][2]string{
		"clickhouse_kafka":      {"kafka", "clickhouse"},
		"clickhouse_postgresql": {"pg", "clickhouse"},
		"kafka_connect":         {"kafka", "kafka_connect"},
		"kafka_logs":            {"", "kafka"},
		"logs":                  {"", "opensearch"},
	}
}

// side is one end of a new integration.
type side struct {
	project, service, kind, endpoint, endpointID string
	attached                                     *Service
}

// resolveSide finds the service or the endpoint of one end.
func (c *call) resolveSide(name, integrationType, wantType string, project, service, endpointID *string) (side, error) {
	out := side{project: c.project.name}
	if project != nil {
		out.project = *project
	}
	if c.token != nil {
		if err := c.server.tokens.authorize(c.token, out.project, true); err != nil {
			return out, err
		}
	}
	p := c.server.projects[out.project]
	if p == nil {
		return out, notFound("Project does not exist")
	}
	switch {
	case (service == nil) == (endpointID == nil):
		return out, badRequest("Exactly one of '%s_service' and '%s_endpoint_id' is required", name, name)
	case service != nil:
		out.attached = p.services[*service]
		if out.attached == nil {
			return out, notFound("Service not found: '%s'", *service)
		}
		out.service, out.kind = *service, out.attached.Type
		if wantType != "" && out.kind != wantType {
			return out, badRequest("Invalid '%s_service': a service of type '%s' cannot be the %s of '%s'", name, out.kind, name, integrationType)
		}
		return out, nil
	}
	e := p.endpoint(*endpointID)
	if e == nil {
		return out, notFound("Integration endpoint not found: '%s'", *endpointID)
	}
	if slices.Contains(codegen.EndpointTypeChoices(), integrationType) && e.Type != integrationType {
		return out, badRequest("Invalid '%s_endpoint_id': an endpoint of type '%s' does not fit '%s'", name, e.Type, integrationType)
	}
	out.endpoint, out.endpointID, out.kind = e.Name, e.ID, e.Type
	return out, nil
}

func (c *call) integrationCreate() (any, error) {
	var in codegen.ServiceIntegrationCreateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	kind := string(in.IntegrationType)
	if err := required("integration_type", kind); err != nil {
		return nil, err
	}
	if err := oneOf("integration_type", kind, codegen.IntegrationTypeChoices()); err != nil {
		return nil, err
	}
	types := integrationTypes()[kind]
	source, err := c.resolveSide("source", kind, types[0], in.SourceProject, in.SourceService, in.SourceEndpointId)
	if err != nil {
		return nil, err
	}
	dest, err := c.resolveSide("dest", kind, types[1], in.DestProject, in.DestService, in.DestEndpointId)
	if err != nil {
		return nil, err
	}
	if source.attached == nil && dest.attached == nil {
		return nil, badRequest("An integration needs a service")
	}
	config := map[string]any{}
	if in.UserConfig != nil {
		config = *in.UserConfig
	}
	if config, err = newConfigOf(integrationSchemas, kind, config); err != nil {
		return nil, err
	}
	link := &Integration{
		Type: kind, UserConfig: config,
		SourceProject: source.project, SourceService: source.service, SourceType: source.kind,
		SourceEndpoint: source.endpoint, SourceEndpointID: source.endpointID,
		DestProject: dest.project, DestService: dest.service, DestType: dest.kind,
		DestEndpoint: dest.endpoint, DestEndpointID: dest.endpointID,
	}
	if err := c.attach(link, source.attached, dest.attached); err != nil {
		return nil, err
	}
	c.log("integration_create", cmp.Or(link.SourceService, link.DestService), "Created integration of type %s", link.Type)
	return link.answer(), nil
}

// attach lists a new integration in its services.
func (c *call) attach(link *Integration, source, dest *Service) error {
	for _, o := range cmp.Or(source, dest).Integrations {
		if o.Type == link.Type && o.SourceProject == link.SourceProject && o.SourceService == link.SourceService &&
			o.DestProject == link.DestProject && o.DestService == link.DestService &&
			o.SourceEndpointID == link.SourceEndpointID && o.DestEndpointID == link.DestEndpointID {
			return conflict("Service integration of type '%s' already exists", link.Type)
		}
	}
	link.ID = c.server.newUUID()
	if source != nil {
		source.Integrations = append(source.Integrations, link)
	}
	if dest != nil && dest != source {
		dest.Integrations = append(dest.Integrations, link)
	}
	return nil
}

// findIntegration looks among the services of the project.
func (c *call) findIntegration() (*Integration, error) {
	for _, sv := range c.project.services {
		for _, i := range sv.Integrations {
			if i.ID == c.vars["integration_id"] {
				return i, nil
			}
		}
	}
	return nil, notFound("Service integration not found")
}

func (c *call) integrationGet() (any, error) {
	i, err := c.findIntegration()
	if err != nil {
		return nil, err
	}
	return i.answer(), nil
}

func (c *call) integrationList() (any, error) {
	return map[string]any{"service_integrations": c.service.integrationViews()}, nil
}

func (c *call) integrationUpdate() (any, error) {
	var in codegen.ServiceIntegrationUpdateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	i, err := c.findIntegration()
	if err != nil {
		return nil, err
	}
	if in.UserConfig == nil {
		return nil, badRequest("'user_config' is a required property")
	}
	config, err := changeConfigOf(integrationSchemas, i.Type, i.UserConfig, in.UserConfig)
	if err != nil {
		return nil, err
	}
	i.UserConfig = config
	c.log("integration_update", cmp.Or(i.SourceService, i.DestService), "Updated integration %s of type %s", i.ID, i.Type)
	return i.answer(), nil
}

func (c *call) integrationDelete() (any, error) {
	i, err := c.findIntegration()
	if err != nil {
		return nil, err
	}
	c.server.detach(func(o *Integration) bool { return o == i })
	c.log("integration_delete", cmp.Or(i.SourceService, i.DestService), "Deleted integration %s of type %s", i.ID, i.Type)
	return message("deleted"), nil
}

// detach removes integrations from all services. The lock is held.
func (s *Server) detach(gone func(*Integration) bool) {
	for _, p := range s.projects {
		for _, sv := range p.services {
			sv.Integrations = slices.DeleteFunc(sv.Integrations, gone)
		}
	}
}
