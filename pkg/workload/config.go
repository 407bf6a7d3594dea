// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
	"github.com/bailiwick-operator/bailiwick/pkg/serverconfig"
)

func configMap(c *openbaov1alpha1.OpenBaoCluster, config serverconfig.Rendered) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: ConfigName(c)},
		Data:       map[string]string{ConfigKey: string(config.Public)},
	}
}

func configSecret(c *openbaov1alpha1.OpenBaoCluster, config serverconfig.Rendered) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: ConfigSecretName(c)},
		Type:       corev1.SecretTypeOpaque,
		Data:       map[string][]byte{ConfigSecretKey: slices.Clone(config.Secret)},
	}
}
