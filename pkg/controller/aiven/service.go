// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// serviceHandler handles all kinds of services; they differ in these fields.
type serviceHandler[T v1alpha1.Service] struct {
	// serviceType is Aiven's name of the type.
	serviceType string
	// needsCA says that the connection details hold the project's CA.
	needsCA bool
	// connection builds the connection details of a running service.
	connection func(obj T, s serviceState) connection
	// check refuses what the operator can't do; may be nil.
	check func(obj T) error
}

// serviceState is what connection details are built from.
type serviceState struct {
	service    *service.ServiceGetOut
	users      []*service.UserOut
	components []service.ComponentOut
	ca         string
}

func (h serviceHandler[T]) Observe(_ context.Context, r *remote, obj T) (reconcile.Observation, error) {
	if err := h.refuse(obj); err != nil {
		return reconcile.Observation{}, err
	}
	project, name := obj.ServiceRef()
	view, err := r.Service(project, name)
	if err != nil {
		return reconcile.Observation{}, err
	}
	status := obj.CommonStatus()
	if !view.Exists() {
		status.State = ""
		return reconcile.Observation{}, nil
	}
	svc := view.Service()
	if svc.ServiceType != h.serviceType {
		return reconcile.Observation{}, &reconcile.Problem{
			Reason:  reasonServiceTypeMismatch,
			Message: fmt.Sprintf("Service %s/%s exists at Aiven and is of type %s, not %s. It was not touched. Use another name.", project, name, svc.ServiceType, h.serviceType),
			Phase:   reconcile.PhasePreconditions,
		}
	}
	status.State = string(svc.State)
	differs, err := serviceDiffers(obj.CommonSpec(), obj.UserConfig(), svc)
	if err != nil {
		return reconcile.Observation{}, err
	}
	obs := reconcile.Observation{Exists: true, Differs: differs}
	if !poweredOn(obj.CommonSpec()) {
		if svc.State == service.ServiceStateTypePoweroff {
			obs.Ready, obs.PoweredOff = true, true
			return obs, nil
		}
		if len(view.Backups()) > 0 {
			obs.Differs = append(obs.Differs, "powered")
			return obs, nil
		}
		obs.Message = fmt.Sprintf("Service is %s. It has no backup to come back from, so it is powered off only after its first one.", svc.State)
		view.Recheck()
		return obs, nil
	}
	if svc.State == service.ServiceStateTypePoweroff {
		obs.Differs = append(obs.Differs, "powered")
	}
	obs.Ready = svc.State == service.ServiceStateTypeRunning
	if !obs.Ready {
		obs.Message = fmt.Sprintf("Service is %s.", svc.State)
		return obs, nil
	}
	if _, disabled := obj.ConnInfoTarget(); disabled {
		return obs, nil
	}
	state := serviceState{service: svc, users: view.Users(), components: view.Components()}
	if h.needsCA {
		if state.ca, err = r.CA(project); err != nil {
			return obs, err
		}
	}
	obs.Connection = h.connection(obj, state)
	return obs, nil
}

// refuse names what the spec asks for and the operator can't do, before it does
// any of the rest.
func (h serviceHandler[T]) refuse(obj T) error {
	spec := obj.CommonSpec()
	switch {
	case spec.ProjectVPCRef != nil:
		return unsupported("spec.projectVPCRef")
	case h.check != nil:
		return h.check(obj)
	}
	return nil
}

func unsupported(field string) error {
	return reconcile.Invalid(reasonUnsupported, fmt.Sprintf("%s is not supported by this version of Bailiwick, and nothing was changed. Remove it from the spec.", field))
}

func (h serviceHandler[T]) Create(ctx context.Context, r *remote, obj T) error {
	project, name := obj.ServiceRef()
	spec := obj.CommonSpec()
	userConfig, err := userConfigOf(obj.UserConfig())
	if err != nil {
		return err
	}
	in := &service.ServiceCreateIn{
		ServiceName:           name,
		ServiceType:           h.serviceType,
		Plan:                  spec.Plan,
		Cloud:                 optional(spec.CloudName),
		ProjectVpcId:          optional(spec.ProjectVPCID),
		DiskSpaceMb:           optional(diskSpaceMiB(spec.DiskSpace)),
		Maintenance:           maintenanceOf(spec),
		TerminationProtection: spec.TerminationProtection,
		TechEmails:            techEmailsOf(spec),
		UserConfig:            userConfig,
	}
	if len(spec.Tags) > 0 {
		in.Tags = &spec.Tags
	}
	if len(spec.ServiceIntegrations) > 0 {
		var integrations []service.ServiceIntegrationIn
		for _, i := range spec.ServiceIntegrations {
			integrations = append(integrations, service.ServiceIntegrationIn{
				IntegrationType: service.IntegrationType(i.IntegrationType),
				SourceService:   &i.SourceServiceName,
			})
		}
		in.ServiceIntegrations = &integrations
	}
	_, err = r.services().ServiceCreate(ctx, project, in)
	return ignore(aiven.AlreadyExists, err)
}

func (h serviceHandler[T]) Update(ctx context.Context, r *remote, obj T) error {
	project, name := obj.ServiceRef()
	spec := obj.CommonSpec()
	view, err := r.Service(project, name)
	if err != nil {
		return err
	}
	userConfig, err := userConfigOf(obj.UserConfig())
	if err != nil {
		return err
	}
	svc := view.Service()
	handler := r.services()
	if !tagsEqual(spec.Tags, svc.Tags) {
		tags := spec.Tags
		if tags == nil {
			tags = map[string]string{}
		}
		if err := handler.ProjectServiceTagsReplace(ctx, project, name, &service.ProjectServiceTagsReplaceIn{Tags: tags}); err != nil {
			return err
		}
	}
	differs, err := serviceDiffers(spec, obj.UserConfig(), svc)
	if err != nil {
		return err
	}
	powerChange := poweredOn(spec) == (svc.State == service.ServiceStateTypePoweroff)
	if !powerChange && onlyTags(differs) {
		return nil
	}
	in := &service.ServiceUpdateIn{
		Plan:                  &spec.Plan,
		Cloud:                 optional(spec.CloudName),
		DiskSpaceMb:           optional(diskSpaceMiB(spec.DiskSpace)),
		Maintenance:           maintenanceOf(spec),
		TerminationProtection: spec.TerminationProtection,
		TechEmails:            techEmailsOf(spec),
		UserConfig:            userConfig,
		// Aiven takes an absent id for "move out of the VPC", so a spec that says
		// nothing about it leaves the service where it is.
		ProjectVpcId: optional(svc.ProjectVpcId),
	}
	if spec.ProjectVPCID != "" {
		in.ProjectVpcId = &spec.ProjectVPCID
	}
	if powerChange && (poweredOn(spec) || len(view.Backups()) > 0) {
		in.Powered = new(poweredOn(spec))
	}
	_, err = handler.ServiceUpdate(ctx, project, name, in)
	return err
}

func (h serviceHandler[T]) Delete(ctx context.Context, r *remote, obj T) (bool, error) {
	if isTrue(obj.CommonSpec().TerminationProtection) {
		return false, protected()
	}
	project, name := obj.ServiceRef()
	view, err := r.Service(project, name)
	if err != nil || !view.Exists() {
		return err == nil, err
	}
	svc := view.Service()
	if svc.ServiceType != h.serviceType {
		return true, nil // it was never this object's
	}
	handler := r.services()
	if svc.TerminationProtection {
		_, err := handler.ServiceUpdate(ctx, project, name, &service.ServiceUpdateIn{
			TerminationProtection: new(false), ProjectVpcId: optional(svc.ProjectVpcId),
		})
		if err != nil {
			return false, err
		}
	}
	return false, ignore(aiven.NotFound, handler.ServiceDelete(ctx, project, name))
}
