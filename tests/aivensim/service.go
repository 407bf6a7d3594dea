// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	codegen "github.com/aiven/go-client-codegen/handler/service"
)

const servicePattern = "/v1/project/{project}/service/{service_name}"

func serviceRoutes() []route {
	return []route{
		{operation: "ServiceList", method: http.MethodGet, pattern: "/v1/project/{project}/service", handle: (*call).serviceList},
		{operation: "ServiceCreate", method: http.MethodPost, pattern: "/v1/project/{project}/service", handle: (*call).serviceCreate},
		{operation: "ServiceGet", method: http.MethodGet, pattern: servicePattern, handle: (*call).serviceGet},
		{operation: "ServiceUpdate", method: http.MethodPut, pattern: servicePattern, handle: (*call).serviceUpdate},
		{operation: "ServiceDelete", method: http.MethodDelete, pattern: servicePattern, handle: (*call).serviceDelete},
	}
}

var (
	serviceNamePattern     = regexp.MustCompile(`^[a-z][-a-z0-9]{0,62}$`)
	cloudNamePattern       = regexp.MustCompile(`^[a-z0-9-]{1,256}$`)
	maintenanceTimePattern = regexp.MustCompile(`^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$`)
)

func (c *call) serviceList() (any, error) {
	views := []any{}
	for _, name := range slices.Sorted(maps.Keys(c.project.services)) {
		sv := c.project.services[name]
		sv.settle(c.now)
		views = append(views, sv.view(c.now, c.secrets()))
	}
	return map[string]any{"services": views}, nil
}

func (c *call) serviceGet() (any, error) {
	return map[string]any{"service": c.service.view(c.now, c.secrets())}, nil
}

func (c *call) serviceCreate() (any, error) {
	var in codegen.ServiceCreateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	kind, ok := serviceTypes()[in.ServiceType]
	if !ok {
		return nil, badRequest("Unsupported service type '%s', not one of: %s", in.ServiceType, typeNames())
	}
	if !serviceNamePattern.MatchString(in.ServiceName) {
		return nil, badRequest("Invalid 'service_name': '%s' does not match '%s'", in.ServiceName, serviceNamePattern)
	}
	if _, ok := c.project.services[in.ServiceName]; ok {
		return nil, conflict("Service name '%s' already exists in the project", in.ServiceName)
	}
	if !kind.plans.has(in.Plan) {
		return nil, badRequest("Invalid plan '%s' for service type '%s'", in.Plan, in.ServiceType)
	}
	sv := &Service{
		Project: c.project.name, Name: in.ServiceName, Type: in.ServiceType, Plan: in.Plan, Cloud: c.project.settings.Cloud,
		State: StateRebuilding, Powered: true, DiskSpaceMB: kind.planDisk(in.Plan),
		Maintenance: Maintenance{Dow: "sunday", Time: "04:00:00"}, Tags: map[string]string{},
		CreateTime: c.now, UpdateTime: c.now, readyAt: deadline(c.now, c.server.timing.ServiceBuild),
		kind: kind, ca: c.project.ca, tasks: map[string]any{},
	}
	place := placement{cloud: in.Cloud, vpc: in.ProjectVpcId, disk: in.DiskSpaceMb, maintenance: in.Maintenance, emails: in.TechEmails}
	if err := place.apply(sv); err != nil {
		return nil, err
	}
	if err := c.project.checkVPC(sv); err != nil {
		return nil, err
	}
	if in.TerminationProtection != nil {
		sv.TerminationProtection = *in.TerminationProtection
	}
	if in.Tags != nil {
		sv.Tags = maps.Clone(*in.Tags)
	}
	config := map[string]any{}
	if in.UserConfig != nil {
		config = *in.UserConfig
	}
	var err error
	if sv.UserConfig, err = newUserConfig(in.ServiceType, kind.defaults, config); err != nil {
		return nil, err
	}
	if in.ServiceIntegrations != nil {
		if err := c.addIntegrations(sv, *in.ServiceIntegrations); err != nil {
			return nil, err
		}
	}
	if err := c.server.place(sv); err != nil {
		return nil, err
	}
	c.project.services[sv.Name] = sv
	c.log("service_create", sv.Name, "Created new service of type %s with plan %s in cloud %s", sv.Type, sv.Plan, sv.Cloud)
	sv.settle(c.now)
	return map[string]any{"service": sv.view(c.now, true)}, nil
}

// placement is what creation and update have in common.
type placement struct {
	cloud       *string
	vpc         *string
	disk        *int
	maintenance *codegen.MaintenanceIn
	emails      *[]codegen.TechEmailIn
}

func (p placement) apply(sv *Service) error {
	if p.cloud != nil {
		if !cloudNamePattern.MatchString(*p.cloud) {
			return badRequest("Invalid 'cloud': '%s'", *p.cloud)
		}
		sv.Cloud = *p.cloud
	}
	if p.vpc != nil {
		sv.ProjectVPCID = *p.vpc
	}
	if p.disk != nil {
		if least := sv.kind.planDisk(sv.Plan); *p.disk < least || sv.kind.diskMB == 0 {
			return badRequest("Invalid 'disk_space_mb': %d, plan '%s' has at least %d", *p.disk, sv.Plan, least)
		}
		sv.DiskSpaceMB = *p.disk
	}
	if m := p.maintenance; m != nil {
		if err := oneOf("maintenance.dow", m.Dow, codegen.DowTypeChoices()); err != nil {
			return err
		}
		if m.Dow != "" {
			sv.Maintenance.Dow = string(m.Dow)
		}
		if m.Time != nil {
			if !maintenanceTimePattern.MatchString(*m.Time) {
				return badRequest("Invalid 'maintenance.time': '%s' is not HH:MM:SS", *m.Time)
			}
			sv.Maintenance.Time = *m.Time
		}
	}
	if p.emails != nil {
		sv.TechEmails = nil
		for _, e := range *p.emails {
			if !strings.Contains(e.Email, "@") {
				return badRequest("Invalid 'tech_emails': '%s' is not an email address", e.Email)
			}
			sv.TechEmails = append(sv.TechEmails, e.Email)
		}
	}
	return nil
}

func (c *call) serviceUpdate() (any, error) {
	var in codegen.ServiceUpdateIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := c.checkAutoscaler(&in); err != nil {
		return nil, err
	}
	// The change is made on a copy, so that a refused request changes nothing.
	next := *c.service
	moved := false
	if in.Plan != nil && *in.Plan != next.Plan {
		if !next.kind.plans.has(*in.Plan) {
			return nil, badRequest("Invalid plan '%s' for service type '%s'", *in.Plan, next.Type)
		}
		next.Plan, next.DiskSpaceMB, moved = *in.Plan, max(next.DiskSpaceMB, next.kind.planDisk(*in.Plan)), true
	}
	place := placement{cloud: in.Cloud, vpc: in.ProjectVpcId, disk: in.DiskSpaceMb, maintenance: in.Maintenance, emails: in.TechEmails}
	if err := place.apply(&next); err != nil {
		return nil, err
	}
	if raw, ok := presentFields(c.body)["project_vpc_id"]; ok && string(raw) == "null" {
		next.ProjectVPCID = ""
	}
	if next.ProjectVPCID != c.service.ProjectVPCID || next.Cloud != c.service.Cloud {
		if err := c.project.checkVPC(&next); err != nil {
			return nil, err
		}
		if next.ProjectVPCID != c.service.ProjectVPCID {
			next.leaving = c.service.ProjectVPCID
		}
	}
	moved = moved || next.Cloud != c.service.Cloud || next.ProjectVPCID != c.service.ProjectVPCID
	if in.UserConfig != nil {
		config, err := mergeUserConfig(next.Type, next.UserConfig, *in.UserConfig)
		if err != nil {
			return nil, err
		}
		if err := checkVersionChange(next.Type, next.UserConfig, config); err != nil {
			return nil, err
		}
		next.UserConfig = config
	}
	if in.TerminationProtection != nil {
		next.TerminationProtection = *in.TerminationProtection
	}
	if in.Powered != nil && !*in.Powered && next.Powered && next.TerminationProtection {
		return nil, forbidden(protectedMessage)
	}
	next.UpdateTime = c.now
	*c.service = next
	c.log("service_update", next.Name, "Updated service: %s", strings.Join(slices.Sorted(maps.Keys(presentFields(c.body))), ", "))
	c.applyPower(in.Powered)
	if moved && c.service.State == StateRunning {
		c.service.State, c.service.readyAt = StateRebalancing, deadline(c.now, c.server.timing.ServiceChange)
	}
	if c.service.State == StatePoweroff {
		c.service.leaving = ""
	}
	c.service.settle(c.now)
	return map[string]any{"service": c.service.view(c.now, true)}, nil
}

const protectedMessage = "Service is protected against termination and shutdown. Remove termination protection first."

func (c *call) applyPower(powered *bool) {
	sv := c.service
	if powered == nil || *powered == sv.Powered {
		return
	}
	sv.Powered = *powered
	if !sv.Powered {
		sv.State = StatePoweroff
		c.log("service_poweroff", sv.Name, "Powered off service")
		return
	}
	sv.State, sv.readyAt = StateRebuilding, deadline(c.now, c.server.timing.PowerOn)
	c.log("service_poweron", sv.Name, "Powered on service")
}

// checkVersionChange refuses to lower the major version of a service.
func checkVersionChange(typeName string, old, next map[string]any) error {
	key := typeName + "_version"
	from, errFrom := strconv.ParseFloat(stringOf(old[key]), 64)
	to, errTo := strconv.ParseFloat(stringOf(next[key]), 64)
	if errFrom == nil && errTo == nil && to < from {
		return badRequest("Invalid 'user_config': '%s' cannot be changed from %v to %v", key, old[key], next[key])
	}
	return nil
}

func stringOf(v any) string {
	text, _ := v.(string)
	return text
}

func (c *call) serviceDelete() (any, error) {
	if c.service.TerminationProtection {
		return nil, forbidden(protectedMessage)
	}
	delete(c.project.services, c.service.Name)
	gone := c.service
	c.server.detach(func(i *Integration) bool {
		return i.SourceProject == gone.Project && i.SourceService == gone.Name || i.DestProject == gone.Project && i.DestService == gone.Name
	})
	c.server.displace(gone)
	c.log("service_delete", c.service.Name, "Deleted service")
	return message("deleted"), nil
}

func message(text string) map[string]any {
	return map[string]any{"message": text, "errors": []any{}}
}

// addIntegrations records the integrations that are asked for with a service.
func (c *call) addIntegrations(sv *Service, in []codegen.ServiceIntegrationIn) error {
	for _, i := range in {
		if i.IntegrationType != codegen.IntegrationTypeReadReplica {
			return badRequest("Invalid 'service_integrations': type '%s' cannot be given here", i.IntegrationType)
		}
		if i.SourceService == nil {
			return badRequest("Invalid 'service_integrations': 'source_service' is a required property")
		}
		source := c.project.services[*i.SourceService]
		if source == nil {
			return notFound("Service not found: '%s'", *i.SourceService)
		}
		source.settle(c.now)
		if source.Type != sv.Type || len(source.Backups) == 0 {
			return conflict("Service '%s' cannot be the source of a read replica: it has no backups", source.Name)
		}
		link := &Integration{
			Type: string(i.IntegrationType), UserConfig: map[string]any{},
			SourceProject: c.project.name, SourceService: source.Name, SourceType: source.Type,
			DestProject: c.project.name, DestService: sv.Name, DestType: sv.Type,
		}
		if err := c.attach(link, source, sv); err != nil {
			return err
		}
	}
	return nil
}

// FinishService ends REBUILDING or REBALANCING of a service at once.
func (s *Server) FinishService(project, service string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.projects[project]
	if p == nil || p.services[service] == nil {
		return notFound("Service not found")
	}
	if sv := p.services[service]; sv.State == StateRebuilding || sv.State == StateRebalancing {
		sv.ready(time.Now())
	}
	s.wake()
	return nil
}
