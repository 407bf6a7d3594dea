// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package openbao

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	podResource         = corev1.SchemeGroupVersion.WithResource("pods")
	secretResource      = corev1.SchemeGroupVersion.WithResource("secrets")
	claimResource       = corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims")
	leaseResource       = coordinationv1.SchemeGroupVersion.WithResource("leases")
	statefulSetResource = appsv1.SchemeGroupVersion.WithResource("statefulsets")
)

// resourcesOfKinds says where the API server serves the kinds of a cluster's objects.
func resourcesOfKinds() map[schema.GroupVersionKind]schema.GroupVersionResource {
	return map[schema.GroupVersionKind]schema.GroupVersionResource{
		corev1.SchemeGroupVersion.WithKind("Secret"):                secretResource,
		corev1.SchemeGroupVersion.WithKind("ConfigMap"):             corev1.SchemeGroupVersion.WithResource("configmaps"),
		corev1.SchemeGroupVersion.WithKind("Service"):               corev1.SchemeGroupVersion.WithResource("services"),
		corev1.SchemeGroupVersion.WithKind("ServiceAccount"):        corev1.SchemeGroupVersion.WithResource("serviceaccounts"),
		appsv1.SchemeGroupVersion.WithKind("StatefulSet"):           statefulSetResource,
		networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"):   networkingv1.SchemeGroupVersion.WithResource("networkpolicies"),
		policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"): policyv1.SchemeGroupVersion.WithResource("poddisruptionbudgets"),
		rbacv1.SchemeGroupVersion.WithKind("RoleBinding"):           rbacv1.SchemeGroupVersion.WithResource("rolebindings"),
		serviceMonitorKind: serviceMonitorKind.GroupVersion().WithResource("servicemonitors"),
	}
}

var serviceMonitorKind = schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "ServiceMonitor"}

// WatchedResources are those whose objects are watched. None of them holds a secret.
func WatchedResources() []schema.GroupVersionResource {
	return []schema.GroupVersionResource{
		statefulSetResource, podResource, claimResource,
		corev1.SchemeGroupVersion.WithResource("services"), corev1.SchemeGroupVersion.WithResource("serviceaccounts"),
		networkingv1.SchemeGroupVersion.WithResource("networkpolicies"), policyv1.SchemeGroupVersion.WithResource("poddisruptionbudgets"),
		rbacv1.SchemeGroupVersion.WithResource("rolebindings"),
	}
}

func resourceOf(kind schema.GroupVersionKind) (schema.GroupVersionResource, error) {
	resource, ok := resourcesOfKinds()[kind]
	if !ok {
		return resource, fmt.Errorf("objects of kind %s are not known", kind.Kind)
	}
	return resource, nil
}
