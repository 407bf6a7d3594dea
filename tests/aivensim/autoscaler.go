// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"slices"
	"time"

	codegen "github.com/aiven/go-client-codegen/handler/service"
)

// Autoscalers are integrations of a service with an endpoint: one type for disks,
// and one for plans. What an autoscaler has, the API refuses to set.

// scales reports whether a service has an autoscaler of a type.
func (sv *Service) scales(kind codegen.IntegrationType) bool {
	return slices.ContainsFunc(sv.Integrations, func(i *Integration) bool {
		return i.Type == string(kind) && i.SourceProject == sv.Project && i.SourceService == sv.Name
	})
}

// checkAutoscaler refuses a request for what an autoscaler has. People at the console
// may still play it.
func (c *call) checkAutoscaler(in *codegen.ServiceUpdateIn) error {
	switch {
	case c.token == nil:
	case in.DiskSpaceMb != nil && (c.service.scales(codegen.IntegrationTypeAutoscaler) || c.service.scales(codegen.IntegrationTypeAutoscalerService)):
		return badRequest("Invalid 'disk_space_mb': the disk of service '%s' is managed by an autoscaler integration", c.service.Name)
	case in.Plan != nil && *in.Plan != c.service.Plan && c.service.scales(codegen.IntegrationTypeAutoscalerService):
		return badRequest("Invalid 'plan': the plan of service '%s' is managed by an autoscaler integration", c.service.Name)
	}
	return nil
}

// autoscalerActor is whom the event log names for what an autoscaler does.
const autoscalerActor = "autoscaler"

// Autoscale does what an autoscaler of the service does: it changes the plan, or the
// disk, of a service that has one for it. Empty and 0 leave them.
func (s *Server) Autoscale(project, service, plan string, diskMB int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.projects[project]
	if p == nil || p.services[service] == nil {
		return notFound("Service not found")
	}
	sv := p.services[service]
	c := &call{server: s, actor: autoscalerActor, now: time.Now(), project: p, service: sv}
	if plan != "" {
		if !sv.scales(codegen.IntegrationTypeAutoscalerService) || !sv.kind.plans.has(plan) {
			return badRequest("No autoscaler of service '%s' can choose plan '%s'", service, plan)
		}
		sv.Plan, sv.DiskSpaceMB = plan, max(sv.DiskSpaceMB, sv.kind.planDisk(plan))
		if sv.State == StateRunning {
			sv.State, sv.readyAt = StateRebalancing, deadline(c.now, s.timing.ServiceChange)
		}
	}
	if diskMB != 0 {
		if !sv.scales(codegen.IntegrationTypeAutoscaler) || diskMB < sv.DiskSpaceMB {
			return badRequest("No autoscaler of service '%s' can set its disk to %d MiB", service, diskMB)
		}
		sv.DiskSpaceMB = diskMB
	}
	sv.UpdateTime = c.now
	c.log("service_update", service, "Scaled service")
	sv.settle(c.now)
	s.wake()
	return nil
}
