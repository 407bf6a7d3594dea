// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// tokenLifetime is longer than a test takes, in seconds.
const tokenLifetime int64 = 24 * 60 * 60

// ServiceAccountToken returns a new token of a ServiceAccount, valid for a day
// for the given audiences, or for the API server if there is none.
func (k *Kubernetes) ServiceAccountToken(ctx context.Context, namespace, name string, audiences ...string) (string, error) {
	client, err := kubernetes.NewForConfig(k.Config())
	if err != nil {
		return "", err
	}
	lifetime := tokenLifetime
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, ExpirationSeconds: &lifetime},
	}
	response, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("requesting a token of ServiceAccount %s/%s: %w", namespace, name, err)
	}
	return response.Status.Token, nil
}

// ServiceAccountConfig returns the access that a ServiceAccount has, by a token
// of it that is valid for a day. The caller owns it.
func (k *Kubernetes) ServiceAccountConfig(ctx context.Context, namespace, name string) (*rest.Config, error) {
	token, err := k.ServiceAccountToken(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	config := k.anonymousConfig()
	config.BearerToken = token
	return config, nil
}

// namespaceReady returns nil once the controllers have put into a namespace what
// they put into every namespace.
func namespaceReady(ctx context.Context, client kubernetes.Interface, namespace string) error {
	if _, err := client.CoreV1().ServiceAccounts(namespace).Get(ctx, "default", metav1.GetOptions{}); err != nil {
		return err
	}
	_, err := client.CoreV1().ConfigMaps(namespace).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
	return err
}
