// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func TestSecretIsCollectedWithOwner(t *testing.T) {
	namespace := shared.Kubernetes.Namespace(t)
	client := adminClient(t)
	dynamicClient, err := dynamic.NewForConfig(shared.Kubernetes.Config())
	if err != nil {
		t.Fatal(err)
	}
	widgets := dynamicClient.Resource(schema.GroupVersionResource{Group: "example.org", Version: "v1", Resource: "widgets"}).Namespace(namespace)

	owner, err := widgets.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.org/v1", "kind": "Widget", "metadata": map[string]any{"name": "owner"},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	isController := true
	secrets := client.CoreV1().Secrets(namespace)
	_, err = secrets.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Name: "owned",
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: owner.GetAPIVersion(), Kind: owner.GetKind(), Name: owner.GetName(), UID: owner.GetUID(), Controller: &isController,
		}},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := widgets.Delete(t.Context(), owner.GetName(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the owned Secret to be collected", func(ctx context.Context) (bool, error) {
		_, err := secrets.Get(ctx, "owned", metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
}

func TestNamespaceDeletionFinishes(t *testing.T) {
	client := adminClient(t)
	namespaces := client.CoreV1().Namespaces()
	namespace, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "deleted-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	content := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "content"}}
	if _, err := client.CoreV1().ConfigMaps(namespace.Name).Create(t.Context(), content, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := namespaces.Delete(t.Context(), namespace.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace to be gone", func(ctx context.Context) (bool, error) {
		_, err := namespaces.Get(ctx, namespace.Name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
}

func TestServiceAccountToken(t *testing.T) {
	namespace := shared.Kubernetes.Namespace(t)
	token, err := shared.Kubernetes.ServiceAccountToken(t.Context(), namespace, "default", "openbao")
	if err != nil {
		t.Fatal(err)
	}
	claims := tokenClaims(t, token)
	if claims.Issuer != DefaultIssuer {
		t.Errorf("iss = %q, want %q", claims.Issuer, DefaultIssuer)
	}
	if want := []string{"openbao"}; !slices.Equal(claims.Audiences, want) {
		t.Errorf("aud = %q, want %q", claims.Audiences, want)
	}
	if want := "system:serviceaccount:" + namespace + ":default"; claims.Subject != want {
		t.Errorf("sub = %q, want %q", claims.Subject, want)
	}
}

// Informers stream their first list if the API server lets them, which depends
// on etcd too.
func TestInitialEventsAreStreamed(t *testing.T) {
	namespace := shared.Kubernetes.Namespace(t)
	sendInitialEvents := true
	timeout := int64(30)
	watcher, err := adminClient(t).CoreV1().ServiceAccounts(namespace).Watch(t.Context(), metav1.ListOptions{
		SendInitialEvents:    &sendInitialEvents,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
		AllowWatchBookmarks:  true,
		TimeoutSeconds:       &timeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	var names []string
	for event := range watcher.ResultChan() {
		account, ok := event.Object.(*corev1.ServiceAccount)
		if !ok {
			t.Fatalf("Event %s with a %T", event.Type, event.Object)
		}
		if event.Type == watch.Bookmark && account.Annotations[metav1.InitialEventsAnnotationKey] == "true" {
			if want := []string{"default"}; !slices.Equal(names, want) {
				t.Errorf("Initial events = %q, want %q", names, want)
			}
			return
		}
		names = append(names, account.Name)
	}
	t.Error("The watch ended before the bookmark after the initial events")
}

func TestServiceAccountHasNoRights(t *testing.T) {
	namespace := shared.Kubernetes.Namespace(t)
	config, err := shared.Kubernetes.ServiceAccountConfig(t.Context(), namespace, "default")
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("Listing Secrets as a ServiceAccount: %v, want forbidden", err)
	}
}

func TestKubeconfigIsAdministrator(t *testing.T) {
	config, err := clientcmd.BuildConfigFromFlags("", shared.Kubernetes.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Secrets(metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
}

// TestKubernetesFaults takes servers away, so it has a control plane of its own.
func TestKubernetesFaults(t *testing.T) {
	k := NewKubernetes(t, KubernetesOptions{Dir: t.TempDir()})
	namespace := k.Namespace(t)
	client, err := kubernetes.NewForConfig(k.probeConfig())
	if err != nil {
		t.Fatal(err)
	}
	oldToken, err := k.ServiceAccountToken(t.Context(), namespace, "default")
	if err != nil {
		t.Fatal(err)
	}
	accepts := func(token string) bool {
		t.Helper()
		config := k.anonymousConfig()
		config.BearerToken = token
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{})
		if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
			t.Fatalf("Listing Secrets with a token: %v, want an answer on who it is", err)
		}
		return apierrors.IsForbidden(err)
	}
	if !accepts(oldToken) {
		t.Fatal("A new token is not accepted")
	}

	if err := k.StopEtcd(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().ConfigMaps(namespace).Create(t.Context(),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "lost"}}, metav1.CreateOptions{}); err == nil {
		t.Error("Creating an object succeeds without etcd")
	}
	if err := k.StartEtcd(t.Context()); err != nil {
		t.Fatal(err)
	}

	if err := k.StopAPIServer(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Namespaces().Get(t.Context(), namespace, metav1.GetOptions{}); err == nil {
		t.Error("Reading an object succeeds without an API server")
	}
	if err := k.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Namespaces().Get(t.Context(), namespace, metav1.GetOptions{}); err != nil {
		t.Errorf("Reading an object after the restart: %v", err)
	}

	if err := k.RotateSigningKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	newToken, err := k.ServiceAccountToken(t.Context(), namespace, "default")
	if err != nil {
		t.Fatal(err)
	}
	if !accepts(oldToken) || !accepts(newToken) {
		t.Error("A token of the old or of the new key is not accepted after the rotation")
	}
	if err := k.DropOldSigningKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	if accepts(oldToken) {
		t.Error("A token of a dropped key is accepted")
	}
	if !accepts(newToken) {
		t.Error("A token of the remaining key is not accepted")
	}
}

type claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audiences []string `json:"aud"`
}

// tokenClaims decodes the claims of a token without verifying it.
func tokenClaims(t *testing.T, token string) claims {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("The token has %d parts, want 3", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var decoded claims
	if err := json.Unmarshal(payload, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}
