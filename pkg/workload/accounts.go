// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	openbaov1alpha1 "github.com/bailiwick-operator/bailiwick/pkg/apis/openbao/v1alpha1"
)

// addAccounts adds the ServiceAccounts, and the rights of the servers' one. The accounts
// of jobs have no rights in Kubernetes: their tokens are for the servers only.
func (o *Objects) addAccounts(c *openbaov1alpha1.OpenBaoCluster) {
	server := serviceAccount(ServerAccount(c))
	if c.Spec.ServiceAccount != nil {
		server.Annotations = maps.Clone(c.Spec.ServiceAccount.Annotations)
	}
	o.add(server)
	for _, account := range jobAccounts(c) {
		if account.requested {
			o.add(serviceAccount(account.name))
		} else {
			// What is gone has no tokens.
			o.remove(corev1.SchemeGroupVersion.WithKind("ServiceAccount"), account.name)
		}
	}
	o.add(&rbacv1.RoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: c.Name + "-server"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: ServerClusterRole},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: ServerAccount(c), Namespace: c.Namespace}},
	})
}

func serviceAccount(name string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{
		TypeMeta:                     metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta:                   metav1.ObjectMeta{Name: name},
		AutomountServiceAccountToken: new(false),
	}
}
