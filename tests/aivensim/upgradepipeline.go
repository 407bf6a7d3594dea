// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	codegen "github.com/aiven/go-client-codegen/handler/upgradepipeline"
)

// UpgradeStep makes upgrades of one service wait for those of another.
type UpgradeStep struct {
	ID                 string
	Organization       string
	SourceProject      string
	SourceService      string
	DestinationProject string
	DestinationService string
	// AutoValidationDelayDays is in days.
	AutoValidationDelayDays int
	// Comment and ValidatedBy are of the last validation, at ValidatedAt.
	Comment     string
	ValidatedBy string
	ValidatedAt time.Time
}

// defaultValidationDelay is in days.
const defaultValidationDelay = 7

func upgradePipelineRoutes() []route {
	const pattern = "/v1/organization/{organization_id}/upgrade-pipeline/steps"
	return []route{
		{operation: "UpgradePipelineStepList", method: http.MethodGet, pattern: pattern, handle: (*call).stepList},
		{operation: "UpgradePipelineStepCreate", method: http.MethodPost, pattern: pattern, handle: (*call).stepCreate},
		{operation: "UpgradePipelineStepGet", method: http.MethodGet, pattern: pattern + "/{step_id}", handle: (*call).stepGet},
		{operation: "UpgradePipelineStepUpdate", method: http.MethodPatch, pattern: pattern + "/{step_id}", handle: (*call).stepUpdate},
		{operation: "UpgradePipelineStepDelete", method: http.MethodDelete, pattern: pattern + "/{step_id}", handle: (*call).stepDelete},
		{operation: "UpgradePipelineStepValidate", method: http.MethodPost, pattern: servicePattern + "/upgrade-validation", handle: (*call).stepValidate},
	}
}

func (u *UpgradeStep) view() map[string]any {
	out := map[string]any{
		"step_id": u.ID, "auto_validation_delay_days": u.AutoValidationDelayDays, "last_validation": nil,
		"source_project_name": u.SourceProject, "source_service_name": u.SourceService,
		"destination_project_name": u.DestinationProject, "destination_service_name": u.DestinationService,
	}
	if !u.ValidatedAt.IsZero() {
		out["last_validation"] = map[string]any{"comment": u.Comment, "validated_at": timestamp(u.ValidatedAt), "validated_by_user": u.ValidatedBy}
	}
	return out
}

// stepList filters, and pages by limit and cursor, which is the id of the last
// step of the page before.
func (c *call) stepList() (any, error) {
	org, err := c.organization()
	if err != nil {
		return nil, err
	}
	limit, err := strconv.Atoi(c.query.Get("limit"))
	if c.query.Get("limit") == "" {
		limit, err = 100, nil
	}
	if err != nil || limit < 1 {
		return nil, badRequest("Invalid 'limit': '%s'", c.query.Get("limit"))
	}
	var match []*UpgradeStep
	for _, u := range c.server.steps {
		if u.Organization == org.organizationID && c.wants("source_project_name", u.SourceProject) && c.wants("source_service_name", u.SourceService) &&
			c.wants("destination_project_name", u.DestinationProject) && c.wants("destination_service_name", u.DestinationService) {
			match = append(match, u)
		}
	}
	total := len(match)
	if cursor := c.query.Get("cursor"); cursor != "" {
		i := slices.IndexFunc(match, func(u *UpgradeStep) bool { return u.ID == cursor })
		if i < 0 {
			return nil, badRequest("Invalid 'cursor': '%s'", cursor)
		}
		match = match[i+1:]
	}
	out := map[string]any{"total_count": total}
	if len(match) > limit {
		match = match[:limit]
		out["next"] = match[limit-1].ID
	}
	views := []any{}
	for _, u := range match {
		views = append(views, u.view())
	}
	out["steps"] = views
	return out, nil
}

// wants tells whether a value passes the filter of a query parameter.
func (c *call) wants(key, value string) bool {
	want := c.query.Get(key)
	return want == "" || want == value
}

func (c *call) stepCreate() (any, error) {
	var in codegen.UpgradePipelineStepCreateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	org, err := c.organization()
	if err != nil {
		return nil, err
	}
	types := []string{}
	for _, end := range [][2]string{{in.SourceProjectName, in.SourceServiceName}, {in.DestinationProjectName, in.DestinationServiceName}} {
		p := c.server.projects[end[0]]
		if p == nil || p.settings.OrganizationID != org.organizationID {
			return nil, notFound("Project does not exist")
		}
		sv := p.services[end[1]]
		if sv == nil {
			return nil, notFound("Service not found: '%s'", end[1])
		}
		types = append(types, sv.Type)
	}
	if types[0] != types[1] || in.SourceProjectName == in.DestinationProjectName && in.SourceServiceName == in.DestinationServiceName {
		return nil, badRequest("The source and the destination must be two services of one type")
	}
	u := &UpgradeStep{
		Organization: org.organizationID, SourceProject: in.SourceProjectName, SourceService: in.SourceServiceName,
		DestinationProject: in.DestinationProjectName, DestinationService: in.DestinationServiceName, AutoValidationDelayDays: defaultValidationDelay,
	}
	if err := u.setDelay(in.AutoValidationDelayDays); err != nil {
		return nil, err
	}
	for _, o := range c.server.steps {
		if o.SourceProject == u.SourceProject && o.SourceService == u.SourceService &&
			o.DestinationProject == u.DestinationProject && o.DestinationService == u.DestinationService {
			return nil, conflict("Upgrade pipeline step already exists")
		}
	}
	u.ID = c.server.newUUID()
	c.server.steps = append(c.server.steps, u)
	c.logStep(u, "create", "Created")
	return u.view(), nil
}

func (u *UpgradeStep) setDelay(days *int) error {
	if days == nil {
		return nil
	}
	if *days < 0 {
		return badRequest("Invalid 'auto_validation_delay_days': %d is negative", *days)
	}
	u.AutoValidationDelayDays = *days
	return nil
}

// logStep writes the event log of the source's project, if that still exists.
func (c *call) logStep(u *UpgradeStep, event, verb string) {
	if p := c.server.projects[u.SourceProject]; p != nil {
		c.project = p
		c.log("upgrade_pipeline_step_"+event, u.SourceService, "%s the upgrade step to service %s", verb, u.DestinationService)
	}
}

func (c *call) findStep() (*UpgradeStep, error) {
	org, err := c.organization()
	if err != nil {
		return nil, err
	}
	for _, u := range c.server.steps {
		if u.ID == c.vars["step_id"] && u.Organization == org.organizationID {
			return u, nil
		}
	}
	return nil, notFound("Upgrade pipeline step not found")
}

func (c *call) stepGet() (any, error) {
	u, err := c.findStep()
	if err != nil {
		return nil, err
	}
	return u.view(), nil
}

func (c *call) stepUpdate() (any, error) {
	var in codegen.UpgradePipelineStepUpdateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	u, err := c.findStep()
	if err != nil {
		return nil, err
	}
	if err := u.setDelay(in.AutoValidationDelayDays); err != nil {
		return nil, err
	}
	c.logStep(u, "update", "Updated")
	return u.view(), nil
}

func (c *call) stepDelete() (any, error) {
	u, err := c.findStep()
	if err != nil {
		return nil, err
	}
	c.server.steps = slices.DeleteFunc(c.server.steps, func(o *UpgradeStep) bool { return o == u })
	c.logStep(u, "delete", "Deleted")
	return message("deleted"), nil
}

// stepValidate validates the steps of which the service is the source.
func (c *call) stepValidate() (any, error) {
	var in codegen.UpgradePipelineStepValidateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	found := false
	for _, u := range c.server.steps {
		if u.SourceProject == c.project.name && u.SourceService == c.service.Name {
			found = true
			u.ValidatedAt, u.ValidatedBy, u.Comment = c.now, c.actor, ""
			if in.Comment != nil {
				u.Comment = *in.Comment
			}
			c.logStep(u, "validate", "Validated")
		}
	}
	if !found {
		return nil, notFound("The service is the source of no upgrade pipeline step")
	}
	return message("validated"), nil
}
