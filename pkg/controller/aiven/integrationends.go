// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"cmp"
	"fmt"

	"k8s.io/client-go/tools/cache"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

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

// integrationService returns the end whose service shows the integration: one in the object's
// project if there is one, since the integration is written through it.
func (h serviceIntegration) integrationService(obj *v1alpha1.ServiceIntegration) (integrationSide, error) {
	source, destination := h.source(obj), h.destination(obj)
	switch {
	case source.service == "" && destination.service == "":
		return integrationSide{}, reconcile.Invalid(reasonInvalidSpec, "spec.sourceServiceName or spec.destinationServiceName is needed: an integration has a service at one end.")
	case source.service == "", destination.service != "" && source.project != obj.Spec.Project:
		return destination, nil
	}
	return source, nil
}

func (s integrationSide) is(project, service, endpoint string) bool {
	if s.endpoint != "" || endpoint != "" {
		return s.endpoint == endpoint
	}
	return s.project == project && s.service == service
}
