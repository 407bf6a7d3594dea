// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aiven/go-client-codegen/handler/service"
	"k8s.io/client-go/tools/cache"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// serviceIntegration handles ServiceIntegration objects. Aiven makes an
// integration's id; its type and its ends find it when the id is not known. It is
// read from the snapshot of a service at one of its ends, which lists it.
type serviceIntegration struct{}

// integrationSide is an end of an integration: a service or an endpoint.
type integrationSide struct{ project, service, endpoint string }

func (serviceIntegration) source(obj *v1alpha1.ServiceIntegration) integrationSide {
	return integrationSide{cmp.Or(obj.Spec.SourceProjectName, obj.Spec.Project), obj.Spec.SourceServiceName, obj.Spec.SourceEndpointID}
}

// destination lacks the id of an endpoint that is named by its object.
func (serviceIntegration) destination(obj *v1alpha1.ServiceIntegration) integrationSide {
	return integrationSide{cmp.Or(obj.Spec.DestinationProjectName, obj.Spec.Project), obj.Spec.DestinationServiceName, obj.Spec.DestinationEndpointID}
}

// endpointReference names the object of the endpoint that obj leads to.
func endpointReference(obj *v1alpha1.ServiceIntegration) (reconcile.Reference, bool) {
	ref := obj.Spec.DestinationEndpointRef
	if ref == nil {
		return reconcile.Reference{}, false
	}
	return reconcile.Reference{Kind: kindServiceIntegrationEndpoint, Name: cache.NewObjectName(obj.Namespace, ref.Name)}, true
}

// References implements referrer.
func (serviceIntegration) References(obj *v1alpha1.ServiceIntegration) []reconcile.Reference {
	if ref, ok := endpointReference(obj); ok {
		return []reconcile.Reference{ref}
	}
	return nil
}

// resolve completes the destination with the id of the endpoint object.
func (h serviceIntegration) resolve(r *remote, obj *v1alpha1.ServiceIntegration) (integrationSide, error) {
	side := h.destination(obj)
	ref, ok := endpointReference(obj)
	if !ok {
		return side, nil
	}
	found, err := r.object(ref)
	if err != nil {
		return side, err
	}
	endpoint, ok := found.(*v1alpha1.ServiceIntegrationEndpoint)
	switch {
	case !ok:
		return side, reconcile.Waiting(reasonWaitingForEndpoint, fmt.Sprintf("%s, named by spec.destinationEndpointRef, does not exist.", ref))
	case endpoint.Spec.Project != obj.Spec.Project:
		return side, reconcile.Invalid(reasonInvalidSpec, fmt.Sprintf("%s, named by spec.destinationEndpointRef, is in project %s, and the integration in %s.", ref, endpoint.Spec.Project, obj.Spec.Project))
	case endpoint.Status.ID == "":
		return side, reconcile.Waiting(reasonWaitingForEndpoint, fmt.Sprintf("%s, named by spec.destinationEndpointRef, is not ready.", ref))
	}
	side.endpoint = endpoint.Status.ID
	return side, nil
}

// home returns the end whose service shows the integration: one in the object's
// project if there is one, since the integration is written through it.
func (h serviceIntegration) home(obj *v1alpha1.ServiceIntegration) (integrationSide, error) {
	source, destination := h.source(obj), h.destination(obj)
	switch {
	case source.service == "" && destination.service == "":
		return integrationSide{}, reconcile.Invalid(reasonInvalidSpec, "spec.sourceServiceName or spec.destinationServiceName is needed: an integration has a service at one end.")
	case source.service == "", destination.service != "" && source.project != obj.Spec.Project:
		return destination, nil
	}
	return source, nil
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

func (s integrationSide) is(project, service, endpoint string) bool {
	if s.endpoint != "" || endpoint != "" {
		return s.endpoint == endpoint
	}
	return s.project == project && s.service == service
}

func (h serviceIntegration) Observe(_ context.Context, r *remote, obj *v1alpha1.ServiceIntegration) (reconcile.Observation, error) {
	home, err := h.home(obj)
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
	obj.Status.ID = integration.ServiceIntegrationId
	if !ok {
		return reconcile.Observation{}, nil
	}
	differs, err := integrationDiffers(obj.UserConfig(), integration.UserConfig)
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
	config, err := asMap(obj.UserConfig())
	if err != nil {
		return err
	}
	if len(config) > 0 {
		in.UserConfig = &config
	}
	integration, err := r.services().ServiceIntegrationCreate(ctx, obj.Spec.Project, in)
	if err != nil {
		return ignore(aiven.AlreadyExists, err)
	}
	obj.Status.ID = integration.ServiceIntegrationId
	return nil
}

func (serviceIntegration) Update(ctx context.Context, r *remote, obj *v1alpha1.ServiceIntegration) error {
	config, err := asMap(obj.UserConfig())
	if err != nil {
		return err
	}
	_, err = r.services().ServiceIntegrationUpdate(ctx, obj.Spec.Project, obj.Status.ID, &service.ServiceIntegrationUpdateIn{UserConfig: config})
	return ignoreUnchanged(err)
}

// Delete does without the endpoint's object, which may be gone already: then the
// recorded id has to do.
func (h serviceIntegration) Delete(ctx context.Context, r *remote, obj *v1alpha1.ServiceIntegration) (bool, error) {
	home, invalid := h.home(obj)
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
	return false, ignore(aiven.NotFound, err)
}
