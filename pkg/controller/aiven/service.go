// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"
	"slices"
	"time"

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
	// stateless services keep nothing on their disks: they have no backups and
	// need none to be powered off.
	stateless bool
	// connection builds the connection details of a running service; nil for kinds
	// that publish none.
	connection func(obj T, s serviceState) connection
	// migration returns the source that the spec names for a migration into the
	// service; nil for kinds that have none.
	migration func(obj T) *v1alpha1.MigrationSecretSource
	// migrationKeys are the keys of such a source besides the common ones.
	migrationKeys []string
	// ignored tells of fields of the kind's own that have no effect; nil for kinds that
	// have none.
	ignored func(obj T) string
	// versionSetting is the user configuration of the major version, for kinds
	// whose upgrades Aiven can check beforehand; else empty.
	versionSetting string
}

func (h serviceHandler[T]) Observe(ctx context.Context, r *remote, obj T) (reconcile.Observation, error) {
	// A Secret is deleted only after the API server knows that it has served.
	migrated := complete(obj)
	d, err := h.desired(ctx, r, obj)
	if err != nil {
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
		return reconcile.Observation{}, r.replicable(d.spec)
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
	d.scaled = autoscaledBy(view)
	difference, err := d.compare(svc)
	if err != nil {
		return reconcile.Observation{}, err
	}
	if h.ignored != nil {
		difference.notes = append(difference.notes, h.ignored(obj))
	}
	obs := reconcile.Observation{Exists: true, Differs: difference.fields, Note: joinNotes(difference.notes...)}
	if len(difference.fields) == 0 {
		d.remember(obj, difference)
	}
	if d.migration != nil {
		begun := svc.State == service.ServiceStateTypeRunning && !d.wantsOff() && len(difference.fields) == 0
		if err := h.observeMigration(r, obj, begun, d.migration); err != nil {
			return obs, err
		}
		if complete(obj) {
			obs.Again = time.Second
		}
	}
	if migrated && !reconcile.Observed(obj) {
		secret, err := h.secretToDelete(ctx, r, obj)
		if err != nil {
			return obs, err
		}
		if secret != nil {
			obs.Differs = append(obs.Differs, fieldDeleteSecret)
		}
	}
	h.observePower(&obs, view, d)
	if obs.Ready && !obs.PoweredOff {
		obs.Connection, err = h.connectionOf(r, obj, view)
	}
	return obs, err
}

// observePower compares the state of the service with whether it shall be on.
func (h serviceHandler[T]) observePower(obs *reconcile.Observation, view *aiven.ServiceView, d desiredService) {
	state := view.State()
	off := state == service.ServiceStateTypePoweroff
	obs.Ready = state == service.ServiceStateTypeRunning
	obs.Message = fmt.Sprintf("Service is %s.", state)
	switch {
	case d.wantsOff() && off:
		obs.Ready, obs.PoweredOff = true, true
	case h.powerChange(view, d) != nil:
		if !slices.Contains(obs.Differs, fieldPowered) {
			obs.Differs = append(obs.Differs, fieldPowered)
		}
	case d.wantsOff():
		obs.Ready = false
		obs.Message = fmt.Sprintf("Service is %s. It has no backup to come back from, so it is powered off only after its first one.", state)
		view.Recheck()
	case off:
		obs.Message = "Service is POWEROFF. The spec does not say whether it is to be on, so it stays off: set spec.powered to true or false."
	}
}

// powerChange returns what to send to turn the service on or off, nil for nothing.
func (h serviceHandler[T]) powerChange(view *aiven.ServiceView, d desiredService) *bool {
	off := view.State() == service.ServiceStateTypePoweroff
	switch {
	case off && d.wantsOn():
		return new(true)
	case !off && d.wantsOff() && h.restorable(view):
		return new(false)
	}
	return nil
}

// restorable reports whether the service can come back from being powered off.
func (h serviceHandler[T]) restorable(view *aiven.ServiceView) bool {
	return h.stateless || len(view.Backups()) > 0
}

func (h serviceHandler[T]) Create(ctx context.Context, r *remote, obj T) error {
	project, name := obj.ServiceRef()
	d, err := h.desired(ctx, r, obj)
	if err != nil {
		return err
	}
	spec := d.spec
	in := &service.ServiceCreateIn{
		ServiceName:           name,
		ServiceType:           h.serviceType,
		Plan:                  spec.Plan,
		Cloud:                 optional(spec.CloudName),
		ProjectVpcId:          optional(spec.ProjectVPCID),
		DiskSpaceMb:           optional(diskSpaceMiB(spec.DiskSpace)),
		Maintenance:           maintenanceOf(spec),
		TerminationProtection: spec.TerminationProtection,
		UserConfig:            configInput(d.newConfig),
	}
	if spec.Tags != nil {
		in.Tags = &spec.Tags
	}
	if spec.TechnicalEmails != nil {
		in.TechEmails = techEmailsOf(spec)
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
	if err == nil {
		// A new service has nothing from before.
		*d.status = v1alpha1.ServiceStatus{CommonStatus: d.status.CommonStatus, State: d.status.State}
		d.remember(obj, serviceDifference{optional: d.optional(&service.ServiceGetOut{})})
	}
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
	return false, handler.ServiceDelete(ctx, project, name)
}
