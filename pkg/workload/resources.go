// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// resources returns the resources of a server's container. Those of the spec replace the
// defaults one by one; a limit of 0 is none. There is no limit of CPU, which would slow
// the heartbeats of a busy leader and cost it its leadership.
func resources(spec *openbaov1alpha1.ResourceRequirements) corev1.ResourceRequirements {
	requests := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("100m"),
		corev1.ResourceMemory: resource.MustParse("256Mi"),
	}
	limits := corev1.ResourceList{
		corev1.ResourceMemory: resource.MustParse("1Gi"),
	}
	if spec == nil {
		return corev1.ResourceRequirements{Requests: requests, Limits: limits}
	}
	for name, quantity := range spec.Requests {
		requests[corev1.ResourceName(name)] = quantity.DeepCopy()
	}
	for name, quantity := range spec.Limits {
		limits[corev1.ResourceName(name)] = quantity.DeepCopy()
		if quantity.IsZero() {
			delete(limits, corev1.ResourceName(name))
		}
	}
	// A default must not contradict what the spec says.
	for name, limit := range limits {
		request, requested := requests[name]
		if !requested || request.Cmp(limit) <= 0 {
			continue
		}
		if _, given := spec.Requests[string(name)]; given {
			limits[name] = request.DeepCopy()
		} else {
			requests[name] = limit.DeepCopy()
		}
	}
	return corev1.ResourceRequirements{Requests: requests, Limits: limits}
}
