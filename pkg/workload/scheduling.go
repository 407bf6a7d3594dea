// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// schedule sets where the pods run.
func schedule(c *openbaov1alpha1.OpenBaoCluster, pod *corev1.PodSpec) error {
	spec := c.Spec.Scheduling
	if spec == nil {
		spec = &openbaov1alpha1.SchedulingSpec{}
	}
	var err error
	if pod.NodeSelector, err = convert[map[string]string](spec.NodeSelector); err != nil {
		return err
	}
	if pod.Tolerations, err = convert[[]corev1.Toleration](spec.Tolerations); err != nil {
		return err
	}
	if spec.NodeAffinity != nil {
		affinity, err := convert[*corev1.NodeAffinity](spec.NodeAffinity)
		if err != nil {
			return err
		}
		pod.Affinity = &corev1.Affinity{NodeAffinity: affinity}
	}
	pod.PriorityClassName = spec.PriorityClassName
	pod.TopologySpreadConstraints, err = topologySpread(c, spec.TopologySpreadConstraints)
	return err
}

// topologySpread returns the constraints of the spec, and by default some that prefer
// another node and another zone for each server. An empty list stands for none.
func topologySpread(
	c *openbaov1alpha1.OpenBaoCluster, spec []openbaov1alpha1.TopologySpreadConstraint,
) ([]corev1.TopologySpreadConstraint, error) {
	if spec == nil {
		return []corev1.TopologySpreadConstraint{
			preferSpread(c, corev1.LabelHostname),
			preferSpread(c, corev1.LabelTopologyZone),
		}, nil
	}
	constraints, err := convert[[]corev1.TopologySpreadConstraint](spec)
	if err != nil {
		return nil, err
	}
	for i := range constraints {
		if constraints[i].LabelSelector == nil {
			constraints[i].LabelSelector = &metav1.LabelSelector{MatchLabels: ServerSelector(c)}
		}
	}
	return constraints, nil
}

func preferSpread(c *openbaov1alpha1.OpenBaoCluster, topologyKey string) corev1.TopologySpreadConstraint {
	return corev1.TopologySpreadConstraint{
		MaxSkew:           1,
		TopologyKey:       topologyKey,
		WhenUnsatisfiable: corev1.ScheduleAnyway,
		LabelSelector:     &metav1.LabelSelector{MatchLabels: ServerSelector(c)},
	}
}
