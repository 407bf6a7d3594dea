// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

const (
	defaultDNSNamespace = "kube-system"
	portDNS             = 53
)

// networkPolicies returns the policies of the servers, of the jobs that talk to them, and,
// where there are any, of those that talk to nobody.
func networkPolicies(c *openbaov1alpha1.OpenBaoCluster, f Facts) ([]Object, error) {
	servers, err := serversPolicy(c, f)
	if err != nil {
		return nil, err
	}
	jobs, err := jobsPolicy(c)
	if err != nil {
		return nil, err
	}
	out := []Object{servers, jobs}
	if f.Recovers {
		out = append(out, recoveryPolicy(c))
	}
	return out, nil
}

// recoveryPolicy has the pods that work on volumes without any network.
func recoveryPolicy(c *openbaov1alpha1.OpenBaoCluster) *networkingv1.NetworkPolicy {
	return networkPolicy(c.Name+"-recovery-network-policy", metav1.LabelSelector{
		MatchLabels: map[string]string{LabelCluster: c.Name, LabelComponent: ComponentRecovery},
	}, nil, nil)
}

// serversPolicy lets the servers talk to each other, Bailiwick and the jobs talk to the
// servers, and otherwise only what spec.network allows. That includes clients.
func serversPolicy(c *openbaov1alpha1.OpenBaoCluster, f Facts) (*networkingv1.NetworkPolicy, error) {
	spec := networkOf(c)
	ingress := []networkingv1.NetworkPolicyIngressRule{
		{From: pods(serverPods(c)), Ports: tcp(portAPI, portCluster)},
		{From: pods(jobPods(c)), Ports: tcp(portAPI)},
	}
	if f.Operator.Namespace != "" {
		ingress = append(ingress, networkingv1.NetworkPolicyIngressRule{From: operatorPods(f.Operator), Ports: tcp(portAPI)})
	}
	if metricsEnabled(c) {
		// It is not known where Prometheus runs, and the port serves nothing else.
		anyNamespace := networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{}}
		ingress = append(ingress, networkingv1.NetworkPolicyIngressRule{
			From: []networkingv1.NetworkPolicyPeer{anyNamespace}, Ports: tcp(portMetrics),
		})
	}
	ingressRules, err := convert[[]networkingv1.NetworkPolicyIngressRule](spec.IngressRules)
	if err != nil {
		return nil, err
	}
	egressRules, err := convert[[]networkingv1.NetworkPolicyEgressRule](spec.EgressRules)
	if err != nil {
		return nil, err
	}
	egress := []networkingv1.NetworkPolicyEgressRule{egressToDNS(spec)}
	egress = append(egress, egressToAPIServer(spec, f.APIServer)...)
	egress = append(egress, networkingv1.NetworkPolicyEgressRule{To: pods(serverPods(c)), Ports: tcp(portAPI, portCluster)})
	return networkPolicy(c.Name+"-network-policy", serverPods(c), append(ingress, ingressRules...), append(egress, egressRules...)), nil
}

// jobsPolicy lets jobs talk to the servers, and otherwise only where spec.network allows.
// They have no business with the Kubernetes API.
func jobsPolicy(c *openbaov1alpha1.OpenBaoCluster) (*networkingv1.NetworkPolicy, error) {
	spec := networkOf(c)
	egressRules, err := convert[[]networkingv1.NetworkPolicyEgressRule](spec.EgressRules)
	if err != nil {
		return nil, err
	}
	egress := []networkingv1.NetworkPolicyEgressRule{
		egressToDNS(spec), {To: pods(serverPods(c)), Ports: tcp(portAPI)},
	}
	return networkPolicy(c.Name+"-jobs-network-policy", jobPods(c), nil, append(egress, egressRules...)), nil
}

func serverPods(c *openbaov1alpha1.OpenBaoCluster) metav1.LabelSelector {
	return metav1.LabelSelector{MatchLabels: ServerSelector(c)}
}

func jobPods(c *openbaov1alpha1.OpenBaoCluster) metav1.LabelSelector {
	return metav1.LabelSelector{
		MatchLabels: map[string]string{LabelCluster: c.Name},
		MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: LabelComponent, Operator: metav1.LabelSelectorOpIn,
			Values: []string{ComponentBackup, ComponentRestore, ComponentUpgrade},
		}},
	}
}

func networkOf(c *openbaov1alpha1.OpenBaoCluster) openbaov1alpha1.NetworkSpec {
	if c.Spec.Network == nil {
		return openbaov1alpha1.NetworkSpec{}
	}
	return *c.Spec.Network
}

func networkPolicy(
	name string, selector metav1.LabelSelector,
	ingress []networkingv1.NetworkPolicyIngressRule, egress []networkingv1.NetworkPolicyEgressRule,
) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: selector,
			// Both, so that a direction without rules is closed.
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
			Ingress:     ingress,
			Egress:      egress,
		},
	}
}

func operatorPods(operator Peer) []networkingv1.NetworkPolicyPeer {
	labels := maps.Clone(operator.PodLabels)
	if len(labels) == 0 {
		// A selector without labels would be any pod of the namespace.
		labels = map[string]string{"app.kubernetes.io/name": "bailiwick"}
	}
	return []networkingv1.NetworkPolicyPeer{{
		NamespaceSelector: namespaceSelector(operator.Namespace),
		PodSelector:       &metav1.LabelSelector{MatchLabels: labels},
	}}
}

func egressToDNS(spec openbaov1alpha1.NetworkSpec) networkingv1.NetworkPolicyEgressRule {
	port := intstr.FromInt32(portDNS)
	return networkingv1.NetworkPolicyEgressRule{
		To: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: namespaceSelector(cmp.Or(spec.DNSNamespace, defaultDNSNamespace))}},
		Ports: []networkingv1.NetworkPolicyPort{
			{Protocol: new(corev1.ProtocolUDP), Port: &port},
			{Protocol: new(corev1.ProtocolTCP), Port: &port},
		},
	}
}

// egressToAPIServer lets the servers label their own pods. spec.network.apiServerCIDR
// replaces the addresses that were found. spec.network.apiServerEndpointIPs adds to
// them, since some networks filter before the address of the Service is translated and
// some after. Check has validated both.
func egressToAPIServer(spec openbaov1alpha1.NetworkSpec, found []netip.AddrPort) []networkingv1.NetworkPolicyEgressRule {
	// The port of the Service, and the usual one behind it.
	ports := []uint16{443, 6443}
	for _, address := range found {
		ports = append(ports, address.Port())
	}
	var networks []string
	if spec.APIServerCIDR != "" {
		networks = append(networks, spec.APIServerCIDR)
	} else {
		for _, address := range found {
			networks = append(networks, hostNetwork(address.Addr()))
		}
	}
	for _, text := range spec.APIServerEndpointIPs {
		if ip, err := netip.ParseAddr(text); err == nil {
			networks = append(networks, hostNetwork(ip))
		}
	}
	if len(networks) == 0 {
		return nil
	}
	slices.Sort(ports)
	slices.Sort(networks)
	rule := networkingv1.NetworkPolicyEgressRule{}
	for _, port := range slices.Compact(ports) {
		rule.Ports = append(rule.Ports, tcp(int32(port))...)
	}
	for _, network := range slices.Compact(networks) {
		rule.To = append(rule.To, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: network}})
	}
	return []networkingv1.NetworkPolicyEgressRule{rule}
}

// hostNetwork returns the network that holds one address only.
func hostNetwork(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	return netip.PrefixFrom(ip, ip.BitLen()).String()
}

// pods returns the pods of the cluster's namespace that the selector selects.
func pods(selector metav1.LabelSelector) []networkingv1.NetworkPolicyPeer {
	return []networkingv1.NetworkPolicyPeer{{PodSelector: &selector}}
}

func namespaceSelector(namespace string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}}
}

func tcp(ports ...int32) []networkingv1.NetworkPolicyPort {
	var list []networkingv1.NetworkPolicyPort
	for _, port := range ports {
		list = append(list, networkingv1.NetworkPolicyPort{Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromInt32(port))})
	}
	return list
}
