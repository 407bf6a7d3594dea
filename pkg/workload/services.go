// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// headlessService gives each server its own name. It publishes servers that are not
// ready, which have to find each other before any of them is.
func headlessService(c *openbaov1alpha1.OpenBaoCluster) *corev1.Service {
	s := service(c.Name, ServerSelector(c), portNameAPI, portNameCluster)
	s.Spec.ClusterIP = corev1.ClusterIPNone
	s.Spec.PublishNotReadyAddresses = true
	if metricsEnabled(c) {
		// Only this Service has the port, so that Prometheus scrapes each server once.
		s.Spec.Ports = append(s.Spec.Ports, servicePort(portNameMetrics))
	}
	return s
}

// publicService is the Service for clients. It leads to all servers that are ready;
// standbys forward requests to the active one.
func publicService(c *openbaov1alpha1.OpenBaoCluster) *corev1.Service {
	s := service(PublicServiceName(c), clientSelector(c), portNameAPI)
	s.Spec.Type = corev1.ServiceTypeClusterIP
	if c.Spec.Service != nil {
		s.Annotations = maps.Clone(c.Spec.Service.Annotations)
		s.Spec.Type = cmp.Or(corev1.ServiceType(c.Spec.Service.Type), s.Spec.Type)
	}
	return s
}

// activeService leads to the server that says of itself that it is the active one.
func activeService(c *openbaov1alpha1.OpenBaoCluster) *corev1.Service {
	selector := clientSelector(c)
	selector[LabelActive] = "true"
	s := service(ActiveServiceName(c), selector, portNameAPI)
	s.Spec.Type = corev1.ServiceTypeClusterIP
	return s
}

// clientSelector selects the servers that clients may reach.
func clientSelector(c *openbaov1alpha1.OpenBaoCluster) map[string]string {
	selector := ServerSelector(c)
	selector[LabelTraffic] = TrafficClients
	return selector
}

func service(name string, selector map[string]string, ports ...string) *corev1.Service {
	s := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{Selector: selector},
	}
	for _, port := range ports {
		s.Spec.Ports = append(s.Spec.Ports, servicePort(port))
	}
	return s
}

func servicePort(name string) corev1.ServicePort {
	return corev1.ServicePort{
		Name: name, Protocol: corev1.ProtocolTCP, Port: portNumber(name), TargetPort: intstr.FromString(name),
	}
}

func portNumber(name string) int32 {
	switch name {
	case portNameCluster:
		return portCluster
	case portNameMetrics:
		return portMetrics
	default:
		return portAPI
	}
}
