// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// NetworkSpec restricts who talks to the servers, and whom they talk to.
type NetworkSpec struct {
	// apiServerCIDR is the network that the Kubernetes API server is reached in.
	// The default is found out.
	// +optional
	APIServerCIDR string `json:"apiServerCIDR,omitempty"`
	// apiServerEndpointIPs are the addresses of the Kubernetes API servers, for
	// networks that filter behind the Service.
	// +optional
	APIServerEndpointIPs []string `json:"apiServerEndpointIPs,omitempty"`
	// dnsNamespace is the namespace of the DNS servers.
	// +kubebuilder:default=kube-system
	// +optional
	DNSNamespace string `json:"dnsNamespace,omitempty"`
	// egressRules allow further connections from the servers.
	// +optional
	EgressRules []NetworkPolicyEgressRule `json:"egressRules,omitempty"`
	// ingressRules allow further connections to the servers.
	// +optional
	IngressRules []NetworkPolicyIngressRule `json:"ingressRules,omitempty"`
}

// The types below have the fields of those of the same name in
// k8s.io/api/networking/v1, and are repeated for the reason that PodSecurityContext
// is.

// NetworkPolicyEgressRule allows connections to some peers on some ports.
type NetworkPolicyEgressRule struct {
	// ports are the ports of the peers. None stands for all.
	// +optional
	// +listType=atomic
	Ports []NetworkPolicyPort `json:"ports,omitempty"`
	// to are the peers. None stands for all.
	// +optional
	// +listType=atomic
	To []NetworkPolicyPeer `json:"to,omitempty"`
}

// NetworkPolicyIngressRule allows connections from some peers to some ports.
type NetworkPolicyIngressRule struct {
	// ports are the ports of the servers. None stands for all.
	// +optional
	// +listType=atomic
	Ports []NetworkPolicyPort `json:"ports,omitempty"`
	// from are the peers. None stands for all.
	// +optional
	// +listType=atomic
	From []NetworkPolicyPeer `json:"from,omitempty"`
}

// NetworkPolicyPort is a port, or a range of ports.
type NetworkPolicyPort struct {
	// protocol is TCP, UDP or SCTP. The default is TCP.
	// +optional
	Protocol *string `json:"protocol,omitempty"`
	// port is the number or the name of the port. None stands for all.
	// +optional
	Port *intstr.IntOrString `json:"port,omitempty"`
	// endPort is the last port of a range that begins with port.
	// +optional
	EndPort *int32 `json:"endPort,omitempty"`
}

// NetworkPolicyPeer is who a connection is allowed with.
type NetworkPolicyPeer struct {
	// podSelector selects pods, by default of the namespace of the cluster.
	// +optional
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`
	// namespaceSelector selects the namespaces of the pods.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// ipBlock is a network, in place of pods.
	// +optional
	IPBlock *IPBlock `json:"ipBlock,omitempty"`
}

// IPBlock is a network with holes.
type IPBlock struct {
	// cidr is the network.
	CIDR string `json:"cidr"`
	// except are networks within it that do not count.
	// +optional
	// +listType=atomic
	Except []string `json:"except,omitempty"`
}
