// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"errors"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// serviceIntegration handles ServiceIntegration objects. Aiven makes an
// integration's id; its type and its ends find it when the id is not known. It is
// read from the snapshot of a service at one of its ends, which lists it.
type serviceIntegration struct{}

// Identity implements identifier: one integration can be described in several
// ways, by the id of an endpoint and by its object, and only its own id is the
// same in all. The id stays in the status when the integration vanishes, so that
// the object which made it is the one to make it again.
func (serviceIntegration) Identity(obj *v1alpha1.ServiceIntegration) string {
	if obj.Status.ID != "" {
		return "integration " + obj.Status.ID
	}
	return identity("ServiceIntegration", obj)
}

// find returns the integration with the recorded id, or else the one of the
// object's type between these ends.
func (serviceIntegration) find(view *aiven.ServiceView, obj *v1alpha1.ServiceIntegration, source, destination integrationSide) (service.ServiceIntegrationOut, bool) {
	var match service.ServiceIntegrationOut
	for _, i := range view.Integrations() {
		if i.ServiceIntegrationId == obj.Status.ID {
			return i, true
		}
		if string(i.IntegrationType) == obj.Spec.IntegrationType &&
			source.is(i.SourceProject, i.SourceService, deref(i.SourceEndpointId)) &&
			destination.is(i.DestProject, deref(i.DestService), deref(i.DestEndpointId)) {
			match = i
		}
	}
	return match, match.ServiceIntegrationId != ""
}

func (h serviceIntegration) Observe(_ context.Context, r *remote, obj *v1alpha1.ServiceIntegration) (reconcile.Observation, error) {
	home, err := h.integrationService(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	source := h.source(obj)
	destination, err := h.resolve(r, obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	for _, side := range []integrationSide{source, destination} {
		if side.service != "" {
			if _, err := r.running(side.project, side.service); err != nil {
				return reconcile.Observation{}, err
			}
		}
	}
	view, err := r.running(home.project, home.service)
	if err != nil {
		return reconcile.Observation{}, err
	}
	integration, ok := h.find(view, obj, source, destination)
	if !ok {
		return reconcile.Observation{}, nil
	}
	obj.Status.ID = integration.ServiceIntegrationId
	config, err := integrationConfigOf(obj.UserConfig(), obj.Status.UserConfigSettings)
	if err != nil {
		return reconcile.Observation{}, err
	}
	differs, err := config.observe(obj, integration.UserConfig, &obj.Status.UserConfigSettings)
	obs := reconcile.Observation{Exists: true, Differs: differs, Ready: integration.Enabled}
	if !obs.Ready {
		obs.Message = "Aiven has not enabled the integration."
	}
	return obs, err
}

func (h serviceIntegration) Create(ctx context.Context, r *remote, obj *v1alpha1.ServiceIntegration) error {
	destination, err := h.resolve(r, obj)
	if err != nil {
		return err
	}
	in := &service.ServiceIntegrationCreateIn{
		IntegrationType:  service.IntegrationType(obj.Spec.IntegrationType),
		SourceProject:    optional(obj.Spec.SourceProjectName),
		SourceService:    optional(obj.Spec.SourceServiceName),
		SourceEndpointId: optional(obj.Spec.SourceEndpointID),
		DestProject:      optional(obj.Spec.DestinationProjectName),
		DestService:      optional(obj.Spec.DestinationServiceName),
		DestEndpointId:   optional(destination.endpoint),
	}
	config, err := integrationConfigOf(obj.UserConfig(), nil)
	if err != nil {
		return err
	}
	if len(config.config) > 0 {
		in.UserConfig = &config.config
	}
	integration, err := r.services().ServiceIntegrationCreate(ctx, obj.Spec.Project, in)
	if err != nil {
		return err
	}
	obj.Status.ID = integration.ServiceIntegrationId
	config.remember(&obj.Status.UserConfigSettings)
	return nil
}

func (serviceIntegration) Update(ctx context.Context, r *remote, obj *v1alpha1.ServiceIntegration) error {
	config, err := integrationConfigOf(obj.UserConfig(), obj.Status.UserConfigSettings)
	if err != nil {
		return err
	}
	_, err = r.services().ServiceIntegrationUpdate(ctx, obj.Spec.Project, obj.Status.ID, &service.ServiceIntegrationUpdateIn{UserConfig: config.input()})
	if err = ignoreUnchanged(err); err == nil {
		config.remember(&obj.Status.UserConfigSettings)
	}
	return err
}

// Delete does without the endpoint's object, which may be gone already: then the
// recorded id has to do.
func (h serviceIntegration) Delete(ctx context.Context, r *remote, obj *v1alpha1.ServiceIntegration) (bool, error) {
	home, invalid := h.integrationService(obj)
	if invalid != nil {
		return true, nil //nolint:nilerr // nothing can have been created of an invalid spec
	}
	view, err := r.Service(home.project, home.service)
	if err != nil || !view.Exists() {
		return err == nil, err
	}
	destination, unresolved := h.resolve(r, obj)
	switch {
	case errors.Is(unresolved, reconcile.ErrPending):
		return false, unresolved
	case unresolved != nil && obj.Status.ID == "":
		return true, nil // it was never created without its endpoint
	}
	integration, ok := h.find(view, obj, h.source(obj), destination)
	if !ok {
		return true, nil
	}
	err = r.services().ServiceIntegrationDelete(ctx, obj.Spec.Project, integration.ServiceIntegrationId)
	return false, err
}
