// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// MaxPods is how many pods of a cluster have their names in the certificate,
// whatever the number of replicas is: scaling issues no certificate.
const MaxPods = 9

const clusterDomain = ".cluster.local"

// Names is what the names in a certificate are derived from.
type Names struct {
	// Cluster and Namespace are those of the OpenBaoCluster.
	Cluster, Namespace string
	// Ordinals is how many pods are covered, from ordinal 0. Zero means MaxPods.
	Ordinals int
	// Extra is spec.tls.extraSANs: DNS names, wildcard names, IP addresses.
	Extra []string
}

// SANs returns the names and addresses that the one certificate of all servers
// must carry, without duplicates and in a stable order. The error names the
// field whose value cannot be in a certificate.
func SANs(n Names) ([]string, []net.IP, error) {
	dns := []string{"localhost", n.Cluster, n.Cluster + "." + n.Namespace}
	for _, name := range n.services() {
		dns = append(dns, name, name+clusterDomain)
	}
	for _, name := range append([]string{n.podWildcard()}, n.pods()...) {
		dns = append(dns, name, name+clusterDomain)
	}
	for _, name := range dns {
		if problem := checkDNSName(name); problem != "" {
			return nil, nil, fmt.Errorf("the name %q, which is derived from metadata.name %q and metadata.namespace %q, "+
				"cannot be in a certificate: %s; give the OpenBaoCluster another name", name, n.Cluster, n.Namespace, problem)
		}
	}
	ips := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	for i, extra := range n.Extra {
		if ip := net.ParseIP(extra); ip != nil {
			if !containsIP(ips, ip) {
				ips = append(ips, ip)
			}
			continue
		}
		name := strings.ToLower(extra)
		if problem := checkDNSName(name); problem != "" {
			return nil, nil, fmt.Errorf("spec.tls.extraSANs[%d] is %q: %s; write a DNS name, a wildcard name such as "+
				"*.example.com, or an IP address, without scheme and port", i, extra, problem)
		}
		if !slices.Contains(dns, name) {
			dns = append(dns, name)
		}
	}
	return dns, ips, nil
}

// services returns the names of the Services of the cluster.
func (n Names) services() []string {
	suffix := "." + n.Namespace + ".svc"
	return []string{n.Cluster + suffix, n.Cluster + "-public" + suffix, n.Cluster + "-active" + suffix}
}

func (n Names) podWildcard() string {
	return "*." + n.Cluster + "." + n.Namespace + ".svc"
}

func (n Names) pods() []string {
	count := n.Ordinals
	if count == 0 {
		count = MaxPods
	}
	names := make([]string, 0, count)
	for i := range count {
		names = append(names, n.Cluster+"-"+strconv.Itoa(i)+"."+n.Cluster+"."+n.Namespace+".svc")
	}
	return names
}

func (n Names) caSecret() string {
	return "Secret " + n.Namespace + "/" + n.Cluster + "-tls-ca"
}

func (n Names) serverSecret() string {
	return "Secret " + n.Namespace + "/" + n.Cluster + "-tls-server"
}

// checkDNSName returns what is wrong with a lower-case DNS name or wildcard name.
// Underscores are let through: crypto/x509 verifies such names.
func checkDNSName(name string) string {
	if len(name) > 253 {
		return "it is longer than 253 characters"
	}
	labels := strings.Split(name, ".")
	if labels[0] == "*" && len(labels) > 1 {
		labels = labels[1:]
	}
	for _, label := range labels {
		switch {
		case label == "":
			return "it is empty or has an empty label"
		case len(label) > 63:
			return fmt.Sprintf("the label %q is longer than 63 characters", label)
		case strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
			return fmt.Sprintf("the label %q has characters that a DNS name cannot have", label)
		case strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-"):
			return fmt.Sprintf("the label %q begins or ends with a hyphen", label)
		}
	}
	// Anything else is a mistyped address, which no client would ever look for.
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return "its last label is a number, and it is no IP address"
	}
	return ""
}

func containsIP(ips []net.IP, ip net.IP) bool {
	return slices.ContainsFunc(ips, ip.Equal)
}
