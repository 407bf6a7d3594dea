// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/authz"
)

// Check returns what is wrong with a spec that describes servers, as far as no facts are
// needed to see it. The error joins a *authz.SpecError for each mistake.
func Check(c *openbaov1alpha1.OpenBaoCluster) error {
	var p problems
	for _, rule := range Rules() {
		if rule.broken(c) {
			p.add(rule.Field, rule.Problem)
		}
	}
	p.checkName(c)
	p.checkRequired(c)
	p.checkImage(c)
	p.checkServerAccount(c)
	p.checkSecretNames(c)
	p.checkSecurityContext(c)
	p.checkResources(c)
	p.checkPodMetadata(c)
	p.checkNetwork(c)
	p.checkServiceMonitor(c)
	return errors.Join(p...)
}

// problems collects mistakes in a spec.
type problems []error

func (p *problems) add(field, problem string) {
	*p = append(*p, &authz.SpecError{Field: field, Problem: problem})
}

func (p *problems) addf(field, format string, args ...any) {
	p.add(field, fmt.Sprintf(format, args...))
}

// maxName is how long the name of a StatefulSet may be: the StatefulSet controller labels
// pods with it, a hyphen and a hash of 10 characters, and a label has at most 63.
const maxName = validation.LabelValueMaxLength - 11

func (p *problems) checkName(c *openbaov1alpha1.OpenBaoCluster) {
	switch {
	case len(c.Name) > maxName:
		p.addf("metadata.name", "is too long: it can have at most %d characters, since the names of pods, Services and revisions are longer", maxName)
	case len(validation.IsDNS1035Label(c.Name)) > 0:
		p.add("metadata.name", "must consist of lower case letters, digits and hyphens, and begin with a letter, since it is the name of a Service")
	}
}

func (p *problems) checkRequired(c *openbaov1alpha1.OpenBaoCluster) {
	if c.Spec.Version == "" {
		p.add("spec.version", "is required")
	}
	if c.Spec.TLS == nil {
		p.add("spec.tls", "is required")
	}
	if c.Spec.Storage == nil {
		p.add("spec.storage", "is required")
		return
	}
	if size, err := resource.ParseQuantity(c.Spec.Storage.Size); err != nil || size.Sign() <= 0 {
		p.addf("spec.storage.size", "%q is not a size: write for example 10Gi", c.Spec.Storage.Size)
	}
}

// imageTagPattern is the form of a tag in the OCI distribution specification.
var imageTagPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

func (p *problems) checkImage(c *openbaov1alpha1.OpenBaoCluster) {
	switch {
	case strings.ContainsFunc(c.Spec.Image, unicode.IsSpace):
		p.add("spec.image", "an image has no spaces")
	case c.Spec.Image == "" && c.Spec.Version != "" && !imageTagPattern.MatchString(imageTag(c)):
		p.addf("spec.version", "%q is not a tag of the official image: set spec.image to the image of that version", c.Spec.Version)
	}
}

// checkServerAccount refuses accounts whose tokens mean something else than that a server
// labels its pod. A pod can act as its account.
func (p *problems) checkServerAccount(c *openbaov1alpha1.OpenBaoCluster) {
	name := ServerAccount(c)
	field, named := "spec.serviceAccount.name", c.Spec.ServiceAccount != nil && c.Spec.ServiceAccount.Name != ""
	if cluster, identity, ok := authz.ParseJobAccount(name); ok {
		if named {
			p.addf(field, "%q is the ServiceAccount of the %s identity of a cluster %q, which servers must not act as: choose another name", name, identity, cluster)
		} else {
			p.addf(field, "must be set to another name: the default, %q, is the ServiceAccount of the %s identity of a cluster %q", name, identity, cluster)
		}
		return
	}
	switch {
	case name == "default":
		p.add(field, "must not be default: every other pod of the namespace that names no account could act as a server")
	case len(validation.IsDNS1123Subdomain(name)) > 0:
		p.addf(field, "%q is not the name of a ServiceAccount", name)
	case slices.Contains(identityAccounts(c), name):
		p.addf(field, "%q is the ServiceAccount of an identity of this cluster, which servers must not act as: choose another name", name)
	}
}

// identityAccounts returns the ServiceAccounts in the namespace of the cluster that the
// object gives a policy on the servers.
func identityAccounts(c *openbaov1alpha1.OpenBaoCluster) []string {
	var names []string
	add := func(ref openbaov1alpha1.ServiceAccountReference) {
		if cmp.Or(ref.Namespace, c.Namespace) == c.Namespace {
			names = append(names, ref.Name)
		}
	}
	a := c.Spec.Authorization
	if a == nil {
		value := c.Annotations[openbaov1alpha1.AnnotationOperatorServiceAccount]
		if namespace, name, both := strings.Cut(value, "/"); both {
			add(openbaov1alpha1.ServiceAccountReference{Namespace: namespace, Name: name})
		} else if value != "" {
			add(openbaov1alpha1.ServiceAccountReference{Name: value})
		}
		return names
	}
	if a.OperatorServiceAccount != nil {
		add(*a.OperatorServiceAccount)
	}
	for _, additional := range a.AdditionalSubjects {
		add(additional.ServiceAccount)
	}
	return names
}

// managedSecretSuffixes are the ends of the names of Secrets that Bailiwick keeps for a
// cluster.
var managedSecretSuffixes = [...]string{
	"-unseal-key", "-root-token", "-recovery-keys", "-tls-ca", "-tls-server", "-initialize", "-config-secret",
}

// IsManagedSecretName reports whether a Secret of the name can be one that Bailiwick keeps
// for a cluster, whichever that is.
func IsManagedSecretName(name string) bool {
	return slices.ContainsFunc(managedSecretSuffixes[:], func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}

func (p *problems) checkSecretNames(c *openbaov1alpha1.OpenBaoCluster) {
	for i, secret := range c.Spec.ImagePullSecrets {
		p.checkSecretName(fmt.Sprintf("spec.imagePullSecrets[%d].name", i), secret.Name)
	}
	if c.Spec.Unseal == nil || c.Spec.Unseal.CredentialsSecretRef == nil {
		return
	}
	const field = "spec.unseal.credentialsSecretRef.name"
	name := c.Spec.Unseal.CredentialsSecretRef.Name
	p.checkSecretName(field, name)
	for _, suffix := range managedSecretSuffixes {
		if strings.HasSuffix(name, suffix) {
			p.addf(field, "%q can be a Secret that Bailiwick keeps for a cluster: credentials of the seal belong into a Secret whose name does not end in %s", name, suffix)
		}
	}
}

func (p *problems) checkSecretName(field, name string) {
	if len(validation.IsDNS1123Subdomain(name)) > 0 {
		p.addf(field, "%q is not the name of a Secret", name)
	}
}

func (p *problems) checkSecurityContext(c *openbaov1alpha1.OpenBaoCluster) {
	for _, beyond := range beyondRestricted(c.Spec.SecurityContext) {
		p.addf(beyond.field, "%s, by the Pod Security Standard restricted, to which Bailiwick keeps all servers", beyond.allowed)
	}
}

func (p *problems) checkResources(c *openbaov1alpha1.OpenBaoCluster) {
	r := c.Spec.Resources
	if r == nil {
		return
	}
	for _, list := range []struct {
		field string
		of    map[string]resource.Quantity
	}{{"requests", r.Requests}, {"limits", r.Limits}} {
		for _, name := range slices.Sorted(maps.Keys(list.of)) {
			field := fmt.Sprintf("spec.resources.%s[%s]", list.field, name)
			if len(validation.IsQualifiedName(name)) > 0 {
				p.addf(field, "%q is not the name of a resource", name)
			}
			if quantity := list.of[name]; quantity.Sign() < 0 {
				p.add(field, "must not be negative")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Requests)) {
		request, limit := r.Requests[name], r.Limits[name]
		if !limit.IsZero() && request.Cmp(limit) > 0 {
			p.addf(fmt.Sprintf("spec.resources.requests[%s]", name), "%s is more than the limit of %s", request.String(), limit.String())
		}
	}
}

// registrationLabels are set by the service registration of a server on its own pod.
var registrationLabels = [...]string{
	LabelActive, "openbao-initialized", "openbao-perf-standby", "openbao-sealed", "openbao-version",
}

func (p *problems) checkPodMetadata(c *openbaov1alpha1.OpenBaoCluster) {
	m := c.Spec.PodMetadata
	if m == nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(m.Labels)) {
		field := fmt.Sprintf("spec.podMetadata.labels[%s]", key)
		switch {
		case slices.Contains(registrationLabels[:], key):
			p.add(field, "is set by the server itself: remove it")
		case len(validation.IsQualifiedName(key)) > 0:
			p.addf(field, "%q is not the key of a label", key)
		case len(validation.IsValidLabelValue(m.Labels[key])) > 0:
			p.addf(field, "%q is not the value of a label", m.Labels[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m.Annotations)) {
		field := fmt.Sprintf("spec.podMetadata.annotations[%s]", key)
		switch {
		case strings.HasPrefix(key, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix):
			p.add(field, "is the old form of an AppArmor profile: use spec.securityContext.appArmorProfile")
		case len(validation.IsQualifiedName(strings.ToLower(key))) > 0:
			p.addf(field, "%q is not the key of an annotation", key)
		}
	}
}

func (p *problems) checkNetwork(c *openbaov1alpha1.OpenBaoCluster) {
	n := networkOf(c)
	if n.APIServerCIDR != "" {
		p.checkCIDR("spec.network.apiServerCIDR", n.APIServerCIDR)
	}
	for i, ip := range n.APIServerEndpointIPs {
		if addr, err := netip.ParseAddr(ip); err != nil || addr.Zone() != "" {
			p.addf(fmt.Sprintf("spec.network.apiServerEndpointIPs[%d]", i), "%q is not an IP address", ip)
		}
	}
	if n.DNSNamespace != "" && len(validation.IsDNS1123Label(n.DNSNamespace)) > 0 {
		p.addf("spec.network.dnsNamespace", "%q is not the name of a namespace", n.DNSNamespace)
	}
	for i, rule := range n.IngressRules {
		field := fmt.Sprintf("spec.network.ingressRules[%d]", i)
		p.checkRulePorts(field, rule.Ports)
		p.checkRulePeers(field+".from", rule.From)
	}
	for i, rule := range n.EgressRules {
		field := fmt.Sprintf("spec.network.egressRules[%d]", i)
		p.checkRulePorts(field, rule.Ports)
		p.checkRulePeers(field+".to", rule.To)
	}
}

func (p *problems) checkRulePorts(field string, ports []openbaov1alpha1.NetworkPolicyPort) {
	protocols := []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}
	for i, port := range ports {
		if port.Protocol != nil && !slices.Contains(protocols, corev1.Protocol(*port.Protocol)) {
			p.addf(fmt.Sprintf("%s.ports[%d].protocol", field, i), "%q is not one of TCP, UDP, SCTP", *port.Protocol)
		}
	}
}

func (p *problems) checkRulePeers(field string, peers []openbaov1alpha1.NetworkPolicyPeer) {
	for i, peer := range peers {
		if peer.IPBlock == nil {
			continue
		}
		field := fmt.Sprintf("%s[%d].ipBlock", field, i)
		if peer.PodSelector != nil || peer.NamespaceSelector != nil {
			p.add(field, "stands alone: write the selectors as another peer")
		}
		p.checkCIDR(field+".cidr", peer.IPBlock.CIDR)
		for j, except := range peer.IPBlock.Except {
			p.checkCIDR(fmt.Sprintf("%s.except[%d]", field, j), except)
		}
	}
}

func (p *problems) checkCIDR(field, cidr string) {
	if _, err := netip.ParsePrefix(cidr); err != nil {
		p.addf(field, "%q is not a network: write for example 10.0.0.0/16", cidr)
	}
}

func (p *problems) checkServiceMonitor(c *openbaov1alpha1.OpenBaoCluster) {
	if c.Spec.Observability == nil || c.Spec.Observability.Metrics == nil || c.Spec.Observability.Metrics.ServiceMonitor == nil {
		return
	}
	const field = "spec.observability.metrics.serviceMonitor"
	m := c.Spec.Observability.Metrics.ServiceMonitor
	interval, err := scrapeDuration(cmp.Or(m.Interval, defaultScrapeInterval))
	if err != nil {
		p.add(field+".interval", err.Error())
		return
	}
	timeout, err := scrapeDuration(cmp.Or(m.ScrapeTimeout, defaultScrapeTimeout))
	switch {
	case err != nil:
		p.add(field+".scrapeTimeout", err.Error())
	case timeout > interval:
		p.addf(field+".scrapeTimeout", "must not be more than the interval of %s", cmp.Or(m.Interval, defaultScrapeInterval))
	}
}
