// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aiven/go-client-codegen/handler/vpc"

	"github.com/bailiwick-operator/bailiwick/pkg/aiven"
	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

const kindProjectVPC = "ProjectVPC"

// vpcInUseRetry is the time between two attempts to delete a network that
// services are still in: nothing that an object reads tells when the last of
// them has left.
const vpcInUseRetry = 10 * time.Second

// projectVPC handles ProjectVPC objects. Nothing of a network can be changed.
type projectVPC struct{}

// vpcs are the networks of a project, read once for all objects.
func (projectVPC) vpcs(r *remote, project string) (*aiven.Reading[[]vpc.VpcOut], error) {
	return aiven.Read(r.Client, aiven.Resource[[]vpc.VpcOut]{
		Kind:    "vpcs",
		Project: project,
		Fetch: func(ctx context.Context, d aiven.Doer) (*[]vpc.VpcOut, error) {
			h := vpc.NewHandler(d)
			list, err := h.VpcList(ctx, project)
			return &list, err
		},
		Settled: func(list *[]vpc.VpcOut) bool {
			return !slices.ContainsFunc(*list, func(v vpc.VpcOut) bool {
				return v.State == vpc.VpcStateTypeApproved || v.State == vpc.VpcStateTypeDeleting
			})
		},
	})
}

// find returns the object's network: the one with its id, or else one that is
// what the spec says and is not on its way out.
func (projectVPC) find(reading *aiven.Reading[[]vpc.VpcOut], obj *v1alpha1.ProjectVPC) *vpc.VpcOut {
	var match *vpc.VpcOut
	list := deref(reading.Value())
	for i := range list {
		v := &list[i]
		switch {
		case v.State == vpc.VpcStateTypeDeleted:
		case v.ProjectVpcId == obj.Status.ID:
			return v
		case v.CloudName == obj.Spec.CloudName && v.NetworkCidr == obj.Spec.NetworkCIDR && v.State != vpc.VpcStateTypeDeleting:
			match = v
		}
	}
	return match
}

func (h projectVPC) Observe(_ context.Context, r *remote, obj *v1alpha1.ProjectVPC) (reconcile.Observation, error) {
	reading, err := h.vpcs(r, obj.Spec.Project)
	if err != nil {
		return reconcile.Observation{}, err
	}
	v := h.find(reading, obj)
	if v == nil {
		obj.Status.State = ""
		return reconcile.Observation{}, nil
	}
	obj.Status.ID, obj.Status.State = v.ProjectVpcId, string(v.State)
	obs := reconcile.Observation{Exists: true, Ready: v.State == vpc.VpcStateTypeActive}
	if !obs.Ready {
		obs.Message = fmt.Sprintf("The network is %s.", v.State)
	}
	return obs, nil
}

func (projectVPC) Create(ctx context.Context, r *remote, obj *v1alpha1.ProjectVPC) error {
	out, err := r.vpcs().VpcCreate(ctx, obj.Spec.Project, &vpc.VpcCreateIn{
		CloudName:          obj.Spec.CloudName,
		NetworkCidr:        obj.Spec.NetworkCIDR,
		PeeringConnections: []vpc.PeeringConnectionIn{},
	})
	if err != nil {
		return err
	}
	obj.Status.ID, obj.Status.State = out.ProjectVpcId, string(out.State)
	return nil
}

func (projectVPC) Update(context.Context, *remote, *v1alpha1.ProjectVPC) error { return nil }

func (h projectVPC) Delete(ctx context.Context, r *remote, obj *v1alpha1.ProjectVPC) (bool, error) {
	reading, err := h.vpcs(r, obj.Spec.Project)
	if err != nil {
		// With the project its networks are gone.
		return aiven.ClassOf(err) == aiven.NotFound, ignore(aiven.NotFound, err)
	}
	v := h.find(reading, obj)
	switch {
	case v == nil:
		return true, nil
	case v.State == vpc.VpcStateTypeDeleting:
		return false, nil
	}
	_, err = r.vpcs().VpcDelete(ctx, obj.Spec.Project, v.ProjectVpcId)
	if err != nil && vpcInUse(aivenMessage(err)) {
		p := reconcile.Waiting(reasonVPCInUse, fmt.Sprintf("Aiven keeps the network while it is in use: %s. Delete or move the services.", aivenMessage(err)))
		p.Next = reconcile.After(vpcInUseRetry)
		return false, p
	}
	return false, err
}

// vpcInUse recognises Aiven's refusals that end when services have gone. Neither
// their class nor a code tells them from others.
func vpcInUse(message string) bool {
	const refusal = "VPC cannot be deleted while there are services "
	return strings.Contains(message, refusal+"in it") || strings.Contains(message, refusal+"migrating from it")
}
