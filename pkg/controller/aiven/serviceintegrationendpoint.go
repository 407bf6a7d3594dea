// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"strings"

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
	differs, err := integrationDiffers(obj.UserConfig(), endpoint.UserConfig)
	return reconcile.Observation{Exists: true, Ready: true, Differs: differs}, err
}

func (serviceIntegrationEndpoint) Create(ctx context.Context, r *remote, obj *v1alpha1.ServiceIntegrationEndpoint) error {
	config, err := asMap(obj.UserConfig())
	if err != nil {
		return err
	}
	endpoint, err := r.services().ServiceIntegrationEndpointCreate(ctx, obj.Spec.Project, &service.ServiceIntegrationEndpointCreateIn{
		EndpointName: obj.EndpointName(),
		EndpointType: service.EndpointType(obj.Spec.EndpointType),
		UserConfig:   config,
	})
	if err != nil {
		return ignore(aiven.AlreadyExists, err)
	}
	obj.Status.ID = endpoint.EndpointId
	return nil
}

func (serviceIntegrationEndpoint) Update(ctx context.Context, r *remote, obj *v1alpha1.ServiceIntegrationEndpoint) error {
	config, err := asMap(obj.UserConfig())
	if err != nil {
		return err
	}
	_, err = r.services().ServiceIntegrationEndpointUpdate(ctx, obj.Spec.Project, obj.Status.ID,
		&service.ServiceIntegrationEndpointUpdateIn{UserConfig: config})
	return ignoreUnchanged(err)
}

func (serviceIntegrationEndpoint) Delete(ctx context.Context, r *remote, obj *v1alpha1.ServiceIntegrationEndpoint) (bool, error) {
	endpoint, err := r.integrationEndpoint(obj)
	if err != nil || endpoint == nil {
		return err == nil, err
	}
	err = r.services().ServiceIntegrationEndpointDelete(ctx, obj.Spec.Project, endpoint.EndpointId)
	return false, ignore(aiven.NotFound, err)
}

// integrationDiffers names the settings of a configuration block that Aiven
// shows with another value.
func integrationDiffers(userConfig any, got map[string]any) ([]string, error) {
	want, err := asMap(userConfig)
	if err != nil {
		return nil, err
	}
	// By way of JSON, so that numbers compare as numbers.
	remote, err := asMap(got)
	if err != nil {
		return nil, err
	}
	var differs []string
	for _, path := range configDiffers(want, remote) {
		differs = append(differs, "user config "+path)
	}
	return differs, nil
}

// ignoreUnchanged drops Aiven's complaint about an update that changes nothing.
func ignoreUnchanged(err error) error {
	if err != nil && strings.Contains(strings.ToLower(aivenMessage(err)), "user config not changed") {
		return nil
	}
	return err
}
