// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// RecoveryLabels returns the labels of the Jobs that work on volumes, and of their pods.
// ServerSelector does not select them. The map is the caller's.
func RecoveryLabels(c *openbaov1alpha1.OpenBaoCluster) map[string]string {
	labels := Labels(c)
	labels[LabelComponent] = ComponentRecovery
	return labels
}

// JobPod returns what the pod of a Job has in common with that of a server, whose files it
// has to be able to read: who it runs as, and where it may.
func JobPod(c *openbaov1alpha1.OpenBaoCluster) (corev1.PodSpec, error) {
	security, err := podSecurityContext(c)
	if err != nil {
		return corev1.PodSpec{}, err
	}
	pod := corev1.PodSpec{SecurityContext: security}
	for _, secret := range c.Spec.ImagePullSecrets {
		pod.ImagePullSecrets = append(pod.ImagePullSecrets, corev1.LocalObjectReference{Name: secret.Name})
	}
	if err := schedule(c, &pod); err != nil {
		return corev1.PodSpec{}, err
	}
	// There is one node at most that has the volume.
	pod.TopologySpreadConstraints = nil
	return pod, nil
}

// RaftAddress returns the address under which the servers of a cluster know the one with
// that ordinal: that of BAO_CLUSTER_ADDR, without its scheme.
func RaftAddress(c *openbaov1alpha1.OpenBaoCluster, ordinal int) string {
	return fmt.Sprintf("%s.%s.%s.svc:%d", PodName(c, ordinal), c.Name, c.Namespace, portCluster)
}
