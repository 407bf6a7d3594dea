// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"encoding/json"
	"net/http"
	"net/url"
)

// OutsideProject changes what belongs to one project and to none of its
// services. Every change goes through Console.
type OutsideProject struct {
	server *Server
	path   string
}

// OutsideProject returns the changes of one project.
func (s *Server) OutsideProject(project string) OutsideProject {
	return OutsideProject{server: s, path: "/v1/project/" + url.PathEscape(project)}
}

func (o OutsideProject) do(method, suffix string, body any) error {
	return o.server.Console(method, o.path+suffix, body)
}

// created sends a request and returns a field of the answer.
func (o OutsideProject) created(suffix string, body any, wrapper, field string) (string, error) {
	raw, err := o.server.console(http.MethodPost, o.path+suffix, body)
	if err != nil {
		return "", err
	}
	var out map[string]json.RawMessage
	if err := json.Unmarshal(raw, &out); err != nil {
		return "", err
	}
	if inner, ok := out[wrapper]; ok {
		if err := json.Unmarshal(inner, &out); err != nil {
			return "", err
		}
	}
	var id string
	return id, json.Unmarshal(out[field], &id)
}

// Update sends fields of ProjectUpdate.
func (o OutsideProject) Update(fields map[string]any) error { return o.do(http.MethodPut, "", fields) }

// Delete deletes the project, which must be empty.
func (o OutsideProject) Delete() error { return o.do(http.MethodDelete, "", nil) }

// CreateVPC creates a VPC and returns its id.
func (o OutsideProject) CreateVPC(cloud, cidr string) (string, error) {
	return o.created("/vpcs", map[string]any{"cloud_name": cloud, "network_cidr": cidr}, "", "project_vpc_id")
}

// DeleteVPC deletes a VPC.
func (o OutsideProject) DeleteVPC(id string) error {
	return o.do(http.MethodDelete, "/vpcs/"+url.PathEscape(id), nil)
}

// CreateEndpoint sends the fields of ServiceIntegrationEndpointCreate and
// returns the id.
func (o OutsideProject) CreateEndpoint(fields map[string]any) (string, error) {
	return o.created("/integration_endpoint", fields, "service_integration_endpoint", "endpoint_id")
}

// UpdateEndpoint changes the configuration of an integration endpoint.
func (o OutsideProject) UpdateEndpoint(id string, config map[string]any) error {
	return o.do(http.MethodPut, "/integration_endpoint/"+url.PathEscape(id), map[string]any{"user_config": config})
}

// DeleteEndpoint deletes an integration endpoint.
func (o OutsideProject) DeleteEndpoint(id string) error {
	return o.do(http.MethodDelete, "/integration_endpoint/"+url.PathEscape(id), nil)
}

// CreateIntegration sends the fields of ServiceIntegrationCreate and returns the
// id.
func (o OutsideProject) CreateIntegration(fields map[string]any) (string, error) {
	return o.created("/integration", fields, "service_integration", "service_integration_id")
}

// UpdateIntegration changes the configuration of an integration.
func (o OutsideProject) UpdateIntegration(id string, config map[string]any) error {
	return o.do(http.MethodPut, "/integration/"+url.PathEscape(id), map[string]any{"user_config": config})
}

// DeleteIntegration deletes an integration.
func (o OutsideProject) DeleteIntegration(id string) error {
	return o.do(http.MethodDelete, "/integration/"+url.PathEscape(id), nil)
}

// OutsideOrganization changes what belongs to an organization. Every change goes
// through Console.
type OutsideOrganization struct {
	server *Server
	path   string
}

// OutsideOrganization returns the changes of one organization.
func (s *Server) OutsideOrganization(id string) OutsideOrganization {
	return OutsideOrganization{server: s, path: "/v1/organization/" + url.PathEscape(id)}
}

// CreateProject sends the fields of OrganizationProjectsCreate.
func (o OutsideOrganization) CreateProject(fields map[string]any) error {
	return o.server.Console(http.MethodPost, o.path+"/projects", fields)
}

// UpdateProject sends fields of OrganizationProjectsUpdate.
func (o OutsideOrganization) UpdateProject(name string, fields map[string]any) error {
	return o.server.Console(http.MethodPatch, o.path+"/project/"+url.PathEscape(name), fields)
}

// DeleteProject deletes a project, which must be empty.
func (o OutsideOrganization) DeleteProject(name string) error {
	return o.server.Console(http.MethodDelete, o.path+"/project/"+url.PathEscape(name), nil)
}

// CreateStep sends the fields of UpgradePipelineStepCreate.
func (o OutsideOrganization) CreateStep(fields map[string]any) error {
	return o.server.Console(http.MethodPost, o.path+"/upgrade-pipeline/steps", fields)
}

// UpdateStep sets the validation delay of an upgrade pipeline step, in days.
func (o OutsideOrganization) UpdateStep(id string, days int) error {
	return o.server.Console(http.MethodPatch, o.path+"/upgrade-pipeline/steps/"+url.PathEscape(id), map[string]any{"auto_validation_delay_days": days})
}

// DeleteStep deletes an upgrade pipeline step.
func (o OutsideOrganization) DeleteStep(id string) error {
	return o.server.Console(http.MethodDelete, o.path+"/upgrade-pipeline/steps/"+url.PathEscape(id), nil)
}
