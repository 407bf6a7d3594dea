// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// The user and the groups of the official image.
const (
	defaultUser  = 100
	defaultGroup = 1000
)

// podSecurityContext returns the security settings of a pod: those of the spec, and the
// defaults where it has none.
func podSecurityContext(c *openbaov1alpha1.OpenBaoCluster) (*corev1.PodSecurityContext, error) {
	s := &corev1.PodSecurityContext{}
	if c.Spec.SecurityContext != nil {
		var err error
		if s, err = convert[*corev1.PodSecurityContext](c.Spec.SecurityContext); err != nil {
			return nil, err
		}
	}
	s.RunAsNonRoot = cmp.Or(s.RunAsNonRoot, new(true))
	s.RunAsUser = cmp.Or(s.RunAsUser, new(int64(defaultUser)))
	s.RunAsGroup = cmp.Or(s.RunAsGroup, new(int64(defaultGroup)))
	s.FSGroup = cmp.Or(s.FSGroup, new(int64(defaultGroup)))
	s.SeccompProfile = cmp.Or(s.SeccompProfile, &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault})
	if h := c.Spec.WorkloadHardening; h != nil && h.AppArmorEnabled != nil && *h.AppArmorEnabled {
		s.AppArmorProfile = cmp.Or(s.AppArmorProfile, &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault})
	}
	return s, nil
}

func containerSecurityContext() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		ReadOnlyRootFilesystem:   new(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

// restrictedField is a field of spec.securityContext with a value that the Pod Security
// Standard "restricted" does not allow.
type restrictedField struct{ field, allowed string }

// beyondRestricted returns the settings of spec.securityContext that the Pod Security
// Standard "restricted" does not allow. Everything else in the pod is within it.
//
// https://kubernetes.io/docs/concepts/security/pod-security-standards/
func beyondRestricted(s *openbaov1alpha1.PodSecurityContext) []restrictedField {
	if s == nil {
		return nil
	}
	var fields []restrictedField
	refuse := func(broken bool, field, allowed string) {
		if broken {
			fields = append(fields, restrictedField{"spec.securityContext." + field, allowed})
		}
	}
	refuse(s.RunAsNonRoot != nil && !*s.RunAsNonRoot, "runAsNonRoot", "must be true")
	refuse(s.RunAsUser != nil && *s.RunAsUser == 0, "runAsUser", "must not be 0")
	if p := s.SeccompProfile; p != nil {
		refuse(!confinedProfile(p.Type), "seccompProfile.type", "must be RuntimeDefault or Localhost")
	}
	if p := s.AppArmorProfile; p != nil {
		refuse(!confinedProfile(p.Type), "appArmorProfile.type", "must be RuntimeDefault or Localhost")
	}
	if o := s.SELinuxOptions; o != nil {
		refuse(o.User != "", "seLinuxOptions.user", "must be left out")
		refuse(o.Role != "", "seLinuxOptions.role", "must be left out")
		refuse(!slices.Contains([]string{"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}, o.Type),
			"seLinuxOptions.type", "must be container_t, container_init_t, container_kvm_t or container_engine_t")
	}
	for _, sysctl := range s.Sysctls {
		refuse(!safeSysctl(sysctl.Name), "sysctls["+sysctl.Name+"]", "is not one of the safe kernel parameters")
	}
	return fields
}

func confinedProfile(profile string) bool {
	return profile == string(corev1.SeccompProfileTypeRuntimeDefault) || profile == string(corev1.SeccompProfileTypeLocalhost)
}

func safeSysctl(name string) bool { return slices.Contains(safeSysctls(), name) }

func safeSysctls() []string {
	return []string{
		"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports",
		"net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range", "net.ipv4.tcp_syncookies",
		"net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
		"net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
	}
}
