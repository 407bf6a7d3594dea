// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"maps"
	"net/http"
	"slices"

	codegen "github.com/aiven/go-client-codegen/handler/organizationprojects"
	projects "github.com/aiven/go-client-codegen/handler/project"
)

// An organization project is a project seen from its organization.

func organizationProjectRoutes() []route {
	const pattern = "/v1/organization/{organization_id}"
	return []route{
		{operation: "OrganizationProjectsList", method: http.MethodGet, pattern: pattern + "/projects", handle: (*call).organizationProjectList},
		{operation: "OrganizationProjectsCreate", method: http.MethodPost, pattern: pattern + "/projects", handle: (*call).organizationProjectCreate},
		{operation: "OrganizationProjectsGet", method: http.MethodGet, pattern: pattern + "/project/{project_id}", handle: (*call).organizationProjectGet},
		{operation: "OrganizationProjectsUpdate", method: http.MethodPatch, pattern: pattern + "/project/{project_id}", handle: (*call).organizationProjectUpdate},
		{operation: "OrganizationProjectsDelete", method: http.MethodDelete, pattern: pattern + "/project/{project_id}", handle: (*call).organizationProjectDelete},
	}
}

// organization resolves the organization of the path; a unit is none.
func (c *call) organization() (*unit, error) {
	u := c.server.unit(c.vars["organization_id"])
	if u == nil || u.organizationID != c.vars["organization_id"] || u.root != u {
		return nil, notFound("Organization does not exist")
	}
	return u, nil
}

// organizationView shows the parent in the form of an account, whatever
// form it was given in.
func (p *project) organizationView() map[string]any {
	out := map[string]any{
		"account_id": p.settings.AccountID, "organization_id": p.settings.OrganizationID, "parent_id": p.settings.AccountID,
		"project_id": p.name, "billing_group_id": p.settings.BillingGroupID, "tags": p.settings.Tags,
		"tech_emails": emails(p.settings.TechEmails), "end_of_life_extension": map[string]any{}, "features": map[string]bool{},
	}
	if p.settings.BasePort != 0 {
		out["base_port"] = p.settings.BasePort
	}
	return out
}

func (c *call) organizationProjectList() (any, error) {
	u, err := c.organization()
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, name := range slices.Sorted(maps.Keys(c.server.projects)) {
		if p := c.server.projects[name]; p.settings.OrganizationID == u.organizationID {
			out = append(out, p.organizationView())
		}
	}
	return map[string]any{"projects": out, "total_project_count": len(out)}, nil
}

func (c *call) organizationProjectCreate() (any, error) {
	var in codegen.OrganizationProjectsCreateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	u, err := c.organization()
	if err != nil {
		return nil, err
	}
	if err := required("project_id", in.ProjectId); err != nil {
		return nil, err
	}
	if err := required("billing_group_id", in.BillingGroupId); err != nil {
		return nil, err
	}
	if in.Tags == nil {
		return nil, badRequest("'tags' is a required property")
	}
	settings := c.server.defaultSettings()
	settings.AccountID, settings.OrganizationID = u.accountID, u.organizationID
	change := codegen.OrganizationProjectsUpdateIn{
		BasePort: in.BasePort, BillingGroupId: &in.BillingGroupId, ParentId: in.ParentId, Tags: &in.Tags, TechEmails: in.TechEmails,
	}
	if err := settings.applyOrganization(c.server, change); err != nil {
		return nil, err
	}
	if err := c.createProject(in.ProjectId, settings); err != nil {
		return nil, err
	}
	return c.project.organizationView(), nil
}

// applyOrganization changes what the request gives.
func (set *ProjectSettings) applyOrganization(s *Server, in codegen.OrganizationProjectsUpdateIn) error {
	if in.OrganizationId != nil && *in.OrganizationId != set.OrganizationID {
		return notFound("Organization does not exist")
	}
	if in.BasePort != nil {
		if err := checkBasePort(*in.BasePort); err != nil {
			return err
		}
		set.BasePort = *in.BasePort
	}
	change := projects.ProjectUpdateIn{AccountId: in.ParentId, BillingGroupId: in.BillingGroupId, Tags: in.Tags}
	if in.TechEmails != nil {
		change.TechEmails = &[]projects.TechEmailIn{}
		for _, e := range *in.TechEmails {
			*change.TechEmails = append(*change.TechEmails, projects.TechEmailIn{Email: e.Email})
		}
	}
	return set.apply(s, change)
}

// findOrganizationProject makes the project of the path the one of the request.
func (c *call) findOrganizationProject() error {
	u, err := c.organization()
	if err != nil {
		return err
	}
	p := c.server.projects[c.vars["project_id"]]
	if p == nil || p.settings.OrganizationID != u.organizationID {
		return notFound("Project does not exist")
	}
	c.project = p
	return nil
}

func (c *call) organizationProjectGet() (any, error) {
	if err := c.findOrganizationProject(); err != nil {
		return nil, err
	}
	return c.project.organizationView(), nil
}

func (c *call) organizationProjectUpdate() (any, error) {
	var in codegen.OrganizationProjectsUpdateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := c.findOrganizationProject(); err != nil {
		return nil, err
	}
	if in.ProjectName != nil && *in.ProjectName != c.project.name {
		return nil, badRequest("Invalid 'project_name': the simulator does not rename projects")
	}
	next := deepCopy(c.project.settings)
	if err := next.applyOrganization(c.server, in); err != nil {
		return nil, err
	}
	c.project.settings = next
	c.log("project_update", "", "Updated project %s", c.project.name)
	return c.project.organizationView(), nil
}

func (c *call) organizationProjectDelete() (any, error) {
	if err := c.findOrganizationProject(); err != nil {
		return nil, err
	}
	return c.projectDelete()
}
