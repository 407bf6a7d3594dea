// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aiven

import (
	"fmt"

	"github.com/aiven/go-client-codegen/handler/vpc"
	"k8s.io/client-go/tools/cache"

	"github.com/bailiwick-operator/bailiwick/pkg/apis/aiven/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// References implements referrer.
func (h serviceHandler[T]) References(obj T) []reconcile.Reference {
	var out []reconcile.Reference
	if ref, ok := vpcReference(obj); ok {
		out = append(out, ref)
	}
	if h.migration != nil && !complete(obj) {
		if source := h.migration(obj); source != nil {
			out = append(out, secretReference(obj, source.Name))
		}
	}
	return out
}

// vpcReference names the ProjectVPC that a service is placed in, which may live
// in another namespace.
func vpcReference(obj v1alpha1.Service) (reconcile.Reference, bool) {
	ref := obj.CommonSpec().ProjectVPCRef
	if ref == nil {
		return reconcile.Reference{}, false
	}
	namespace := ref.Namespace
	if namespace == "" {
		namespace = obj.GetNamespace()
	}
	return reconcile.Reference{Kind: kindProjectVPC, Name: cache.NewObjectName(namespace, ref.Name)}, true
}

// settings returns the common settings of a service with the network's id in
// place of a reference to it.
func (r *remote) settings(obj v1alpha1.Service) (*v1alpha1.ServiceCommonSpec, error) {
	spec := obj.CommonSpec()
	ref, ok := vpcReference(obj)
	if !ok {
		return spec, nil
	}
	if spec.ProjectVPCID != "" {
		return nil, reconcile.Invalid(reasonInvalidSpec, "please set ProjectVPCID or ProjectVPCRef, not both: remove spec.projectVpcId or spec.projectVPCRef.")
	}
	found, err := r.object(ref)
	if err != nil {
		return nil, err
	}
	network, ok := found.(*v1alpha1.ProjectVPC)
	if !ok {
		return nil, reconcile.Waiting(reasonWaitingForVPC, fmt.Sprintf("%s, named by spec.projectVPCRef, does not exist in the namespaces that the operator watches.", ref))
	}
	if project, _ := obj.ServiceRef(); network.Spec.Project != project {
		return nil, reconcile.Invalid(reasonInvalidSpec, fmt.Sprintf("%s, named by spec.projectVPCRef, is in project %s, and the service in %s.", ref, network.Spec.Project, project))
	}
	if network.Status.ID == "" || network.Status.State != string(vpc.VpcStateTypeActive) {
		return nil, reconcile.Waiting(reasonWaitingForVPC, fmt.Sprintf("%s, named by spec.projectVPCRef, is not ready.", ref))
	}
	resolved := *spec
	resolved.ProjectVPCID = network.Status.ID
	return &resolved, nil
}
