// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"maps"
	"net/http"
	"slices"

	codegen "github.com/aiven/go-client-codegen/handler/project"
)

func projectEditRoutes() []route {
	const one = "/v1/project/{project}"
	return []route{
		{operation: "ProjectList", method: http.MethodGet, pattern: "/v1/project", handle: (*call).projectList},
		{operation: "ProjectCreate", method: http.MethodPost, pattern: "/v1/project", handle: (*call).projectCreate},
		{operation: "ProjectUpdate", method: http.MethodPut, pattern: one, handle: (*call).projectUpdate},
		{operation: "ProjectDelete", method: http.MethodDelete, pattern: one, handle: (*call).projectDelete},
		{operation: "ProjectTagsList", method: http.MethodGet, pattern: one + "/tags", handle: (*call).projectTagsList},
		{operation: "ProjectTagsReplace", method: http.MethodPut, pattern: one + "/tags", handle: (*call).projectTagsReplace},
	}
}

func (c *call) projectAnswer() (any, error) {
	return map[string]any{"project": c.project.view(c.server)}, nil
}

func (c *call) projectList() (any, error) {
	out, members := []any{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.server.projects)) {
		out = append(out, c.server.projects[name].view(c.server))
		members[name] = "admin"
	}
	return map[string]any{"projects": out, "project_membership": members, "project_memberships": map[string]any{}}, nil
}

func (c *call) projectCreate() (any, error) {
	var in codegen.ProjectCreateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := required("project", in.Project); err != nil {
		return nil, err
	}
	settings := c.server.defaultSettings()
	if in.CopyFromProject != nil {
		from := c.server.projects[*in.CopyFromProject]
		if from == nil {
			return nil, notFound("Project does not exist")
		}
		tags := settings.Tags
		if in.CopyTags != nil && *in.CopyTags {
			tags = maps.Clone(from.settings.Tags)
		}
		settings = deepCopy(from.settings)
		settings.Tags, settings.EstimatedBalance = tags, "0.00"
		if in.UseSourceProjectBillingGroup == nil || !*in.UseSourceProjectBillingGroup {
			settings.BillingGroupID = DefaultBillingGroupID
		}
	}
	if in.BasePort != nil {
		if err := checkBasePort(*in.BasePort); err != nil {
			return nil, err
		}
		settings.BasePort = *in.BasePort
	}
	if err := settings.apply(c.server, codegen.ProjectUpdateIn{
		AccountId: in.AccountId, BillingAddress: in.BillingAddress, BillingCurrency: in.BillingCurrency, BillingEmails: in.BillingEmails,
		BillingExtraText: in.BillingExtraText, BillingGroupId: in.BillingGroupId, CardId: in.CardId, Cloud: in.Cloud, Company: in.Company,
		CountryCode: in.CountryCode, Tags: in.Tags, TechEmails: in.TechEmails, VatId: in.VatId,
	}); err != nil {
		return nil, err
	}
	if err := c.createProject(in.Project, settings); err != nil {
		return nil, err
	}
	return c.projectAnswer()
}

// createProject adds a project and makes it the one of the request.
func (c *call) createProject(name string, settings ProjectSettings) error {
	p, err := c.server.addProjectLocked(name)
	if err != nil {
		return err
	}
	p.settings = settings
	c.project = p
	c.log("project_create", "", "Created project %s", name)
	return nil
}

func checkBasePort(port int) error {
	if port < 10000 || port > 30000 {
		return badRequest("Invalid 'base_port': %d is not between 10000 and 30000", port)
	}
	return nil
}

func (c *call) projectUpdate() (any, error) {
	var in codegen.ProjectUpdateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if in.ProjectName != nil && *in.ProjectName != c.project.name {
		return nil, badRequest("Invalid 'project_name': the simulator does not rename projects")
	}
	next := deepCopy(c.project.settings)
	if err := next.apply(c.server, in); err != nil {
		return nil, err
	}
	c.project.settings = next
	c.log("project_update", "", "Updated project %s", c.project.name)
	return c.projectAnswer()
}

func (c *call) projectDelete() (any, error) {
	if err := c.deleteProject(); err != nil {
		return nil, err
	}
	return message("deleted"), nil
}

// deleteProject deletes the project of the request; its event log goes with it.
func (c *call) deleteProject() error {
	switch p := c.project; {
	case len(p.services) > 0:
		return forbidden("Project has active services and cannot be deleted")
	case len(p.vpcs) > 0:
		return forbidden("Project has VPCs and cannot be deleted")
	case p.settings.EstimatedBalance != "0.00":
		return forbidden("Project with an open balance cannot be deleted")
	}
	delete(c.server.projects, c.project.name)
	return nil
}

func (c *call) projectTagsList() (any, error) {
	return map[string]any{"tags": c.project.settings.Tags}, nil
}

func (c *call) projectTagsReplace() (any, error) {
	var in codegen.ProjectTagsReplaceIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	c.project.settings.Tags = map[string]string{}
	maps.Copy(c.project.settings.Tags, in.Tags)
	c.log("project_tags_update", "", "Updated the tags of the project")
	return message("updated"), nil
}

// SetBalance sets the estimated balance of a project, "0.00" by default.
func (s *Server) SetBalance(project, balance string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.projects[project]
	if p == nil {
		return notFound("Project does not exist")
	}
	p.settings.EstimatedBalance = balance
	s.wake()
	return nil
}
