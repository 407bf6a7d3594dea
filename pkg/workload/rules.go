// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// Rule is a refusal that depends on the spec alone and always has the same words. An
// admission policy that refuses the same must use them, too.
type Rule struct {
	// Field is the path of the field that the refusal names.
	Field string
	// Problem says what is wrong, and what to do.
	Problem string

	broken func(*openbaov1alpha1.OpenBaoCluster) bool
}

// Rules returns the refusals with fixed words, in the order in which Check reports them.
func Rules() []Rule {
	return slices.Concat(generalRules(), notYetRules(), hardenedRules())
}

func generalRules() []Rule {
	return []Rule{
		{
			"spec.profile", "must be set: Hardened for production, Development for trying things out",
			func(c *openbaov1alpha1.OpenBaoCluster) bool {
				return c.Spec.Profile != openbaov1alpha1.ProfileHardened && c.Spec.Profile != openbaov1alpha1.ProfileDevelopment
			},
		},
		{
			"spec.tls.enabled", "must be true: servers always listen with TLS",
			func(c *openbaov1alpha1.OpenBaoCluster) bool { return c.Spec.TLS != nil && !c.Spec.TLS.Enabled },
		},
		{
			"spec.replicas", "must be from 1 to 9",
			func(c *openbaov1alpha1.OpenBaoCluster) bool { return replicas(c) < 1 || replicas(c) > MaxServers },
		},
		{
			"spec.service.type", "must be ClusterIP, NodePort or LoadBalancer",
			func(c *openbaov1alpha1.OpenBaoCluster) bool {
				return c.Spec.Service != nil && !slices.Contains([]corev1.ServiceType{
					"", corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer,
				}, corev1.ServiceType(c.Spec.Service.Type))
			},
		},
		{
			"spec.securityContext.windowsOptions", "must be left out: servers run on Linux nodes",
			func(c *openbaov1alpha1.OpenBaoCluster) bool {
				return c.Spec.SecurityContext != nil && c.Spec.SecurityContext.WindowsOptions != nil
			},
		},
		{
			"spec.tls.acme", "belongs to the mode ACME: remove it",
			func(c *openbaov1alpha1.OpenBaoCluster) bool {
				return c.Spec.TLS != nil && c.Spec.TLS.ACME != nil && tlsMode(c) != openbaov1alpha1.TLSACME
			},
		},
		{
			"spec.plugins", "plugins from an image and plugins with a command cannot be mixed: images are downloaded to a volume at /openbao/plugins, " +
				"which hides the programs that the servers' image has there",
			func(c *openbaov1alpha1.OpenBaoCluster) bool {
				return downloadsPlugins(c) && slices.ContainsFunc(c.Spec.Plugins, func(p openbaov1alpha1.PluginSpec) bool { return p.Command != "" })
			},
		},
		{
			"spec.unseal.kmip.tlsSkipVerify", "must be false: OpenBao always checks the certificate of the KMIP server, by the CA in caCert",
			func(c *openbaov1alpha1.OpenBaoCluster) bool {
				u := c.Spec.Unseal
				return u != nil && u.KMIP != nil && u.KMIP.TLSSkipVerify != nil && *u.KMIP.TLSSkipVerify
			},
		},
	}
}

// notYetRules refuse what Bailiwick will do later.
func notYetRules() []Rule {
	const unverified = "Bailiwick does not verify the signatures of images yet: set it to false, verify signatures with an admission controller, " +
		"and pin images by digest"
	return []Rule{
		{
			"spec.tls.mode", "ACME is not supported yet: use External with a certificate that cert-manager gets, or OperatorManaged",
			func(c *openbaov1alpha1.OpenBaoCluster) bool { return tlsMode(c) == openbaov1alpha1.TLSACME },
		},
		{
			"spec.ingress.enabled", "an Ingress is not supported yet: set it to false, and create an Ingress for the Service <name>-public, " +
				"which serves HTTPS on port 8200",
			func(c *openbaov1alpha1.OpenBaoCluster) bool {
				return c.Spec.Ingress != nil && c.Spec.Ingress.Enabled != nil && *c.Spec.Ingress.Enabled
			},
		},
		{
			"spec.gateway.enabled", "routes of the Gateway API are not supported yet: set it to false, and create a route to the Service <name>-public, " +
				"which serves HTTPS on port 8200",
			func(c *openbaov1alpha1.OpenBaoCluster) bool { return c.Spec.Gateway != nil && c.Spec.Gateway.Enabled },
		},
		{
			"spec.imageVerification.enabled", unverified,
			func(c *openbaov1alpha1.OpenBaoCluster) bool {
				return c.Spec.ImageVerification != nil && c.Spec.ImageVerification.Enabled
			},
		},
		{
			"spec.operatorImageVerification.enabled", unverified,
			func(c *openbaov1alpha1.OpenBaoCluster) bool {
				return c.Spec.OperatorImageVerification != nil && c.Spec.OperatorImageVerification.Enabled
			},
		},
		{
			"spec.upgrade.strategy", "BlueGreen is not supported yet: use RollingUpdate",
			func(c *openbaov1alpha1.OpenBaoCluster) bool {
				return c.Spec.Upgrade != nil && c.Spec.Upgrade.Strategy == openbaov1alpha1.UpgradeBlueGreen
			},
		},
	}
}

// hardenedRules are what the profile Hardened requires.
func hardenedRules() []Rule {
	rules := []Rule{
		{
			"spec.tls.mode", "profile Hardened requires External: the key of the CA must not lie in the namespace of the servers",
			func(c *openbaov1alpha1.OpenBaoCluster) bool { return tlsMode(c) == openbaov1alpha1.TLSOperatorManaged },
		},
		{
			"spec.unseal.type", "profile Hardened requires another type than static: the unseal key must not lie in the namespace of the servers",
			func(c *openbaov1alpha1.OpenBaoCluster) bool { return sealType(c) == openbaov1alpha1.UnsealStatic },
		},
		{
			"spec.unseal.transit.tlsSkipVerify", "profile Hardened requires false: anyone who answers would get the token, and what it unseals",
			func(c *openbaov1alpha1.OpenBaoCluster) bool {
				u := c.Spec.Unseal
				return u != nil && u.Transit != nil && u.Transit.TLSSkipVerify != nil && *u.Transit.TLSSkipVerify
			},
		},
		{
			"spec.selfInit.enabled", "profile Hardened requires true: with self-initialization no root token remains",
			func(c *openbaov1alpha1.OpenBaoCluster) bool {
				return c.Spec.SelfInit == nil || !c.Spec.SelfInit.Enabled
			},
		},
		{
			"spec.replicas", "profile Hardened requires at least 3: fewer servers do not survive the loss of one",
			func(c *openbaov1alpha1.OpenBaoCluster) bool { return replicas(c) < 3 },
		},
		{
			"spec.network.egressRules", "profile Hardened requires rules where there is a spec.backup: backup jobs reach only what the rules allow",
			func(c *openbaov1alpha1.OpenBaoCluster) bool {
				return c.Spec.Backup != nil && len(networkOf(c).EgressRules) == 0
			},
		},
	}
	for i, rule := range rules {
		rules[i].broken = func(c *openbaov1alpha1.OpenBaoCluster) bool {
			return c.Spec.Profile == openbaov1alpha1.ProfileHardened && rule.broken(c)
		}
	}
	return rules
}

func tlsMode(c *openbaov1alpha1.OpenBaoCluster) openbaov1alpha1.TLSMode {
	if c.Spec.TLS == nil {
		return openbaov1alpha1.TLSOperatorManaged
	}
	return cmp.Or(c.Spec.TLS.Mode, openbaov1alpha1.TLSOperatorManaged)
}

func sealType(c *openbaov1alpha1.OpenBaoCluster) openbaov1alpha1.UnsealType {
	if c.Spec.Unseal == nil {
		return openbaov1alpha1.UnsealStatic
	}
	return cmp.Or(c.Spec.Unseal.Type, openbaov1alpha1.UnsealStatic)
}
