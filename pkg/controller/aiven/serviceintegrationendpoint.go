// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"

	"github.com/aiven/go-client-codegen/handler/service"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

const kindServiceIntegrationEndpoint = "ServiceIntegrationEndpoint"

// serviceIntegrationEndpoint handles ServiceIntegrationEndpoint objects. Aiven
// makes an endpoint's id; its type and name find it when the id is not known.
type serviceIntegrationEndpoint struct{}

// integrationEndpoint reads an endpoint with its secrets, which the list leaves
// out.
func (r *remote) integrationEndpoint(obj *v1alpha1.ServiceIntegrationEndpoint) (*service.ServiceIntegrationEndpointGetOut, error) {
	project, kind, name := obj.Spec.Project, obj.Spec.EndpointType, obj.EndpointName()
	reading, err := aiven.Read(r.Client, aiven.Resource[service.ServiceIntegrationEndpointGetOut]{
		Kind: "integration endpoint", Project: project, Name: obj.RemoteName(),
		Fetch: func(ctx context.Context, d aiven.Doer) (*service.ServiceIntegrationEndpointGetOut, error) {
			h := service.NewHandler(d)
			list, err := h.ServiceIntegrationEndpointList(ctx, project)
			if err != nil {
				return nil, err
			}
			for _, e := range list {
				if e.EndpointName == name && string(e.EndpointType) == kind {
					return h.ServiceIntegrationEndpointGet(ctx, project, e.EndpointId, service.ServiceIntegrationEndpointGetIncludeSecrets(true))
				}
			}
			return nil, nil
		},
	})
	if err != nil {
		return nil, err
	}
	return reading.Value(), nil
}

func (serviceIntegrationEndpoint) Observe(_ context.Context, r *remote, obj *v1alpha1.ServiceIntegrationEndpoint) (reconcile.Observation, error) {
	endpoint, err := r.integrationEndpoint(obj)
	if err != nil {
		return reconcile.Observation{}, err
	}
	if endpoint == nil {
		obj.Status.ID = ""
		return reconcile.Observation{}, nil
	}
	obj.Status.ID = endpoint.EndpointId
	config, err := integrationConfigOf(obj.UserConfig(), obj.Status.UserConfigSettings)
	if err != nil {
		return reconcile.Observation{}, err
	}
	differs, err := config.observe(obj, endpoint.UserConfig, &obj.Status.UserConfigSettings)
	return reconcile.Observation{Exists: true, Ready: true, Differs: differs}, err
}

func (serviceIntegrationEndpoint) Create(ctx context.Context, r *remote, obj *v1alpha1.ServiceIntegrationEndpoint) error {
	config, err := integrationConfigOf(obj.UserConfig(), nil)
	if err != nil {
		return err
	}
	endpoint, err := r.services().ServiceIntegrationEndpointCreate(ctx, obj.Spec.Project, &service.ServiceIntegrationEndpointCreateIn{
		EndpointName: obj.EndpointName(),
		EndpointType: service.EndpointType(obj.Spec.EndpointType),
		UserConfig:   config.config,
	})
	if err != nil {
		return err
	}
	obj.Status.ID = endpoint.EndpointId
	config.remember(&obj.Status.UserConfigSettings)
	return nil
}

func (serviceIntegrationEndpoint) Update(ctx context.Context, r *remote, obj *v1alpha1.ServiceIntegrationEndpoint) error {
	config, err := integrationConfigOf(obj.UserConfig(), obj.Status.UserConfigSettings)
	if err != nil {
		return err
	}
	_, err = r.services().ServiceIntegrationEndpointUpdate(ctx, obj.Spec.Project, obj.Status.ID,
		&service.ServiceIntegrationEndpointUpdateIn{UserConfig: config.input()})
	if err = ignoreUnchanged(err); err == nil {
		config.remember(&obj.Status.UserConfigSettings)
	}
	return err
}

func (serviceIntegrationEndpoint) Delete(ctx context.Context, r *remote, obj *v1alpha1.ServiceIntegrationEndpoint) (bool, error) {
	endpoint, err := r.integrationEndpoint(obj)
	if err != nil || endpoint == nil {
		return err == nil, err
	}
	err = r.services().ServiceIntegrationEndpointDelete(ctx, obj.Spec.Project, endpoint.EndpointId)
	return false, err
}
